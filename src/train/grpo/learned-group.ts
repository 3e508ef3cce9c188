/** A group that a step has learned from, as its metrics and records need it; it may come from another rank. */
import type { Question } from '../../data/index.ts';
import type { RolloutGroup } from '../../rollout/index.ts';

/** Of its prompt the question alone. */
export interface LearnedGroup extends Omit<RolloutGroup, 'prompt'> {
  readonly prompt: { readonly question: Question };
}
