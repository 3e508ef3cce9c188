/** Accuracy tables and comparisons on the terminal, the same for `twgrpo eval` and `twgrpo score`. */

import { type Output, percent, tableLines } from '../base/index.ts';
import { type Accuracy, type AccuracyTable, accuracyCells, type Comparison } from '../stats/index.ts';

/** @param again accuracies to stand beside that of all questions, by name */
export function printAccuracy(
  { overall, by_answers, by }: AccuracyTable,
  out: Output,
  again: readonly (readonly [name: string, part: Accuracy])[] = [],
): void {
  const row = (name: string, part: Accuracy) => [name, ...accuracyCells(part)];
  const rows = [
    row('all', overall),
    ...again.map(([name, part]) => row(name, part)),
    ...Object.entries(by_answers).map(([kind, part]) => row(`answers: ${kind}`, part)),
    ...Object.entries(by).flatMap(([dimension, values]) =>
      Object.entries(values).map(([value, part]) => row(`${dimension}: ${value}`, part)),
    ),
  ];
  const header = ['', 'items', 'strict', '95 %', 'soft', '95 %', 'unread'];
  for (const line of tableLines(header, rows)) out.print(`  ${line}`);
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
