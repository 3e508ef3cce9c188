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

/** What the centred rewards are divided by: the group's std, the whole batch's std, or nothing (Dr. GRPO). */
export type ScaleRewards = 'group' | 'batch' | 'none';

export const SCALE_REWARDS = ['group', 'batch', 'none'] as const satisfies readonly ScaleRewards[];

export interface AdvantageOptions {
  /** Completions per prompt; the rewards of one prompt stand together. */
  readonly num_generations: number;
  /** Default `group`. */
  readonly scale_rewards?: ScaleRewards;
  /** Added to the standard deviation; default 1e-4 as in TRL and in the authors' code. */
  readonly epsilon?: number;
}

export interface Advantages {
  /** One for each completion; 0 for completions without a reward. Sums to 0 in every group. */
  readonly advantages: readonly number[];
  /** Mean reward of each group; NaN where no completion could be scored. */
  readonly group_means: readonly number[];
  /** Unbiased standard deviation of each group's rewards; 0 where fewer than two could be scored. */
  readonly group_stds: readonly number[];
  /** For each group: all scored rewards are equal, so the group teaches nothing. */
  readonly is_zero_std: readonly boolean[];
  /** Share of such groups, in [0, 1] (TRL's `frac_reward_zero_std`). */
  readonly frac_reward_zero_std: number;
  /** Completions whose reward is NaN: left out of mean and std, advantage 0. */
  readonly num_unscored: number;
}

/** Rewards closer than this are one reward: sums of weights such as 0.1 + 0.2 must not make a group look alive. */
const EQUAL_REWARDS = 1e-8;

/**
 * Advantages of a batch of groups.
 *
 * @param rewards total reward of each completion, groups one behind the other; NaN = could not be scored
 * @throws TwgrpoError when the number of rewards is no multiple of `num_generations`.
 */
export function computeAdvantages(
  rewards: readonly number[],
  { num_generations, scale_rewards = 'group', epsilon = 1e-4 }: AdvantageOptions,
): Advantages {
  if (!Number.isInteger(num_generations) || num_generations < 1 || rewards.length % num_generations !== 0) {
    throw new TwgrpoError(
      `the number of rewards must be a multiple of num_generations, got ${rewards.length} rewards and num_generations ${num_generations}`,
    );
  }
  const groups: number[][] = [];
  for (let start = 0; start < rewards.length; start += num_generations) {
    groups.push(rewards.slice(start, start + num_generations));
  }
  const scored = groups.map((group) => group.filter((reward) => !Number.isNaN(reward)));
  const group_means = scored.map(mean);
  const group_stds = scored.map(unbiasedStd);
  const batchStd = unbiasedStd(scored.flat());
  const advantages = groups.flatMap((group, g) => {
    const divisor = divisorOf(scale_rewards, group_stds[g]!, batchStd, epsilon);
    return group.map((reward) => (Number.isNaN(reward) ? 0 : (reward - group_means[g]!) / divisor));
  });
  const is_zero_std = group_stds.map((std) => std <= EQUAL_REWARDS);
  return {
    advantages,
    group_means,
    group_stds,
    is_zero_std,
    frac_reward_zero_std: groups.length === 0 ? 0 : is_zero_std.filter(Boolean).length / groups.length,
    num_unscored: rewards.length - scored.flat().length,
  };
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
