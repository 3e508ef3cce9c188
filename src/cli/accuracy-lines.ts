/** Accuracy tables and comparisons on the terminal, the same for `twgrpo eval` and `twgrpo score`. */

import { type Output, percent, percentRange, tableLines } from '../base/index.ts';
import type { Accuracy, AccuracyTable, Comparison } from '../stats/index.ts';

export function printAccuracy({ overall, by_answers, by }: AccuracyTable, out: Output): void {
  const row = (name: string, part: Accuracy) => [
    name,
    part.n,
    percent(part.strict, 2),
    percentRange(part.strict_interval),
    percent(part.soft, 2),
    percentRange(part.soft_interval),
    percent(part.parse_failure, 2),
  ];
  const rows = [
    row('all', overall),
    ...Object.entries(by_answers).map(([kind, part]) => row(`answers: ${kind}`, part)),
    ...Object.entries(by).flatMap(([dimension, values]) =>
      Object.entries(values).map(([value, part]) => row(`${dimension}: ${value}`, part)),
    ),
  ];
  const header = ['', 'items', 'strict', '95 %', 'soft', '95 %', 'unread'];
  for (const line of tableLines(header, rows)) out.print(`  ${line}`);
}

export function printComparison(comparison: Comparison, out: Output): void {
  const { first, second, n, only_first, only_second, p_exact, p_mid, strict_first, strict_second } =
    comparison;
  out.print(out.bold(`${first}  against  ${second}`));
  if (strict_first === null || strict_second === null) {
    out.print('  no common items: nothing to compare');
    return;
  }
  out.print(`  ${n} common items: strict ${percent(strict_first, 2)} against ${percent(strict_second, 2)}`);
  out.print(
    `  right in the first only ${only_first}, in the second only ${only_second}; McNemar p = ${p_exact.toPrecision(3)} (exact), ${p_mid.toPrecision(3)} (mid-p)`,
  );
  const { missing_in_first, missing_in_second, other_truth } = comparison;
  if (missing_in_first + missing_in_second + other_truth > 0)
    out.print(
      `  left out: ${missing_in_second} items of the first run alone, ${missing_in_first} of the second alone, ${other_truth} with another right answer`,
    );
}
