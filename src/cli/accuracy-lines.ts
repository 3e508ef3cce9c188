/** Accuracy tables and comparisons on the terminal, the same for `twgrpo eval` and `twgrpo score`. */

import { type Output, percent, tableLines } from '../base/index.ts';
import {
  type Accuracy,
  type AccuracyTable,
  accuracyCells,
  breakdowns,
  type Comparison,
} from '../stats/index.ts';

/** Values of a dimension that are shown where nobody asked for it. */
const NUM_SHOWN = 10;

/**
 * @param options.again accuracies to stand beside that of all questions, by name
 * @param options.by dimensions to show alone, with all their values; none: all of them, long ones folded
 */
export function printAccuracy(
  table: AccuracyTable,
  out: Output,
  options: {
    readonly again?: readonly (readonly [name: string, part: Accuracy])[];
    readonly by?: readonly string[];
  } = {},
): void {
  const { again = [], by: asked = [] } = options;
  const row = (name: string, part: Accuracy) => [name, ...accuracyCells(part)];
  const all = breakdowns(table);
  const shown =
    asked.length === 0 ? all : all.filter(({ names }) => names.some((name) => asked.includes(name)));
  const most = asked.length === 0 ? NUM_SHOWN : Number.POSITIVE_INFINITY;
  const rows = [
    row('all', table.overall),
    ...again.map(([name, part]) => row(name, part)),
    ...Object.entries(table.by_answers).map(([kind, part]) => row(`answers: ${kind}`, part)),
    ...shown.flatMap(({ names, values }) => {
      const entries = Object.entries(values);
      const left = entries.length - most;
      return [
        ...entries.slice(0, most).map(([value, part]) => row(`${names[0]}: ${value}`, part)),
        ...(left > 0 ? [[`… ${left} more (twgrpo score --by ${names[0]})`]] : []),
      ];
    }),
  ];
  const header = ['', 'items', 'strict', '95 %', 'soft', '95 %', 'unread'];
  for (const line of tableLines(header, rows)) out.print(`  ${line}`);
  for (const { names } of shown)
    if (names.length > 1) out.print(`  ${names.slice(1).join(', ')}: the same as ${names[0]}`);
  const known = all.flatMap(({ names }) => names);
  for (const name of asked)
    if (!known.includes(name))
      out.warn(`nothing to break down by ${name}; there is ${known.join(', ') || 'nothing'}`);
}

/** What a comparison is of; the heading of the first says with which run. */
const QUESTIONS: Record<Comparison['questions'], string> = {
  all: 'all questions',
  single: 'one right option',
  multiple: 'several right options',
};

/** Comparisons of one run with others, each of them under one heading. */
export function printComparisons(comparisons: readonly Comparison[], out: Output): void {
  for (const comparison of comparisons) {
    const { second, questions, n, only_first, only_second, p_exact, p_mid } = comparison;
    if (questions === 'all') {
      if (comparison !== comparisons[0]) out.print();
      out.print(out.bold(`compared with ${second}`));
    }
    const { strict_first, strict_second } = comparison;
    if (strict_first === null || strict_second === null) {
      out.print('  no common items: nothing to compare');
      continue;
    }
    out.print(
      `  ${QUESTIONS[questions]}: ${n} common items, strict ${percent(strict_first, 2)} here, ${percent(strict_second, 2)} there`,
    );
    out.print(
      `    right only here ${only_first}, only there ${only_second}; McNemar p = ${p_exact.toPrecision(3)} (exact), ${p_mid.toPrecision(3)} (mid-p)`,
    );
    const { missing_in_first, missing_in_second, other_truth } = comparison;
    if (missing_in_first + missing_in_second + other_truth > 0)
      out.print(
        `    left out: ${missing_in_second} items only here, ${missing_in_first} only there, ${other_truth} with another right answer`,
      );
  }
}
