/** What `twgrpo data filter` kept and left out, on the terminal. */
import { type Output, percent, tableLines, tally } from '../base/index.ts';
import { FILTERS, type Filtered, LEFT_OUT, LEFT_OUT_WORDS } from '../eval/index.ts';

/** Counts that only the command knows. */
interface FilterCounts {
  readonly samples: number;
  readonly num_picked: number;
  readonly num_kept: number;
  readonly dropped: Readonly<Record<string, number>>;
}

const BAR = 40;
const NUM_SHOWN = 5;

export function printFiltered(filtered: Filtered, counts: FilterCounts, out: Output): void {
  const { left_out, missing, filters, by } = filtered;
  const { samples, num_picked, num_kept, dropped } = counts;
  const reasons = tally(left_out.values());
  const rows = [
    ['kept', num_kept, percent(num_kept / num_picked)],
    ...LEFT_OUT.flatMap((reason) => {
      const count = reasons[reason] ?? 0;
      return count === 0 ? [] : [[LEFT_OUT_WORDS[reason], count, percent(count / num_picked)]];
    }),
    ...Object.entries(dropped).map(([code, count]) => [`error ${code}`, count, percent(count / num_picked)]),
  ];
  for (const line of tableLines(['', 'records', 'share'], rows)) out.print(`  ${line}`);
  for (const name of FILTERS) {
    const figures = filters[name];
    if (figures === undefined) continue;
    const { questions, unchanged, mean_right, truncated, histogram } = figures;
    out.print();
    out.print(
      `  ${name}: ${percent(mean_right)} of ${samples} samples right on average over ${questions} questions, ${percent(truncated)} cut off`,
    );
    if (unchanged > 0) out.print(`  ${unchanged} questions show nothing: not asked, kept`);
    const most = Math.max(1, ...histogram);
    const bars = histogram.map((count, right) => [
      `${right} right`,
      count,
      '█'.repeat(Math.round((BAR * count) / most)),
    ]);
    for (const line of tableLines([`of ${samples}`, 'questions', ''], bars)) out.print(`  ${line.trimEnd()}`);
  }
  for (const [dimension, groups] of Object.entries(by)) {
    const entries = Object.entries(groups);
    if (entries.length < 2) continue;
    out.print();
    const lines = tableLines(
      [dimension, 'questions', 'kept', 'right'],
      entries.map(([name, { questions, kept, mean_right }]) => [name, questions, kept, percent(mean_right)]),
    );
    for (const line of lines) out.print(`  ${line}`);
  }
  if (missing.length === 0) return;
  const shown = missing.slice(0, NUM_SHOWN).map(({ id }) => id);
  const more = missing.length > NUM_SHOWN ? `, … and ${missing.length - NUM_SHOWN} more (--json)` : '';
  out.warn(`left out, their video can not be read: ${shown.join(', ')}${more}`);
}
