import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TwgrpoError } from '../base/index.ts';
import { computeAdvantages, rewardStatistics } from './advantages.ts';

const reward = fc.constantFrom(0, 0.25, 0.5, 1, 1.5, 2);
const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

describe('computeAdvantages', () => {
  it('is the authors’ formula: unbiased std plus 1e-4', () => {
    const { advantages, group_means, group_stds } = computeAdvantages([0, 1, 2, 1], { num_generations: 4 });
    const std = Math.sqrt(2 / 3);
    expect(group_means).toEqual([1]);
    expect(group_stds[0]).toBeCloseTo(std, 15);
    expect(advantages).toBeAllclose(
      [-1, 0, 1, 0].map((centred) => centred / (std + 1e-4)),
      { rtol: 1e-15, atol: 0 },
    );
  });

  it('scales by the batch, or not at all', () => {
    const rewards = [0, 2, 1, 1];
    const { std } = rewardStatistics(rewards);
    const batch = computeAdvantages(rewards, { num_generations: 2, scale_rewards: 'batch' });
    expect(batch.advantages).toEqual([-1 / (std + 1e-4), 1 / (std + 1e-4), 0, 0]);
    const none = computeAdvantages(rewards, { num_generations: 2, scale_rewards: 'none' });
    expect(none.advantages).toEqual([-1, 1, 0, 0]);
    expect(none.is_zero_std).toEqual([false, true]);
    expect(none.frac_reward_zero_std).toBe(0.5);
  });

  it('leaves out what could not be scored', () => {
    const result = computeAdvantages([0, Number.NaN, 2, Number.NaN, Number.NaN, Number.NaN], {
      num_generations: 3,
      scale_rewards: 'none',
    });
    expect(result.advantages).toEqual([-1, 0, 1, 0, 0, 0]);
    expect(result.group_means).toEqual([1, Number.NaN]);
    expect(result.num_unscored).toBe(4);
    expect(result.is_zero_std).toEqual([false, true]);
  });

  it('gives 0 to a group of one', () => {
    expect(computeAdvantages([3], { num_generations: 1 }).advantages).toEqual([0]);
  });

  it('calls a group dead in spite of rounding', () => {
    expect(computeAdvantages([0.1 + 0.2, 0.3], { num_generations: 2 }).is_zero_std).toEqual([true]);
  });

  it('sums to zero in every group, and a batch of two groups is two single groups', () => {
    const group = fc.array(reward, { minLength: 4, maxLength: 4 });
    fc.assert(
      fc.property(group, group, fc.constantFrom('group', 'none'), (first, second, scale_rewards) => {
        const options = { num_generations: 4, scale_rewards } as const;
        const both = computeAdvantages([...first, ...second], options).advantages;
        expect(sum(both.slice(0, 4))).toBeCloseTo(0, 10);
        expect(sum(both.slice(4))).toBeCloseTo(0, 10);
        expect(both).toEqual([
          ...computeAdvantages(first, options).advantages,
          ...computeAdvantages(second, options).advantages,
        ]);
      }),
    );
  });

  it('refuses rewards that do not make whole groups', () => {
    expect(() => computeAdvantages([1, 2, 3], { num_generations: 2 })).toThrow(TwgrpoError);
    expect(() => computeAdvantages([1], { num_generations: 0 })).toThrow('num_generations');
  });
});
