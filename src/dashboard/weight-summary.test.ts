import { describe, expect, it } from 'vitest';
import { stepOutcomes } from './answer-outcomes.ts';
import { topShare } from './weight-summary.ts';

const row = (weights: readonly number[], advantage: number) => ({
  row: { weights: Float32Array.from(weights) },
  advantage,
});

describe('topShare', () => {
  it('is the share of the fifth of tokens with the greatest weights, weighted and plain', () => {
    // Ten tokens, the top two weigh 2: 2*1 + 2*3 of 7 + 2 + 6 + 3 in all; 1 + 3 of 8 + 2 * 3 plain.
    const rows = [row([1, 1, 1, 1, 1, 1, 1, 2], 1), row([2, 1], -3)];
    expect(topShare(rows)).toEqual({ weighted: 8 / (7 + 2 + 6 + 3), plain: 4 / (8 + 6) });
  });

  it('is exactly a fifth where all weights are equal, whatever the order', () => {
    const { weighted, plain } = topShare([row([1, 1, 1], 2), row([1, 1, 1, 1], -0.5)]);
    expect(weighted).toBeCloseTo(0.2, 12);
    expect(plain).toBeCloseTo(0.2, 12);
  });

  it('is nothing where no token has an advantage', () => {
    expect(topShare([row([1, 2], 0), row([1], Number.NaN)])).toEqual({ weighted: null, plain: null });
    expect(topShare([])).toEqual({ weighted: null, plain: null });
  });
});

describe('stepOutcomes', () => {
  it('counts letters named rightly, wrongly and missed', () => {
    const record = (solution: string, answer: string[] | null) => ({
      solution: `<answer>${solution}</answer>`,
      answer,
      rewards: {},
    });
    expect(
      stepOutcomes([
        record('A,C', ['A', 'C']),
        record('A,C', ['A']),
        record('A,C', ['B', 'C']),
        record('B', null),
        { ...record('3.5', ['A']), rewards: { task: 1 } },
      ]),
    ).toEqual({
      verdicts: { right: 2, partly: 1, wrong: 1, unread: 1 },
      letters: {
        A: { hit: 2, wrong: 0, missed: 1 },
        B: { hit: 0, wrong: 1, missed: 1 },
        C: { hit: 2, wrong: 0, missed: 1 },
      },
    });
  });
});
