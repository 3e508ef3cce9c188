/**
 * Which questions are worth training on, from a model's own samples: not those it always or never answers right, since a group of equal
 * rewards teaches nothing; not those it answers without the video, since they teach to guess.
 */
import type { SampledRow } from './sampled-answers.ts';

/** Why a record is left out, in the order in which it is looked for. */
export const LEFT_OUT = [
  'open',
  'no_video',
  'blind',
  'never_right',
  'always_right',
  'too_hard',
  'too_easy',
] as const;
export type LeftOut = (typeof LEFT_OUT)[number];

/** The words for each reason. */
export const LEFT_OUT_WORDS: Readonly<Record<LeftOut, string>> = {
  open: 'nothing here can score them without a problem_type',
  no_video: 'their video can not be read',
  blind: 'answered without the video',
  never_right: 'never right',
  always_right: 'always right',
  too_hard: 'right less often than is kept',
  too_easy: 'right more often than is kept',
};

/** Least and largest share of right answers that is kept. */
export interface KeptShares {
  readonly low: number;
  readonly high: number;
}

/**
 * Whether a model answers a question without its video: right in at least half of its samples. Not greedily: one answer out of four
 * options is right by luck in a quarter of the questions and has no measure, where half of 8 samples is reached by even guessing in 11 %.
 */
export function isAnsweredBlind({ right, scores }: SampledRow): boolean {
  return 2 * right >= scores.length;
}

/** Why the share of right answers leaves a question out; undefined where it is kept. @param keep default: all but never and always */
export function leftOutByShare(
  { right, scores }: SampledRow,
  keep: KeptShares | undefined,
): LeftOut | undefined {
  const share = right / scores.length;
  if (keep === undefined ? right === 0 : share < keep.low) return right === 0 ? 'never_right' : 'too_hard';
  if (keep === undefined ? right === scores.length : share > keep.high)
    return right === scores.length ? 'always_right' : 'too_easy';
  return undefined;
}

/** Number of questions by their number of right samples, from none to all. */
export function histogram(rows: readonly SampledRow[], samples: number): number[] {
  const counts = Array.from({ length: samples + 1 }, () => 0);
  for (const { right } of rows) counts[right]! += 1;
  return counts;
}
