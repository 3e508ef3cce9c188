/**
 * Group-relative advantages: a completion is good or bad only in comparison with the other completions of its prompt.
 *
 *   A_i = (R_i - mean R) / (std R + 1e-4)
 *
 * with the unbiased standard deviation and the epsilon of TRL and of the authors
 * (longmalongma/TW-GRPO `src/open_r1/trainer/grpo_trainer.py:571-581`). Plain numbers in double precision: a batch has
 * at most some hundreds of rewards.
 */

import { mean, TwgrpoError, variance } from '../base/index.ts';

export const SCALE_REWARDS = ['group', 'batch', 'none'] as const;
/** Divisor of the centred rewards: the group's std, the whole batch's std, or none (Dr. GRPO). */
export type ScaleRewards = (typeof SCALE_REWARDS)[number];

export interface AdvantageOptions {
  /** Default `group`. */
  readonly scale_rewards?: ScaleRewards;
  /** Rewards of the whole batch, where it has more groups than these. */
  readonly batch?: readonly number[] | undefined;
  /** Added to the standard deviation; default 1e-4 as in TRL and in the authors' code. */
  readonly epsilon?: number;
}

/** The advantages of one prompt's completions. */
export interface Advantages {
  /** One for each completion; 0 for completions without a reward. Sums to 0. */
  readonly advantages: readonly number[];
  /** Mean reward; NaN where no completion could be scored. */
  readonly mean: number;
  /** Unbiased standard deviation of the rewards; 0 where fewer than two could be scored. */
  readonly std: number;
  /** True when all scored rewards are equal, so that the group teaches nothing. */
  readonly is_zero_std: boolean;
}

/** Rewards closer than this are equal: the rounding of sums such as 0.1 + 0.2 must not give a group advantages. */
const EQUAL_REWARDS = 1e-8;

/**
 * Advantages of a batch of groups, in their order.
 *
 * @param rewards_PG total reward of each completion, by prompt; NaN = could not be scored
 * @throws TwgrpoError for a group without completions
 */
export function computeAdvantages(
  rewards_PG: readonly (readonly number[])[],
  { scale_rewards = 'group', batch: whole = rewards_PG.flat(), epsilon = 1e-4 }: AdvantageOptions = {},
): Advantages[] {
  const batch = rewardStatistics(whole);
  return rewards_PG.map((rewards_G, p) => {
    if (rewards_G.length === 0) throw new TwgrpoError(`advantages: group ${p} has no completion`);
    const { mean, std } = rewardStatistics(rewards_G);
    const divisor = divisorOf(scale_rewards, std, batch.std, epsilon);
    return {
      advantages: rewards_G.map((reward) => (Number.isNaN(reward) ? 0 : (reward - mean) / divisor)),
      mean,
      std,
      is_zero_std: std <= EQUAL_REWARDS,
    };
  });
}

function divisorOf(scale: ScaleRewards, groupStd: number, batchStd: number, epsilon: number): number {
  switch (scale) {
    case 'group':
      return groupStd + epsilon;
    case 'batch':
      return batchStd + epsilon;
    case 'none':
      return 1;
    default:
      throw new TwgrpoError(
        `scale_rewards must be group, batch or none, got ${JSON.stringify(scale satisfies never)}`,
      );
  }
}

/** Mean and unbiased standard deviation of the numbers that are not NaN. */
export function rewardStatistics(rewards: readonly number[]): {
  readonly mean: number;
  readonly std: number;
} {
  const scored = rewards.filter((reward) => !Number.isNaN(reward));
  return { mean: mean(scored), std: unbiasedStd(scored) };
}

function unbiasedStd(values: readonly number[]): number {
  if (values.length < 2) return 0;
  return Math.sqrt(variance(values, 1));
}
