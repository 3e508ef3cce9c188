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
import {
  capital,
  type Kind,
  objectAnchors,
  pairStatements,
  type Statement,
  type Style,
} from './statements.ts';

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

const not = (isNegated: boolean, text: string): string => (isNegated ? text : '');

/** A question about what objects do: `enter the scene`. */
const whichDo = (isNegated: boolean, what: string): string =>
  `Which of the following objects ${not(isNegated, 'do not ')}${what}?`;

/** What most of these kinds share: they ask what is seen, in one form. */
const SEEN = { type: 'descriptive', numOptions: [2, 3, 4, 5], variants: [['']] } as const;

/** And where every option is an object of the scene. */
const OBJECTS = { ...SEEN, extraObjects: 0 } as const;

type Seen = Story['seen'];
type OfObject = (seen: Seen, index: number) => Verdict;

/** Which objects do something at an end of their visit; the words say what. */
const atAnEnd = (does: OfObject, words: string): Kind => ({
  ...OBJECTS,
  rung: 'order',
  maxTrue: 3,
  style: 'traffic',
  statements: (story) => withAbsent(story, (index) => does(story.seen, index)),
  wording: (_, __, isNegated) => whichDo(isNegated, words),
});

/** Which objects do it before or after another one that does. */
const beforeOrAfter = (
  does: OfObject,
  doesBefore: (seen: Seen, index: number, other: number) => Verdict,
  { style, words }: { style: Style; words: string },
): Kind => ({
  ...OBJECTS,
  rung: 'order',
  numOptions: [2, 3],
  maxTrue: 2,
  extraObjects: 1,
  style,
  variants: [['before'], ['after']],
  anchors: (story) => objectAnchors(story, (index) => does(story.seen, index) === true),
  statements: (story, variant, { objects: [anchor] }) =>
    ofObjects(story, (index) => {
      const isBefore = doesBefore(story.seen, index, anchor!);
      return isBefore === undefined ? undefined : isBefore === (variant === 'before');
    }),
  wording: (variant, { text }, isNegated) => whichDo(isNegated, `${words} ${variant} ${text} does`),
});

/** Which objects move in some way. */
const inMotion = (
  does: OfObject,
  form: Pick<Kind, 'style' | 'maxTrue' | 'wording'> & Partial<Pick<Kind, 'numOptions'>>,
): Kind => ({
  ...OBJECTS,
  rung: 'motion',
  ...form,
  statements: (story) => ofObjects(story, (index) => does(story.seen, index)),
});

const PLAIN_KINDS = {
  present: {
    ...SEEN,
    rung: 'presence',
    maxTrue: 4,
    style: 'calm',
    statements: (story) => [...ofObjects(story, (index) => appears(story.seen, index)), ...absent(story)],
    wording: (_, __, isNegated) =>
      `Which of the following objects are ${not(isNegated, 'not ')}seen in the video?`,
  },
  region: {
    ...OBJECTS,
    rung: 'region',
    numOptions: [2, 3, 4],
    maxTrue: 2,
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
  enter: atAnEnd(enters, 'enter the scene during the video'),
  leave: atAnEnd(leaves, 'leave the scene before the video ends'),
  enter_order: beforeOrAfter(enters, entersBefore, { style: 'arrivals', words: 'enter the scene' }),
  leave_order: beforeOrAfter(leaves, leavesBefore, { style: 'departures', words: 'leave the scene' }),
  direction: {
    ...OBJECTS,
    rung: 'motion',
    maxTrue: 4,
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
  move: inMotion(moves, {
    maxTrue: 4,
    style: 'resting',
    wording: (_, __, isNegated) =>
      `Which of the following objects ${isNegated ? 'never move' : 'move at some time'} in the video?`,
  }),
  stop: inMotion(stops, {
    numOptions: [2, 3],
    maxTrue: 2,
    style: 'headOn',
    wording: (_, __, isNegated) => whichDo(isNegated, 'come to rest during the video'),
  }),
  set_moving: inMotion(isSetMoving, {
    numOptions: [2, 3, 4],
    maxTrue: 3,
    style: 'headOn',
    wording: (_, __, isNegated) =>
      `Which of the following objects are ${not(isNegated, 'not ')}set in motion by a collision?`,
  }),
  collide: {
    ...SEEN,
    rung: 'collision',
    maxTrue: 3,
    style: 'busy',
    statements: (story) => pairStatements(story, story.indices, (a, b) => collide(story.seen, a, b)),
    wording: (_, __, isNegated) =>
      `Which of the following collisions ${not(isNegated, 'do not ')}happen in the video?`,
  },
  collide_with: {
    ...OBJECTS,
    rung: 'collision',
    numOptions: [2, 3, 4],
    maxTrue: 2,
    extraObjects: 1,
    style: 'busy',
    anchors: (story) => objectAnchors(story, () => true),
    statements: (story, _, { objects: [anchor] }) =>
      ofObjects(story, (index) => (index === anchor ? undefined : collide(story.seen, index, anchor!))),
    wording: (_, { text }, isNegated) => whichDo(isNegated, `collide with ${text}`),
  },
} satisfies Record<string, Kind>;

export const QUESTION_KINDS = [...keysOf(PLAIN_KINDS), ...keysOf(CAUSAL_KINDS)] as const;
export type QuestionKind = keyof typeof PLAIN_KINDS | keyof typeof CAUSAL_KINDS;

export const KINDS: Readonly<Record<QuestionKind, Kind>> = { ...PLAIN_KINDS, ...CAUSAL_KINDS };

function keysOf<T extends object>(record: T): (keyof T & string)[] {
  return Object.keys(record) as (keyof T & string)[];
}
