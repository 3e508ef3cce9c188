/**
 * What answers a question without understanding it. A guess is a set of options as a bit mask (bit i: option i is right), so that the
 * scores of a whole set can be worked out from small numbers that workers hand over.
 */

import { depthIn } from '../scene/events.ts';
import { stateAt } from '../scene/physics.ts';
import type { Episode } from './episode.ts';
import { DIRECTIONS, KINDS, type QuestionKind, REGIONS } from './kinds.ts';
import type { WorldQuestion } from './questions.ts';
import type { Rung } from './statements.ts';

/** A question with the guesses of every shortcut, ready to be scored. */
export interface Guesses {
  /** Index of the video. */
  readonly index: number;
  readonly kind: QuestionKind;
  readonly rung: Rung;
  readonly isNegated: boolean;
  /** Region or direction that the question asks about. */
  readonly variant: string;
  readonly numOptions: number;
  /** Right options. */
  readonly answer: number;
  /** "Whatever is in the video": objects that are in the scene; with a negated question those that are not. */
  readonly presence: number;
  /** The shortcut of a causal kind: the facts of the video hold after it, or without the object. */
  readonly facts: number | undefined;
  /** Single frames: for each moment what can be measured of each option in it. */
  readonly frames: readonly (readonly (readonly number[])[])[];
}

/** Moments of the single frames, as parts of the video. */
export const SINGLE_FRAMES = [0, 0.5, 1] as const;

export function guesses(episode: Episode, question: WorldQuestion): Guesses {
  const { statements, isNegated, kind, rung, variant } = question;
  const mask = (isRight: (at: number) => boolean): number =>
    statements.reduce((sum, _, at) => sum + (isRight(at) ? 2 ** at : 0), 0);
  const hasHints = KINDS[kind].type !== 'descriptive' && statements.every(({ hint }) => hint !== undefined);
  return {
    index: episode.index,
    kind,
    rung,
    isNegated,
    variant,
    numOptions: statements.length,
    answer: mask((at) => statements[at]!.isTrue !== isNegated),
    presence: mask((at) => statements[at]!.objects.length > 0 !== isNegated),
    facts: hasHints ? mask((at) => statements[at]!.hint !== isNegated) : undefined,
    frames: SINGLE_FRAMES.map((part) => measureFrame(episode, question, part)),
  };
}

/**
 * What perfect perception knows of each option in one frame: whether its objects are in view, where they are along the line the question
 * asks about, how far from the middle and from each other. Objects out of view are
 * not measured, and look like objects that are not in the scene at all.
 */
function measureFrame({ story }: Episode, question: WorldQuestion, part: number): number[][] {
  const { scene, motion } = story;
  const places = motion.paths.map((path) => {
    const { x, y } = stateAt(path, part * motion.durationS);
    return { x, y, isSeen: x >= 0 && x <= 1 && y >= 0 && y <= scene.height };
  });
  const region = REGIONS[question.variant];
  const direction = DIRECTIONS[question.variant];
  const distance = (a: number, b: number): number => {
    const [p, q] = [places[a]!, places[b]!];
    return p.isSeen && q.isSeen ? Math.sqrt((p.x - q.x) ** 2 + (p.y - q.y) ** 2) : 1.5;
  };
  return question.statements.map(({ objects }) => {
    const named = [...objects, ...question.anchor.objects];
    const mean = (value: (index: number) => number): number =>
      objects.reduce((sum, index) => sum + (places[index]!.isSeen ? value(index) : 0), 0) /
      Math.max(1, objects.length);
    const others = story.indices.filter((index) => !objects.includes(index));
    const along = (index: number): number => {
      const { x, y } = places[index]!;
      if (region !== undefined) return depthIn(region, scene.height, x, y);
      return direction === undefined ? 0 : direction.sign * (places[index]![direction.axis] - 0.5);
    };
    return [
      mean(() => 1),
      mean(along),
      mean((index) => Math.abs(places[index]!.x - 0.5)),
      mean((index) => Math.abs(places[index]!.y - scene.height / 2)),
      named.length < 2 ? 0 : distance(named[0]!, named[1]!),
      named.length < 3 ? 0 : distance(named[0]!, named[2]!),
      Math.min(1.5, ...others.map((other) => Math.min(...objects.map((index) => distance(index, other))))),
    ].map((value) => Math.round(value * 1e4) / 1e4);
  });
}
