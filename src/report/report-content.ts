/**
 * What a report says, of a run of `evaluate` and of a results log alike: how much was answered, how well, how the answers
 * look, and how the run compares with others. Numbers only; `report.ts` writes them down.
 */
import { type AnswerStatistics, answerStatistics } from '../answers/index.ts';
import { type JsonObject, mean } from '../base/index.ts';
import type { Control, Evaluation } from '../eval/index.ts';
import type { LogScore } from '../logs/index.ts';
import {
  type Accuracy,
  type AccuracyTable,
  accuracy,
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
  /** The same questions with less to see; empty where they were not asked. */
  readonly controls: readonly ControlFigures[];
}

/** What a model answers without the video, or with one frame of it. */
export interface ControlFigures {
  readonly control: Control;
  /** What stands in place of the videos, in words. */
  readonly shows: string;
  /** Answered questions that have nothing for the control to take away: not asked again. */
  readonly unchanged: number;
  /** Questions asked again. */
  readonly questions: number;
  /** Accuracy over those that were answered again; null when none was answered. */
  readonly accuracy: Accuracy | null;
  /** Share of the questions answered both times that are right with the video and wrong in the control; null without any. */
  readonly right_only_with_video: number | null;
}

/** A control that was run. */
export type ControlRun = Pick<Evaluation, 'rows'> & Pick<ControlFigures, 'control' | 'shows' | 'questions'>;

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
    readonly controls?: readonly ControlRun[];
  },
): ReportContent {
  const { questions, left_out, settings, others = [], controls = [] } = context;
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
    comparisons: [...others, ...controls.map((run) => ({ name: run.control, rows: run.rows }))].flatMap(
      (other) => compareGroups({ name, rows }, other),
    ),
    controls: controls.map((run) => controlFigures({ name, rows }, run)),
  };
}

function controlFigures(
  benchmark: NamedRows,
  { control, shows, rows, questions }: ControlRun,
): ControlFigures {
  const { n, only_first } = compareRuns(benchmark, { name: control, rows });
  return {
    control,
    shows,
    questions,
    unchanged: benchmark.rows.length - questions,
    accuracy: rows.length > 0 ? accuracy(rows) : null,
    right_only_with_video: n > 0 ? only_first / n : null,
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
    controls: [],
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
