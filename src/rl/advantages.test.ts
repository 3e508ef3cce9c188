import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TwgrpoError } from '../base/index.ts';
import { type Advantages, computeAdvantages, rewardStatistics } from './advantages.ts';

const reward = fc.constantFrom(0, 0.25, 0.5, 1, 1.5, 2);
/** Advantages of all groups in one list. */
const all = (groups: readonly Advantages[]) => groups.flatMap(({ advantages }) => advantages);
const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

describe('computeAdvantages', () => {
  it('is the authors’ formula: unbiased std plus 1e-4', () => {
    const [group] = computeAdvantages([[0, 1, 2, 1]]);
    const std = Math.sqrt(2 / 3);
    expect(group!.mean).toBe(1);
    expect(group!.std).toBeCloseTo(std, 15);
    expect(group!.advantages).toBeAllclose(
      [-1, 0, 1, 0].map((centred) => centred / (std + 1e-4)),
      { rtol: 1e-15, atol: 0 },
    );
  });

  it('scales by the batch, or not at all', () => {
    const rewards = [
      [0, 2],
      [1, 1],
    ];
    const { std } = rewardStatistics(rewards.flat());
    const batch = computeAdvantages(rewards, { scale_rewards: 'batch' });
    expect(all(batch)).toEqual([-1 / (std + 1e-4), 1 / (std + 1e-4), 0, 0]);
    const none = computeAdvantages(rewards, { scale_rewards: 'none' });
    expect(all(none)).toEqual([-1, 1, 0, 0]);
    expect(none.map(({ is_zero_std }) => is_zero_std)).toEqual([false, true]);
  });

  it('leaves out what could not be scored', () => {
    const { NaN: none } = Number;
    const result = computeAdvantages(
      [
        [0, none, 2],
        [none, none, none],
      ],
      { scale_rewards: 'none' },
    );
    expect(all(result)).toEqual([-1, 0, 1, 0, 0, 0]);
    expect(result.map(({ mean }) => mean)).toEqual([1, none]);
    expect(result.map(({ is_zero_std }) => is_zero_std)).toEqual([false, true]);
  });

  it('gives 0 to a group of one', () => {
    expect(all(computeAdvantages([[3]]))).toEqual([0]);
  });

  it('calls a group dead in spite of rounding', () => {
    expect(computeAdvantages([[0.1 + 0.2, 0.3]])[0]!.is_zero_std).toBe(true);
  });

  it('sums to zero in every group, and a batch of two groups is two single groups', () => {
    const group = fc.array(reward, { minLength: 4, maxLength: 4 });
    fc.assert(
      fc.property(group, group, fc.constantFrom('group', 'none'), (first, second, scale_rewards) => {
        const options = { scale_rewards } as const;
        const both = computeAdvantages([first, second], options);
        for (const { advantages } of both) expect(sum(advantages)).toBeCloseTo(0, 10);
        expect(both).toEqual([
          ...computeAdvantages([first], options),
          ...computeAdvantages([second], options),
        ]);
      }),
    );
  });

  it('refuses a group without completions', () => {
    expect(() => computeAdvantages([[1, 2], []])).toThrow(TwgrpoError);
    expect(() => computeAdvantages([[]])).toThrow('group 0 has no completion');
  });
});
