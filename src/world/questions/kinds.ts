/**
 * The kinds of question, from easy to hard. A kind says what can be asked about a story: its statements that are clearly true or
 * clearly false, how the question is worded, and what kind of scene makes such questions likely. The negated wording asks for
 * exactly the statements that are false (question-answer inversion, arXiv 2505.24718), so no kind needs a second set of facts.
 */

import {
  appears,
  collide,
  type Direction,
  endsFurther,
  enters,
  entersBefore,
  isSetMoving,
  leaves,
  leavesBefore,
  moves,
  type Region,
  stops,
  type Verdict,
  visits,
} from '../scene/events.ts';
import { ALL_LOOKS, nameOf } from '../scene/scene.ts';
import type { Story } from '../scene/story.ts';
import { CAUSAL_KINDS } from './kinds-causal.ts';
import { type Anchor, capital, type Kind, pairStatements, type Statement } from './statements.ts';

export const REGIONS: Readonly<Record<string, Region>> = {
  'left half': { side: -1, level: 0 },
  'right half': { side: 1, level: 0 },
  'upper half': { side: 0, level: -1 },
  'lower half': { side: 0, level: 1 },
  'upper left quarter': { side: -1, level: -1 },
  'upper right quarter': { side: 1, level: -1 },
  'lower left quarter': { side: -1, level: 1 },
  'lower right quarter': { side: 1, level: 1 },
};

export const DIRECTIONS: Readonly<Record<string, Direction>> = {
  'further left': { axis: 'x', sign: -1 },
  'further right': { axis: 'x', sign: 1 },
  'higher up': { axis: 'y', sign: -1 },
  'lower down': { axis: 'y', sign: 1 },
};

const ofObjects = (story: Story, verdict: (index: number) => Verdict): Statement[] =>
  story.indices.flatMap((index) => {
    const isTrue = verdict(index);
    return isTrue === undefined
      ? []
      : [{ text: capital(nameOf(story.scene.objects[index]!)), isTrue, objects: [index] }];
  });

/** Objects that are not in the video, as false statements; where colours name the objects, of other colours. */
function absent({ scene }: Story): Statement[] {
  const isKnown = ({ color, shape }: (typeof ALL_LOOKS)[number]): boolean =>
    scene.objects.some((one) => one.color === color && (scene.uniqueColors || one.shape === shape));
  return ALL_LOOKS.filter((look) => !isKnown(look)).map((look) => ({
    text: capital(nameOf(look)),
    isTrue: false,
    objects: [],
    look,
  }));
}

/**
 * Statements about objects of the scene, and about one that is absent, so that one frame does not tell "not there yet" from "never
 * there". More absent ones would let a frame tell by who is there.
 */
function withAbsent(story: Story, verdict: (index: number) => Verdict): Statement[] {
  const { objects } = story.scene;
  const strangers = absent(story);
  // Which one follows from digits of the scene that nothing else depends on, so that no name is absent more often than others.
  const at = Math.floor(Math.abs(objects[0]!.x) * 1e9) % strangers.length;
  return [...ofObjects(story, verdict), strangers[at]!];
}

const objectAnchors = ({ scene, indices }: Story, isAnchor: (index: number) => boolean): Anchor[] =>
  indices.filter(isAnchor).map((index) => ({ text: nameOf(scene.objects[index]!), objects: [index] }));

const not = (isNegated: boolean, text: string): string => (isNegated ? text : '');

const PLAIN = [2, 3, 4, 5];

