/**
 * The records of a rollout, from a prompt to what its completions earned and the update made of them. Data only: `generate.ts`
 * draws completions, `roll-out.ts` does so for the prompts of a step, `score.ts` makes groups of them. A prompt begins as a
 * `Question` (`data/item.ts`); what is written of a rollout stands in `run/step-records.ts`.
 *
 * Lengths: G completions of a prompt, T tokens of a completion, F reward functions.
 * Source: pytorch/torchtitan `torchtitan/experiments/rl/rollout/types.py`, for one turn without tools.
 */
import type { ParsedAnswer } from '../answers/index.ts';
import type { EncodedPrompt } from '../models/index.ts';
import type { ReadyPrompt } from '../prompt/index.ts';

/** How a completion ended: with a stop token, or cut off at `max_completion_length`. */
export type FinishReason = 'stop' | 'length';

/** A prompt on its way through a step. */
export interface RolloutPrompt extends ReadyPrompt {
  /** The prompt's vision features are constants here; `inputs` gives them a gradient where the tower trains. */
  readonly encoded: EncodedPrompt;
  /** Name of the prompt's random streams; differs from that of every other prompt of the step. */
  readonly stream: number;
}

/** A completion as it was drawn. */
export interface Completion {
  /** Stop token included. */
  readonly ids: readonly number[]; // [T]
  /** Log-probability of each token under the policy itself: no temperature, no ban, no penalty (nats). */
  readonly logps: Float32Array; // [T]
  readonly finish_reason: FinishReason;
}

/** A completion with its text, what was read from it, and what it earned. */
export interface Rollout extends Completion {
  /** The text without special tokens. */
  readonly text: string;
  /** Where each token's text ends in `text`, in UTF-16 units. A character split over tokens belongs to its last one. */
  readonly text_ends: Int32Array; // [T]
  /** The answer as `answer_parser` reads it. */
  readonly answer: ParsedAnswer;
  /** Rewards in the order of `reward_funcs`; NaN where a function could not judge. */
  readonly rewards: readonly number[]; // [F]
  /** Part of `reward` that temporal contrast gave; absent where the group was not compared. */
  readonly temporal_bonus?: number | undefined;
  /** Weighted sum of `rewards`, with the bonus of temporal contrast; NaN where no function could judge. */
  readonly reward: number;
  readonly advantage: number;
  /** What the step's first update computed of each token before it changed a weight; absent until then. */
  readonly update?:
    | {
        /** Log-probability under the policy (nats): `logps` again, from scoring the whole completion at once. */
        readonly logps: Float32Array; // [T]
        /** Entropy of the distribution that the token was drawn from (nats). */
        readonly entropy: Float32Array; // [T]
        /** Weight in the loss; 1 where weighting is off. */
        readonly weights: Float32Array; // [T]
      }
    | undefined;
}

/** A prompt with its scored completions: what one step learns from. */
export interface RolloutGroup {
  readonly prompt: RolloutPrompt;
  readonly rollouts: readonly Rollout[]; // [G]
  /** Unbiased standard deviation of the rewards. */
  readonly reward_std: number;
  /** True when all rewards are equal, so that the group teaches nothing. */
  readonly is_zero_std: boolean;
  /** Mean of the first reward with the frames in order and shuffled; absent where the two were not compared. */
  readonly contrast?:
    | { readonly is_temporal: boolean; readonly ordered: number; readonly shuffled: number }
    | undefined;
}
