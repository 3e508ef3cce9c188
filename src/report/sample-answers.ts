/**
 * A few questions with their answers before and after training, for people to look at. Chosen by rule, not by hand: questions
 * that became right, that became wrong, that stayed right and that stayed wrong, with how many there are of each sort.
 */

import type { EvaluationRow } from '../stats/index.ts';
import { contactSheet, decodeFrames, type SamplingSettings, sampleFrames } from '../video/index.ts';

export const OUTCOMES = ['became right', 'became wrong', 'stayed right', 'stayed wrong'] as const;
export type Outcome = (typeof OUTCOMES)[number];

export interface SampleAnswer {
  readonly outcome: Outcome;
  readonly before: EvaluationRow;
  readonly after: EvaluationRow;
  /** PNG of the frames the model saw, in time order. */
  readonly sheet: Uint8Array;
}

export interface SampleAnswers {
  readonly samples: readonly SampleAnswer[];
  /** Questions of each sort in the whole set. */
  readonly counts: Readonly<Record<Outcome, number>>;
}

/** Number of examples shown of each outcome: more of those that changed. */
const SHOWN: Readonly<Record<Outcome, number>> = {
  'became right': 3,
  'became wrong': 2,
  'stayed right': 1,
  'stayed wrong': 2,
};

/**
 * @param before rows of the same questions as `after`, in the same order
 * @param settings how frames are chosen
 * @throws VideoError when a video cannot be decoded
 */
export async function sampleAnswers(
  before: readonly EvaluationRow[],
  after: readonly EvaluationRow[],
  settings: SamplingSettings,
): Promise<SampleAnswers> {
  const pairs = before.map((row, i) => ({
    before: row,
    after: after[i]!,
    outcome: outcomeOf(row, after[i]!),
  }));
  const withOutcome = (outcome: Outcome) => pairs.filter((pair) => pair.outcome === outcome);
  const chosen = OUTCOMES.flatMap((outcome) => firstOfEachKind(withOutcome(outcome), SHOWN[outcome]));
  const samples = await Promise.all(
    chosen.map(async (pair) => {
      const frames = await decodeFrames(pair.before.video, (video) => sampleFrames(settings, video));
      return { ...pair, sheet: contactSheet(frames, { columns: 8, maxFrameWidth: 112 }) };
    }),
  );
  const counts = Object.fromEntries(OUTCOMES.map((outcome) => [outcome, withOutcome(outcome).length]));
  return { samples, counts: counts as Record<Outcome, number> };
}

function outcomeOf(before: EvaluationRow, after: EvaluationRow): Outcome {
  if (before.score === 1) return after.score === 1 ? 'stayed right' : 'became wrong';
  return after.score === 1 ? 'became right' : 'stayed wrong';
}

/** The first `count` in order, other kinds of question before a second one of the same kind. */
function firstOfEachKind<T extends { readonly before: EvaluationRow }>(
  pairs: readonly T[],
  count: number,
): T[] {
  const seen = new Map<string, number>();
  return pairs
    .map((pair, at) => {
      const kind = pair.before.dims['kind'] ?? '';
      const round = seen.get(kind) ?? 0;
      seen.set(kind, round + 1);
      return { pair, at, round };
    })
    .sort((a, b) => a.round - b.round || a.at - b.at)
    .slice(0, count)
    .map(({ pair }) => pair);
}

/** A completion in its two parts. */
export interface SplitAnswer {
  /** Text between the tags; the whole completion where they are missing. */
  readonly thinking: string;
  readonly answer: string | undefined;
}

export function splitAnswer(completion: string): SplitAnswer {
  const thinking = /<think>([\s\S]*?)<\/think>/.exec(completion)?.[1];
  const answer = [...completion.matchAll(/<answer>([^<]*)<\/answer>/g)].at(-1)?.[1];
  return { thinking: (thinking ?? completion).trim(), answer: answer?.trim() };
}
