/** What `twgrpo eval` shows of a report on the terminal, and the figures of a run that a report does not hold. */
import type { Accuracy, Comparison, Evaluation, EvaluationReport, Interval } from '../eval/index.ts';
import type { Output } from './command.ts';
import { tableLines } from './table.ts';

export const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;
const interval = ({ low, high }: Interval): string => `${(100 * low).toFixed(1)}–${(100 * high).toFixed(1)}`;

export function printReport(report: EvaluationReport, run: RunFigures, out: Output): void {
  const { accuracy, coverage, against } = report;
  out.print(out.bold(report.name));
  if (accuracy !== null) {
    const row = (name: string, part: Accuracy) => [
      name,
      part.n,
      percent(part.strict),
      interval(part.strict_interval),
      percent(part.soft),
      interval(part.soft_interval),
      percent(part.parse_failure),
    ];
    const rows = [
      row('all', accuracy.overall),
      ...Object.entries(accuracy.by_answers).map(([name, part]) => row(`answers: ${name}`, part)),
      ...Object.entries(accuracy.by).flatMap(([dim, values]) =>
        Object.entries(values).map(([value, part]) => row(`${dim}: ${value}`, part)),
      ),
    ];
    const header = ['', 'items', 'strict', '95 %', 'soft', '95 %', 'unread'];
    for (const line of tableLines(header, rows)) out.print(`  ${line}`);
    out.print();
    out.print(
      `  answers: ${run.mean_length.toFixed(1)} tokens on average, ${percent(run.truncated)} cut off, ${percent(run.format)} in the <think> <answer> form`,
    );
  }
  const dropped = Object.entries(run.dropped).map(([code, count]) => `${count} ${code}`);
  const notes = [
    `  covered: ${coverage.answered} of ${run.questions} questions, ${coverage.missing} without a readable video`,
    ...(run.waiting > 0 ? [`${run.waiting} still to be answered`] : []),
    ...(dropped.length > 0 ? [`left out of the file: ${dropped.join(', ')}`] : []),
  ];
  out.print(notes.join('; '));
  if (against !== null) {
    out.print();
    out.print(out.bold(`  against ${against.name}`));
    for (const [group, comparison] of Object.entries(against.comparisons))
      printComparison(group, comparison, out);
  }
}

/** What the report does not hold: how the answers look, and what there was to answer. Shares in [0, 1]. */
export interface RunFigures {
  readonly is_complete: boolean;
  /** Questions asked for. */
  readonly questions: number;
  /** Still to be answered, where the run was stopped. */
  readonly waiting: number;
  /** Left out of the files when they were read, by code. */
  readonly dropped: Readonly<Record<string, number>>;
  /** Tokens, the stop token included. */
  readonly mean_length: number;
  readonly truncated: number;
  readonly format: number;
  /** Rows made by an earlier attempt. */
  readonly num_resumed: number;
  /** Smaller than asked for where memory ran out. */
  readonly batch_size: number;
}

export function figuresOf(
  { rows, missing, isComplete, num_resumed, batch_size }: Evaluation,
  questions: number,
  dropped: Readonly<Record<string, number>>,
): RunFigures {
  const mean = (value: (row: Evaluation['rows'][number]) => number): number =>
    rows.length === 0 ? 0 : rows.reduce((sum, row) => sum + value(row), 0) / rows.length;
  return {
    is_complete: isComplete,
    questions,
    waiting: questions - rows.length - missing.length,
    dropped,
    mean_length: mean(({ length }) => length),
    truncated: mean(({ truncated }) => Number(truncated)),
    format: mean(({ format }) => format),
    num_resumed,
    batch_size,
  };
}

function printComparison(group: string, comparison: Comparison, out: Output): void {
  const { n, only_first, only_second, p_exact, p_mid, strict_first, strict_second } = comparison;
  if (strict_first === null || strict_second === null) {
    out.print(`  ${group}: no common items, nothing to compare`);
    return;
  }
  out.print(
    `  ${group}: ${n} common items, strict ${percent(strict_first)} against ${percent(strict_second)}; right here only ${only_first}, there only ${only_second}; McNemar p = ${p_exact.toPrecision(3)} (exact), ${p_mid.toPrecision(3)} (mid-p)`,
  );
  const { missing_in_first, missing_in_second, other_truth } = comparison;
  if (missing_in_first + missing_in_second + other_truth > 0)
    out.print(
      `    left out: ${missing_in_second} items that are only here, ${missing_in_first} only there, ${other_truth} with another right answer`,
    );
}
