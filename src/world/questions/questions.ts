/**
 * Questions about a story with several options, of which one to all but one are right. Number of options, number of right
 * ones, wording and, where a kind has an obvious shortcut, what the shortcut says about each option, are drawn before the scene is
 * looked at, so that none of them tells anything about it.
 */

import type { Random } from '../../base/index.ts';
import { lettersOf } from '../../data/index.ts';
import type { Story } from '../scene/story.ts';
import { KINDS, type QuestionKind } from './kinds.ts';
import { type Anchor, NO_ANCHOR, type Rung, type Statement } from './statements.ts';

export interface WorldQuestion {
  readonly kind: QuestionKind;
  readonly rung: Rung;
  /** Form of the question, for example the region; empty when there is one form. */
  readonly variant: string;
  readonly isNegated: boolean;
  readonly question: string;
  /** Texts of the options, without letters. */
  readonly options: readonly string[];
  /** Letters of the right options. */
  readonly answer: readonly string[];
  /** Object or event that the question refers to. */
  readonly anchor: Anchor;
  /** The options with their truth; of a negated question the false ones are right. */
  readonly statements: readonly Statement[];
}

/** The parts of a question that are drawn before the scene is looked at. */
export interface QuestionPlan {
  readonly kind: QuestionKind;
  /** Forms of the question that are mirror images of one another. */
  readonly variants: readonly string[];
  readonly isNegated: boolean;
  /** Truth of each option, and what the shortcut says about it (undefined: it may say anything). */
  readonly options: readonly { readonly isTrue: boolean; readonly hint: boolean | undefined }[];
}

export interface PlanOptions {
  /** Chance of a negated question. @default 0.25 */
  readonly negatedShare?: number;
  /** Most options of a question, at least 2. @default as many as the kind allows */
  readonly maxOptions?: number;
}

export function drawPlan(random: Random, name: QuestionKind, options: PlanOptions = {}): QuestionPlan {
  const kind = KINDS[name];
  const { maxOptions = Number.POSITIVE_INFINITY } = options;
  const numOptions = random.pick(kind.numOptions.filter((count) => count <= maxOptions));
  const numTrue = 1 + random.below(Math.min(kind.maxTrue, numOptions - 1));
  const isNegated = random.float() < (options.negatedShare ?? 0.25);
  const variants = random.pick(kind.variants);
  const planned = Array.from({ length: numOptions }, (_, at) => {
    const isTrue = at < numTrue;
    const isBalanced = kind.balanced === 'all' || (kind.balanced === 'false' && !isTrue);
    return { isTrue, hint: isBalanced ? random.below(2) === 1 : undefined };
  });
  return { kind: name, variants, isNegated, options: planned };
}

/** A question by plan, or undefined when the scene has no fitting statements. */
export function makeQuestion(random: Random, plan: QuestionPlan, story: Story): WorldQuestion | undefined {
  const kind = KINDS[plan.kind];
  const anchors = kind.anchors === undefined ? [NO_ANCHOR] : random.shuffled(kind.anchors(story));
  for (const variant of random.shuffled(plan.variants)) {
    for (const anchor of anchors) {
      const offered = choose(random, plan, kind.statements(story, variant, anchor));
      if (offered === undefined) continue;
      return {
        kind: plan.kind,
        rung: kind.rung,
        variant,
        isNegated: plan.isNegated,
        question: kind.wording(variant, anchor, plan.isNegated),
        options: offered.map(({ text }) => text),
        answer: lettersOf(offered.flatMap(({ isTrue }, at) => (isTrue !== plan.isNegated ? [at] : []))),
        anchor,
        statements: offered,
      };
    }
  }
  return undefined;
}

function choose(
  random: Random,
  plan: QuestionPlan,
  statements: readonly Statement[],
): Statement[] | undefined {
  const left = random.shuffled(statements);
  const offered: Statement[] = [];
  for (const { isTrue, hint } of plan.options) {
    const at = left.findIndex((one) => one.isTrue === isTrue && (hint === undefined || one.hint === hint));
    if (at < 0) return undefined;
    offered.push(...left.splice(at, 1));
  }
  return random.shuffled(offered);
}
