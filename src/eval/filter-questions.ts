/**
 * Sorts questions by what a model's own samples say of them: first those it answers without the video, which cost no decoding, then, of
 * the others, those that are too hard or too easy. The answers of both lie in folders of their own, so that the next run asks only
 * what is missing, and another choice of shares asks nothing.
 */
import { join } from 'node:path';
import { mean, recordOf } from '../base/index.ts';
import { itemTask, type Question } from '../data/index.ts';
import type { Asked, AskedSet } from './ask.ts';
import { controlQuestions } from './controls.ts';
import { histogram, isAnsweredBlind, type KeptShares, type LeftOut, leftOutByShare } from './difficulty.ts';
import { type SampledRow, type SampleOptions, sampleAnswers } from './sampled-answers.ts';

export const FILTERS = ['blind', 'difficulty'] as const;
export type FilterName = (typeof FILTERS)[number];

export interface FilterOptions extends Omit<SampleOptions, 'output_dir' | 'onProgress'> {
  readonly filters: readonly FilterName[];
  /** Shares of right answers that the difficulty filter keeps. @default all but never and always right */
  readonly keep?: KeptShares | undefined;
  /** Holds a folder of rows for each filter. */
  readonly answers_dir: string;
  /** Called as each filter begins; gives what is told of its progress. */
  readonly onFilter?: (filter: FilterName, numQuestions: number, folder: string) => AskedSet['onProgress'];
}

/** Figures of one filter. */
export interface FilterFigures {
  /** Questions it asked. */
  readonly questions: number;
  /** Questions that show nothing, so that there is nothing to ask blind; they are kept. */
  readonly unchanged: number;
  /** Mean share of right answers; null where nothing was answered. */
  readonly mean_right: number | null;
  /** Questions by their number of right samples, from 0 to all. */
  readonly histogram: readonly number[];
  /** Share of the samples that were cut off at the longest length; null where nothing was answered. */
  readonly truncated: number | null;
}

/** Questions of one kind. */
export interface GroupFigures {
  readonly questions: number;
  readonly kept: number;
  /** By the last filter that asked it. */
  readonly mean_right: number | null;
}

export interface Filtered {
  /** Why a question is left out, by id; the others are kept. */
  readonly left_out: ReadonlyMap<string, LeftOut>;
  readonly missing: Asked<SampledRow>['missing'];
  readonly filters: Readonly<Partial<Record<FilterName, FilterFigures>>>;
  readonly by: Readonly<Record<'data_source' | 'type', Readonly<Record<string, GroupFigures>>>>;
  /** False when stopped by the signal: not every question is judged. */
  readonly isComplete: boolean;
  /** Why it stopped, whichever process was told to; undefined when complete. */
  readonly stopped_by: string | undefined;
}

/** @throws what `ask` throws */
export async function filterQuestions(options: FilterOptions): Promise<Filtered> {
  const { questions, filters, samples, answers_dir, settings } = options;
  const open = questions.filter(({ item }) => itemTask(item) === 'open');
  const leftOut = new Map<string, LeftOut>(open.map(({ id }) => [id, 'open']));
  const shares = new Map<string, number>();
  const figures: Partial<Record<FilterName, FilterFigures>> = {};
  let missing: Asked<SampledRow>['missing'] = [];
  let stopped_by: string | undefined;
  for (const filter of FILTERS.filter((name) => filters.includes(name))) {
    if (stopped_by !== undefined) break;
    const left = questions.filter(({ id }) => !leftOut.has(id));
    const asked = filter === 'blind' ? controlQuestions('blind', left) : left;
    const output_dir = join(answers_dir, filter);
    const answered = await sampleAnswers({
      ...options,
      questions: asked,
      output_dir,
      settings: { filter, samples, ...settings },
      onProgress: options.onFilter?.(filter, asked.length, output_dir),
    });
    stopped_by = answered.stopped_by;
    missing = [...missing, ...answered.missing];
    for (const { id } of answered.missing) leftOut.set(id, 'no_video');
    for (const row of answered.rows) {
      shares.set(row.id, row.right / samples);
      const why = filter === 'blind' ? blindReason(row) : leftOutByShare(row, options.keep);
      if (why !== undefined) leftOut.set(row.id, why);
    }
    figures[filter] = {
      questions: asked.length,
      unchanged: left.length - asked.length,
      mean_right: meanOf(answered.rows.map(({ right }) => right / samples)),
      histogram: histogram(answered.rows, samples),
      truncated: meanOf(answered.rows.map(({ truncated }) => truncated / samples)),
    };
  }
  const groups = (groupOf: (question: Question) => string | undefined) =>
    groupFigures(questions, groupOf, leftOut, shares);
  return {
    left_out: leftOut,
    missing,
    filters: figures,
    by: { data_source: groups(sourceOf), type: groups(({ item }) => itemTask(item)) },
    isComplete: stopped_by === undefined,
    stopped_by,
  };
}

const blindReason = (row: SampledRow): LeftOut | undefined => (isAnsweredBlind(row) ? 'blind' : undefined);

const meanOf = (values: readonly number[]): number | null => (values.length === 0 ? null : mean(values));

function sourceOf({ item }: Question): string | undefined {
  const source = item.provenance['data_source'];
  return typeof source === 'string' && source !== '' ? source : undefined;
}

function groupFigures(
  questions: readonly Question[],
  groupOf: (question: Question) => string | undefined,
  leftOut: ReadonlyMap<string, LeftOut>,
  shares: ReadonlyMap<string, number>,
): Record<string, GroupFigures> {
  const groups = new Map<string, Question[]>();
  for (const question of questions) {
    const value = groupOf(question);
    if (value === undefined) continue;
    const members = groups.get(value);
    if (members === undefined) groups.set(value, [question]);
    else members.push(question);
  }
  const figures = [...groups].map(([value, members]): [string, GroupFigures] => [
    value,
    {
      questions: members.length,
      kept: members.filter(({ id }) => !leftOut.has(id)).length,
      mean_right: meanOf(members.flatMap(({ id }) => shares.get(id) ?? [])),
    },
  ]);
  return recordOf(figures.sort(([, a], [, b]) => b.questions - a.questions));
}
