/**
 * Questions about a scene with several options, of which one to all but one are right. The number of options and of right
 * ones is drawn first, so that it tells nothing about the scene.
 */
import { lettersOf, type Random } from '../data/index.ts';
import {
  appears,
  collide,
  endsFurtherLeft,
  enters,
  leaves,
  type Observation,
  observe,
  type Verdict,
} from './events.ts';
import type { Motion } from './physics.ts';
import { allLooks, nameOf, type Scene } from './scene.ts';

export const QUESTION_KINDS = ['present', 'enter', 'leave', 'move_left', 'collide'] as const;
export type QuestionKind = (typeof QUESTION_KINDS)[number];

const WORDING: Readonly<Record<QuestionKind, string>> = {
  present: 'Which of the following objects are seen in the video?',
  enter: 'Which of the following objects enter the scene during the video?',
  leave: 'Which of the following objects leave the scene before the video ends?',
  move_left: 'Which of the following objects are last seen further left than where they are first seen?',
  collide: 'Which of the following collisions happen in the video?',
};

export interface Question {
  readonly kind: QuestionKind;
  readonly question: string;
  /** Without letters. */
  readonly options: readonly string[];
  /** Letters of the right options. */
  readonly answer: readonly string[];
}

/** Something that can be offered as an option, with its truth. */
export interface Statement {
  readonly text: string;
  readonly isTrue: boolean;
}

/** Every statement of a kind about a scene that is clearly true or clearly false. */
export function statements(kind: QuestionKind, scene: Scene, motion: Motion): Statement[] {
  const seen = observe(scene, motion);
  const indices = scene.objects.map((_, index) => index);
  const ofObjects = (predicate: (observation: Observation, index: number) => Verdict): Statement[] =>
    indices.flatMap((index) => statement(capital(nameOf(scene.objects[index]!)), predicate(seen, index)));
  switch (kind) {
    case 'enter':
      return ofObjects(enters);
    case 'leave':
      return ofObjects(leaves);
    case 'move_left':
      return ofObjects(endsFurtherLeft);
    case 'present': {
      const known = new Set(scene.objects.map(nameOf));
      const absent = allLooks().filter((look) => !known.has(nameOf(look)));
      return [
        ...ofObjects(appears),
        ...absent.map((look) => ({ text: capital(nameOf(look)), isTrue: false })),
      ];
    }
    case 'collide':
      return indices.flatMap((a) =>
        indices.slice(a + 1).flatMap((b) => {
          const text = `${capital(nameOf(scene.objects[a]!))} and ${nameOf(scene.objects[b]!)} collide`;
          return statement(text, collide(seen, a, b));
        }),
      );
    default:
      return kind satisfies never;
  }
}

function statement(text: string, verdict: Verdict): Statement[] {
  return verdict === undefined ? [] : [{ text, isTrue: verdict }];
}

/** How many options a question has and how many are right; drawn before the scene is looked at. */
export interface QuestionPlan {
  readonly kind: QuestionKind;
  readonly numOptions: number;
  readonly numRight: number;
}

export function drawPlan(
  random: Random,
  kind: QuestionKind,
  numOptions: readonly number[] = [3, 4],
): QuestionPlan {
  const count = random.pick(numOptions);
  return { kind, numOptions: count, numRight: 1 + random.below(count - 1) };
}

/** A question by plan, or undefined when the scene has too few true or too few false statements. */
export function makeQuestion(
  random: Random,
  plan: QuestionPlan,
  scene: Scene,
  motion: Motion,
): Question | undefined {
  const all = statements(plan.kind, scene, motion);
  const right = all.filter((one) => one.isTrue);
  const wrong = all.filter((one) => !one.isTrue);
  const numWrong = plan.numOptions - plan.numRight;
  if (right.length < plan.numRight || wrong.length < numWrong) return undefined;
  const offered = random.shuffled([
    ...random.sample(right, plan.numRight),
    ...random.sample(wrong, numWrong),
  ]);
  return {
    kind: plan.kind,
    question: WORDING[plan.kind],
    options: offered.map((one) => one.text),
    answer: lettersOf(offered.flatMap((one, index) => (one.isTrue ? [index] : []))),
  };
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
