/** What the demo says in the terminal: the start's answers, the words that weigh most, the table of before and after. */

import { formatSeconds, type Output, percent, tableLines } from '../base/index.ts';
import { WAYS } from '../eval/index.ts';
import { pText, splitAnswer, wordsOf } from '../report/index.ts';
import type { Accuracy, BeforeAfter, Change, EvaluationRow } from '../stats/index.ts';
import type { GrpoStepReport } from '../train/index.ts';
import { here } from './demo-report.ts';
import type { DemoResult } from './demo-run.ts';

const NUM_SAMPLES = 3;
const NUM_WORDS = 4;

/** The first question of some kinds, what the model thinks and answers, and whether that is right. */
export function printSamples(rows: readonly EvaluationRow[], out: Output): void {
  const firsts = new Map<string, EvaluationRow>();
  for (const row of rows) {
    const kind = row.dims['kind'] ?? '';
    if (!firsts.has(kind)) firsts.set(kind, row);
  }
  for (const { problem, completion, truth, score } of [...firsts.values()].slice(0, NUM_SAMPLES)) {
    const { thinking, answer } = splitAnswer(completion);
    const [question, ...options] = problem.split('\n');
    out.print();
    out.print(`  ${question}`);
    out.print(`  ${options.join('   ')}`);
    out.print(out.dim(`  thinks   ${thinking}`));
    const verdict =
      score === 1
        ? out.green('right')
        : `${out.red(score > 0 ? 'in part right' : 'wrong')}, right is ${truth.join(', ')}`;
    out.print(`  answers  ${answer ?? '(nothing readable)'}   ${verdict}`);
  }
  out.print();
}

/** `B 1.70 no 1.66`: words of the step's last group with a signal, by the greatest weight of their tokens. */
export function heaviestWords({ groups }: Pick<GrpoStepReport, 'groups'>): string {
  const group = groups.findLast(({ is_zero_std }) => !is_zero_std) ?? groups.at(-1);
  const heaviest = new Map<string, number>();
  for (const { text, text_ends: ends, update } of group?.rollouts ?? []) {
    for (const [word, weight] of update === undefined ? [] : wordsOf(text, { ends, weights: update.weights }))
      if (/\w/.test(word)) heaviest.set(word, Math.max(weight, heaviest.get(word) ?? 0));
  }
  return [...heaviest]
    .sort(([, a], [, b]) => b - a)
    .slice(0, NUM_WORDS)
    .map(([word, weight]) => `${word} ${weight.toFixed(2)}`)
    .join(' ');
}

const share = (accuracy: Accuracy, kind: 'strict' | 'soft'): string => {
  const { low, high } = accuracy[`${kind}_interval`];
  return `${(100 * accuracy[kind]).toFixed(1)} % (${(100 * low).toFixed(1)}–${(100 * high).toFixed(1)})`;
};

function printResult({ label, all, groups }: BeforeAfter, out: Output): void {
  const row = (name: string, kind: 'strict' | 'soft', change: Change) => {
    const gain = 100 * (change.after[kind] - change.before[kind]);
    return [
      name,
      change.test.n,
      share(change.before, kind),
      share(change.after, kind),
      `${gain > 0 ? '+' : ''}${gain.toFixed(1)}`,
      kind === 'strict' ? pText(change.test.p_exact) : '',
    ];
  };
  const rows = [
    row('exactly right (strict)', 'strict', all),
    row('in part right (soft)', 'soft', all),
    ...groups.map((group) => row(`strict, ${group.name}`, 'strict', group)),
    ['tokens in an answer', all.test.n, all.length.before.toFixed(1), all.length.after.toFixed(1)],
  ];
  out.print(out.bold(label));
  for (const line of tableLines(['', 'questions', 'before', 'after', 'change', 'p'], rows))
    out.print(`  ${line}`);
  out.print();
}

/** One sentence: how much changed, and whether that could be chance. */
export function verdict({ label, all }: BeforeAfter): string {
  const { before, after, test } = all;
  const sure =
    test.p_exact < 0.01
      ? 'more than chance explains'
      : test.p_exact < 0.05
        ? 'probably more than chance'
        : 'within what chance explains';
  const what = after.strict > before.strict ? 'rose' : after.strict < before.strict ? 'fell' : 'stayed';
  return `Strict accuracy ${label} ${what} from ${percent(before.strict)} to ${percent(after.strict)} on ${test.n} held-out questions: ${test.only_second} became right, ${test.only_first} became wrong (McNemar, exact, two-sided: p = ${pText(test.p_exact)}), ${sure}.`;
}

/** The tables of before and after, where everything lies, and what to try next. */
export function printDemo({ record, notes, next }: DemoResult, out: Output): void {
  const { results, seconds, steps } = record;
  out.print();
  for (const way of WAYS) printResult(results[way], out);
  for (const note of notes) out.print(`  ${note}`);
  out.print();
  out.print(
    `  took ${formatSeconds(seconds.all)}, of which training ${formatSeconds(seconds.training)} (${steps} steps)`,
  );
  out.print(`  report   ${here(record.report)}`);
  out.print(`  model    ${here(record.checkpoint)}`);
  out.print(`  all else ${here(record.output_dir)}`);
  out.print();
  for (const { command, what } of next) out.print(`  ${what}:\n    ${command}`);
}
