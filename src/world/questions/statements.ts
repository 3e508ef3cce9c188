/** The parts of questions: statements with their truth, anchors they refer to, and the definition of a kind of question. */
import type { Verdict } from '../scene/events.ts';
import { type Look, nameOf, type SceneOptions } from '../scene/scene.ts';
import type { Story } from '../scene/story.ts';

/** The steps of the ladder, from easy to hard. */
export const RUNGS = [
  'presence',
  'region',
  'order',
  'motion',
  'collision',
  'explanation',
  'prediction',
  'counterfactual',
] as const;
export type Rung = (typeof RUNGS)[number];

/** Something that can be offered as an option, with its truth. */
export interface Statement {
  readonly text: string;
  readonly isTrue: boolean;
  /** Objects of the scene it speaks of; none for an absent object. */
  readonly objects: readonly number[];
  /** The absent object. */
  readonly look?: Pick<Look, 'color' | 'shape'>;
  /** Answer of the obvious shortcut of its kind. */
  readonly hint?: boolean;
}

/** An object or event that a question refers to, for example `the red cube`. */
export interface Anchor {
  readonly text: string;
  readonly objects: readonly number[];
}

export const NO_ANCHOR: Anchor = { text: '', objects: [] };

/** Kinds of scene, by what is likely to happen in them. */
export const STYLES = {
  calm: { numObjects: [3, 5] },
  traffic: { numObjects: [4, 5], outsideChance: 0.45, restChance: 0.15, speed: [0.2, 0.4] },
  arrivals: { numObjects: [4, 5], outsideChance: 0.9, restChance: 0.1 },
  departures: { numObjects: [4, 5], outsideChance: 0.3, restChance: 0.05, speed: [0.25, 0.45] },
  roaming: { numObjects: [5, 6], restChance: 0.1 },
  resting: { numObjects: [4, 5], outsideChance: 0.2, restChance: 0.6 },
  headOn: { numObjects: [5, 6], outsideChance: 0.1, restChance: 0.45, headOnChance: 0.9, speed: [0.1, 0.2] },
  later: { numObjects: [4, 5], outsideChance: 0.5, restChance: 0.3, aimChance: 0.8, speed: [0.12, 0.28] },
  busy: { numObjects: [4, 5], outsideChance: 0.35, restChance: 0.25, aimChance: 0.8 },
  cascade: { numObjects: [5, 5], outsideChance: 0.5, restChance: 0.5, aimChance: 1 },
} as const satisfies Record<string, Omit<SceneOptions, 'height' | 'durationS'>>;
export type Style = keyof typeof STYLES;

export interface Kind {
  readonly rung: Rung;
  /** CLEVRER's name for questions of this sort. */
  readonly type: 'descriptive' | 'explanatory' | 'predictive' | 'counterfactual';
  /** Numbers of options that a question may have. */
  readonly numOptions: readonly number[];
  /** Most options that can be true; more would make fitting scenes too rare. */
  readonly maxTrue: number;
  /** Number of objects that the scene needs beside the options, where each option is an object. */
  readonly extraObjects?: number;
  readonly style: Style;
  /**
   * Forms of the question, for example the regions it may ask about, grouped by mirror image. A group is drawn before the scene; since
   * scenes are as likely as their mirror images, taking the form of the group that fits the scene tells nothing about it.
   */
  readonly variants: readonly (readonly string[])[];
  /** The anchors that a question may refer to. @default none */
  readonly anchors?: (story: Story) => readonly Anchor[];
  readonly statements: (story: Story, variant: string, anchor: Anchor) => readonly Statement[];
  readonly wording: (variant: string, anchor: Anchor, isNegated: boolean) => string;
  /**
   * Whose hints are drawn by a fair coin before the scene is looked at, so that the shortcut says nothing: those of all
   * statements, or of the false ones where the true ones leave no choice.
   */
  readonly balanced?: 'all' | 'false';
}

/** The objects of the scene that a question may refer to. */
export const objectAnchors = ({ scene, indices }: Story, isAnchor: (index: number) => boolean): Anchor[] =>
  indices.filter(isAnchor).map((index) => ({ text: nameOf(scene.objects[index]!), objects: [index] }));

/** `The red cube and the blue sphere collide`, for every pair with a clear verdict. */
export function pairStatements(
  { scene }: Story,
  indices: readonly number[],
  verdict: (a: number, b: number) => Verdict,
  hint?: (a: number, b: number) => Verdict,
): Statement[] {
  return indices.flatMap((a, at) =>
    indices.slice(at + 1).flatMap((b) => {
      const isTrue = verdict(a, b);
      const hinted = hint?.(a, b);
      if (isTrue === undefined || (hint !== undefined && hinted === undefined)) return [];
      const text = `${capital(nameOf(scene.objects[a]!))} and ${nameOf(scene.objects[b]!)} collide`;
      return [{ text, isTrue, objects: [a, b], ...(hinted === undefined ? {} : { hint: hinted }) }];
    }),
  );
}

export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
