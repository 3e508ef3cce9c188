/**
 * Questions about what causes what, answered by simulating again: what is responsible, what comes next, what would happen without
 * one object. They are asked only about scenes in which nothing happens out of view, and balanced so that the facts of the
 * video alone do not answer them.
 */
import { collide, isClear } from '../scene/events.ts';
import { nameOf } from '../scene/scene.ts';
import type { Story } from '../scene/story.ts';
import { type Anchor, type Kind, objectAnchors, pairStatements, type Statement } from './statements.ts';

const not = (isNegated: boolean): string => (isNegated ? 'not ' : '');

/** Pairs of objects that collide in the video, as anchors of explanatory questions. */
function collisionAnchors(story: Story): Anchor[] {
  if (story.motion.collisions.length === 0 || !story.isKnown) return [];
  const { scene, indices } = story;
  return indices.flatMap((a) =>
    indices.slice(a + 1).flatMap((b) => {
      if (collide(story.seen, a, b) !== true) return [];
      return [{ text: `${nameOf(scene.objects[a]!)} and ${nameOf(scene.objects[b]!)}`, objects: [a, b] }];
    }),
  );
}

/** An object is responsible for a collision that does not happen without it. The hint: whether it touches one of the two. */
function explanations(story: Story, anchor: Anchor): Statement[] {
  const [a, b] = anchor.objects as [number, number];
  return story.indices.flatMap((index) => {
    if (index === a || index === b || !story.isClearWithout(index)) return [];
    const happens = collide(story.without(index), a, b);
    if (happens === undefined) return [];
    const touches = story.motion.collisions.some(
      ({ pair }) => pair.includes(index) && (pair.includes(a) || pair.includes(b)),
    );
    const text = `The presence of ${nameOf(story.scene.objects[index]!)}`;
    return [{ text, isTrue: !happens, objects: [index], hint: touches }];
  });
}

const CAUSAL = { numOptions: [2, 3, 4], maxTrue: 2, variants: [['']] } as const;

export const CAUSAL_KINDS = {
  explain: {
    ...CAUSAL,
    rung: 'explanation',
    type: 'explanatory',
    numOptions: [2, 3],
    extraObjects: 2,
    style: 'busy',
    balanced: 'false',
    anchors: collisionAnchors,
    statements: (story, _, anchor) => explanations(story, anchor),
    wording: (_, { text }, isNegated) =>
      `Which of the following are ${not(isNegated)}responsible for the collision of ${text}?`,
  },
  predict: {
    ...CAUSAL,
    rung: 'prediction',
    type: 'predictive',
    style: 'later',
    statements: (story) => {
      const { scene, future, futureSpan } = story;
      const hasMore = future.motion.collisions.some(({ time }) => time > futureSpan.from);
      if (!hasMore || !isClear(scene, future.motion) || !story.isKnown) return [];
      return pairStatements(
        story,
        story.indices,
        (a, b) => collide(future, a, b, futureSpan),
        (a, b) => collide(story.seen, a, b),
      );
    },
    wording: (_, __, isNegated) => `Which of the following will ${not(isNegated)}happen next?`,
  },
  counterfactual: {
    ...CAUSAL,
    rung: 'counterfactual',
    type: 'counterfactual',
    style: 'cascade',
    balanced: 'all',
    anchors: (story) => objectAnchors(story, (index) => story.isKnown && story.isClearWithout(index)),
    statements: (story, _, { objects: [removed] }) =>
      pairStatements(
        story,
        story.indices.filter((index) => index !== removed),
        (a, b) => collide(story.without(removed!), a, b),
        (a, b) => collide(story.seen, a, b),
      ),
    wording: (_, { text }, isNegated) =>
      `Which of the following will ${not(isNegated)}happen if ${text} is removed?`,
  },
} as const satisfies Record<string, Kind>;
