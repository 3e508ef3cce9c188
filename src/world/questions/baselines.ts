/**
 * What a set of questions is worth: the strict accuracy (exactly the right options) of answers that take no understanding. A model
 * says something about a rung only where it is clearly above all of them.
 */
import { lettersOf } from '../../data/index.ts';
import { QUESTION_KINDS } from './kinds.ts';
import { type Guesses, SINGLE_FRAMES } from './shortcuts.ts';
import { singleFrameRight } from './single-frame.ts';
import { RUNGS } from './statements.ts';

/** Strict accuracies in [0, 1]; null where a guess does not apply to any of the questions. */
export interface BaselineScores {
  readonly n: number;
  /** Any set but none and all, each as likely: the mean of 1 / (2^k - 2). */
  readonly chance: number;
  /** The one answer that is right most often, chosen for each kind of question. */
  readonly best_constant: number;
  /** A guess that knows kind, wording and number of options, and what is usual for them (learned on the other half of the questions). */
  readonly no_video: number;
  /** A guess that names the objects that are in the video. */
  readonly presence: number;
  /** For causal kinds, a guess that takes what is seen to happen for the answer. */
  readonly facts: number | null;
  /** Perfect perception of one frame (see single-frame.ts): the first, the middle and the last. */
  readonly single_frame: readonly number[];
}

export interface Baselines {
  readonly num_videos: number;
  readonly all: BaselineScores;
  readonly by_rung: Readonly<Record<string, BaselineScores>>;
  readonly by_kind: Readonly<Record<string, BaselineScores & { readonly constant_answer: string }>>;
}

interface Judged {
  readonly question: Guesses;
  readonly constant: boolean;
  readonly noVideo: boolean;
  readonly frames: readonly boolean[];
}

export function measureBaselines(questions: readonly Guesses[]): Baselines {
  const constants = new Map<string, number>();
  const judged = QUESTION_KINDS.flatMap((kind) => {
    const own = questions.filter((question) => question.kind === kind);
    if (own.length === 0) return [];
    const constant = commonest(own);
    constants.set(kind, constant);
    const noVideo = noVideoRight(own);
    const frames = SINGLE_FRAMES.map((_, frame) => singleFrameRight(own, frame));
    return own.map(
      (question, at): Judged => ({
        question,
        constant: question.answer === constant,
        noVideo: noVideo[at]!,
        frames: frames.map((right) => right[at]!),
      }),
    );
  });
  const group = (isIn: (question: Guesses) => boolean): BaselineScores | undefined => {
    const members = judged.filter(({ question }) => isIn(question));
    return members.length === 0 ? undefined : scores(members);
  };
  const known = <T>(entries: readonly (readonly [string, T | undefined])[]): Record<string, T> =>
    Object.fromEntries(entries.filter((entry): entry is [string, T] => entry[1] !== undefined));
  return {
    num_videos: new Set(questions.map(({ index }) => index)).size,
    all: scores(judged),
    by_rung: known(RUNGS.map((rung) => [rung, group((question) => question.rung === rung)])),
    by_kind: known(
      QUESTION_KINDS.map((kind) => {
        const found = group((question) => question.kind === kind);
        return [kind, found && { ...found, constant_answer: letters(constants.get(kind)!) }];
      }),
    ),
  };
}

function scores(judged: readonly Judged[]): BaselineScores {
  const share = <T>(items: readonly T[], value: (item: T) => number | boolean): number =>
    Math.round((1e4 * items.reduce((sum, item) => sum + Number(value(item)), 0)) / items.length) / 1e4;
  const causal = judged.filter(({ question }) => question.facts !== undefined);
  return {
    n: judged.length,
    chance: share(judged, ({ question }) => 1 / (2 ** question.numOptions - 2)),
    best_constant: share(judged, ({ constant }) => constant),
    no_video: share(judged, ({ noVideo }) => noVideo),
    presence: share(judged, ({ question }) => question.presence === question.answer),
    facts: causal.length === 0 ? null : share(causal, ({ question }) => question.facts === question.answer),
    single_frame: SINGLE_FRAMES.map((_, frame) => share(judged, ({ frames }) => frames[frame]!)),
  };
}

/** The answer most questions have; of equally common ones the first. */
function commonest(questions: readonly Guesses[]): number {
  const counts = new Map<number, number>();
  for (const { answer } of questions) counts.set(answer, (counts.get(answer) ?? 0) + 1);
  return [...counts].reduce((best, one) =>
    one[1] > best[1] || (one[1] === best[1] && one[0] < best[0]) ? one : best,
  )[0];
}

/** For each question, true when the usual answer to its like, as learned from the other half, is right. */
function noVideoRight(questions: readonly Guesses[]): boolean[] {
  const isAlike = (a: Guesses, b: Guesses): boolean =>
    a.numOptions === b.numOptions && a.isNegated === b.isNegated;
  return questions.map((question, at) => {
    const others = questions.filter((other, index) => index % 2 !== at % 2 && isAlike(question, other));
    return others.length > 0 && commonest(others) === question.answer;
  });
}

const letters = (mask: number): string =>
  lettersOf([0, 1, 2, 3, 4].filter((at) => ((mask >> at) & 1) === 1)).join(',');