const PLAIN_KINDS = {
  present: {
    rung: 'presence',
    type: 'descriptive',
    numOptions: PLAIN,
    maxTrue: 4,
    style: 'calm',
    variants: [['']],
    statements: (story) => [...ofObjects(story, (index) => appears(story.seen, index)), ...absent(story)],
    wording: (_, __, isNegated) =>
      `Which of the following objects are ${not(isNegated, 'not ')}seen in the video?`,
  },
  region: {
    rung: 'region',
    type: 'descriptive',
    numOptions: [2, 3, 4],
    maxTrue: 2,
    extraObjects: 0,
    style: 'roaming',
    variants: [
      ['left half', 'right half'],
      ['upper half', 'lower half'],
      ['upper left quarter', 'upper right quarter', 'lower left quarter', 'lower right quarter'],
    ],
    statements: (story, variant) => ofObjects(story, (index) => visits(story.seen, index, REGIONS[variant]!)),
    wording: (variant, _, isNegated) =>
      `Which of the following objects are ${isNegated ? 'never' : 'at some time'} in the ${variant} of the picture?`,
  },
  enter: {
    rung: 'order',
    type: 'descriptive',
    numOptions: PLAIN,
    maxTrue: 3,
    extraObjects: 0,
    style: 'traffic',
    variants: [['']],
    statements: (story) => withAbsent(story, (index) => enters(story.seen, index)),
    wording: (_, __, isNegated) =>
      `Which of the following objects ${not(isNegated, 'do not ')}enter the scene during the video?`,
  },
  leave: {
    rung: 'order',
    type: 'descriptive',
    numOptions: PLAIN,
    maxTrue: 3,
    extraObjects: 0,
    style: 'traffic',
    variants: [['']],
    statements: (story) => withAbsent(story, (index) => leaves(story.seen, index)),
    wording: (_, __, isNegated) =>
      `Which of the following objects ${not(isNegated, 'do not ')}leave the scene before the video ends?`,
  },
  enter_order: {
    rung: 'order',
    type: 'descriptive',
    numOptions: [2, 3],
    maxTrue: 2,
    extraObjects: 1,
    style: 'arrivals',
    variants: [['before'], ['after']],
    anchors: (story) => objectAnchors(story, (index) => enters(story.seen, index) === true),
    statements: (story, variant, { objects: [anchor] }) =>
      ofObjects(story, (index) => inOrder(variant, entersBefore(story.seen, index, anchor!))),
    wording: (variant, { text }, isNegated) =>
      `Which of the following objects ${not(isNegated, 'do not ')}enter the scene ${variant} ${text} does?`,
  },
  leave_order: {
    rung: 'order',
    type: 'descriptive',
    numOptions: [2, 3],
    maxTrue: 2,
    extraObjects: 1,
    style: 'departures',
    variants: [['before'], ['after']],
    anchors: (story) => objectAnchors(story, (index) => leaves(story.seen, index) === true),
    statements: (story, variant, { objects: [anchor] }) =>
      ofObjects(story, (index) => inOrder(variant, leavesBefore(story.seen, index, anchor!))),
    wording: (variant, { text }, isNegated) =>
      `Which of the following objects ${not(isNegated, 'do not ')}leave the scene ${variant} ${text} does?`,
  },
  direction: {
    rung: 'motion',
    type: 'descriptive',
    numOptions: PLAIN,
    maxTrue: 4,
    extraObjects: 0,
    style: 'roaming',
    variants: [
      ['further left', 'further right'],
      ['higher up', 'lower down'],
    ],
    statements: (story, variant) =>
      ofObjects(story, (index) => endsFurther(story.seen, index, DIRECTIONS[variant]!)),
    wording: (variant, _, isNegated) =>
      `Which of the following objects are ${not(isNegated, 'not ')}last seen ${variant} than where they are first seen?`,
  },
  move: {
    rung: 'motion',
    type: 'descriptive',
    numOptions: PLAIN,
    maxTrue: 4,
    extraObjects: 0,
    style: 'resting',
    variants: [['']],
    statements: (story) => ofObjects(story, (index) => moves(story.seen, index)),
    wording: (_, __, isNegated) =>
      `Which of the following objects ${isNegated ? 'never move' : 'move at some time'} in the video?`,
  },
  stop: {
    rung: 'motion',
    type: 'descriptive',
    numOptions: [2, 3],
    maxTrue: 2,
    extraObjects: 0,
    style: 'headOn',
    variants: [['']],
    statements: (story) => ofObjects(story, (index) => stops(story.seen, index)),
    wording: (_, __, isNegated) =>
      `Which of the following objects ${not(isNegated, 'do not ')}come to rest during the video?`,
  },
  set_moving: {
    rung: 'motion',
    type: 'descriptive',
    numOptions: [2, 3, 4],
    maxTrue: 3,
    extraObjects: 0,
    style: 'headOn',
    variants: [['']],
    statements: (story) => ofObjects(story, (index) => isSetMoving(story.seen, index)),
    wording: (_, __, isNegated) =>
      `Which of the following objects are ${not(isNegated, 'not ')}set in motion by a collision?`,
  },
  collide: {
    rung: 'collision',
    type: 'descriptive',
    numOptions: PLAIN,
    maxTrue: 3,
    style: 'busy',
    variants: [['']],
    statements: (story) => pairStatements(story, story.indices, (a, b) => collide(story.seen, a, b)),
    wording: (_, __, isNegated) =>
      `Which of the following collisions ${not(isNegated, 'do not ')}happen in the video?`,
  },
  collide_with: {
    rung: 'collision',
    type: 'descriptive',
    numOptions: [2, 3, 4],
    maxTrue: 2,
    extraObjects: 1,
    style: 'busy',
    variants: [['']],
    anchors: (story) => objectAnchors(story, () => true),
    statements: (story, _, { objects: [anchor] }) =>
      ofObjects(story, (index) => (index === anchor ? undefined : collide(story.seen, index, anchor!))),
    wording: (_, { text }, isNegated) =>
      `Which of the following objects ${not(isNegated, 'do not ')}collide with ${text}?`,
  },
} as const satisfies Record<string, Kind>;

function inOrder(variant: string, isBefore: Verdict): Verdict {
  return isBefore === undefined ? undefined : isBefore === (variant === 'before');
}

export const QUESTION_KINDS = [...keysOf(PLAIN_KINDS), ...keysOf(CAUSAL_KINDS)] as const;
export type QuestionKind = keyof typeof PLAIN_KINDS | keyof typeof CAUSAL_KINDS;

export const KINDS: Readonly<Record<QuestionKind, Kind>> = { ...PLAIN_KINDS, ...CAUSAL_KINDS };

function keysOf<T extends object>(record: T): (keyof T & string)[] {
  return Object.keys(record) as (keyof T & string)[];
}
