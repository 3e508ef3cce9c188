/**
 * What a report says, of a run of `evaluate` and of a results log alike: how much was answered, how well, how the answers
 * look, and how the run compares with others. Numbers only; `report.ts` writes them down.
 */
import { type AnswerStatistics, answerStatistics } from '../answers/index.ts';
import { type JsonObject, mean } from '../base/index.ts';
import type { Evaluation } from '../eval/index.ts';
import type { LogScore } from '../logs/index.ts';
import {
  type AccuracyTable,
  accuracyTable,
  type Comparison,
  compareRuns,
  type NamedRows,
  type ScoredRow,
} from '../stats/index.ts';

/** The content of a report. All shares lie in [0, 1]. */
export interface ReportContent {
  readonly name: string;
  readonly settings: JsonObject;
  readonly coverage: {
    /** Number of questions asked for. */
    readonly questions: number;
    readonly answered: number;
    /** Questions without a readable video: neither right nor wrong. */
    readonly missing: number;
    /** Questions still to be answered, where the run was stopped. */
    readonly waiting: number;
    /** Code -> questions left out when the files were read; not among `questions`. */
    readonly left_out: Readonly<Record<string, number>>;
    /** Share of the questions that were answered. */
    readonly share: number;
  };
  readonly missing: readonly { readonly id: string; readonly reason: string }[];
  /** Accuracy of the answered questions; null when there are none. */
  readonly accuracy: AccuracyTable | null;
  /** Figures of the answers' texts; null when nothing was answered. */
  readonly answers: AnswerFigures | null;
  /** McNemar's test against each other run: all items, then single- and multi-answer items apart where there are both. */
  readonly comparisons: readonly Comparison[];
}

export interface AnswerFigures extends AnswerStatistics {
  /** Tokens of an answer, the stop token included; a log does not hold it. */
  readonly mean_length?: number;
  /** Share cut off at the longest length. */
  readonly truncated?: number;
  /** Share in the form `<think>…</think> <answer>…</answer>`. */
  readonly format?: number;
}

/** The figures of a run. */
export function evaluationReport(
  name: string,
  { rows, missing }: Pick<Evaluation, 'rows' | 'missing'>,
  context: {
    readonly questions: number;
    readonly left_out: Readonly<Record<string, number>>;
    readonly settings: JsonObject;
    readonly others?: readonly NamedRows[];
  },
): ReportContent {
  const { questions, left_out, settings, others = [] } = context;
  const meanOf = (value: (row: Evaluation['rows'][number]) => number): number => mean(rows.map(value));
  const isAnswered = rows.length > 0;
  return {
    name,
    settings,
    coverage: {
      questions,
      answered: rows.length,
      missing: missing.length,
      waiting: questions - rows.length - missing.length,
      left_out,
      share: rows.length / questions,
    },
    missing,
    accuracy: isAnswered ? accuracyTable(rows) : null,
    answers: isAnswered
      ? {
          ...statisticsOf(rows),
          mean_length: meanOf(({ length }) => length),
          truncated: meanOf(({ truncated }) => Number(truncated)),
          format: meanOf(({ format }) => format),
        }
      : null,
    comparisons: others.flatMap((other) => compareGroups({ name, rows }, other)),
  };
}

/** The figures of a scored log. */
export function logReport(score: LogScore, others: readonly NamedRows[] = []): ReportContent {
  const { file, scored, mode, rule, unique_items } = score;
  return {
    name: file,
    settings: { mode, rule: mode === 'tolerant' ? 'tolerant' : rule.rule },
    coverage: {
      questions: unique_items,
      answered: unique_items,
      missing: 0,
      waiting: 0,
      left_out: {},
      share: 1,
    },
    missing: [],
    accuracy: score.scores,
    answers: statisticsOf(scored),
    comparisons: others.flatMap((other) => compareGroups({ name: file, rows: scored }, other)),
  };
}

function statisticsOf(rows: readonly ScoredRow[]): AnswerStatistics {
  return answerStatistics(
    rows.map(({ chosen, failed }) => ({ letters: chosen, failed })),
    rows.map(({ truth }) => truth),
  );
}

function compareGroups(first: NamedRows, second: NamedRows): Comparison[] {
  const all = compareRuns(first, second);
  const parts = (['single', 'multiple'] as const).map((kind) => compareRuns(first, second, kind));
  return parts.every(({ n }) => n > 0) ? [all, ...parts] : [all];
}
