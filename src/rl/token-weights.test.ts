import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Generator, randn, scope, type Tensor, tensor } from '../tensor/index.ts';
import { PLAIN_WEIGHTS } from './test-support.ts';
import {
  type DivergenceChunk,
  groupDivergence,
  weightStatistics,
  weightsFromDivergence,
} from './token-weights.ts';

function aliveOf(lengths: readonly number[], width = Math.max(...lengths)): Tensor {
  return tensor(
    lengths.map((length) => Array.from({ length: width }, (_, t) => t < length)),
    { dtype: 'bool' },
  );
}

/** Dead cells get the uniform distribution, as the chunked loss sees them. */
function chunkOf(values: Tensor, completion_mask_RC: Tensor): DivergenceChunk {
  const [numRows, , numWords] = values.shape as [number, number, number];
  const logps_RCV = values.masked_fill(completion_mask_RC.logical_not().unsqueeze(-1), -Math.log(numWords));
  const probs_RCV = logps_RCV.exp();
  return {
    logps_RCV,
    probs_RCV,
    entropy_RC: probs_RCV.mul(logps_RCV).sum(-1).neg(),
    completion_mask_RC,
    numRows,
  };
}

const lengthsArbitrary = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 8 });

describe('js divergence', () => {
  it('lies in [0, ln(alive)] whatever the distributions', () => {
    fc.assert(
      fc.property(lengthsArbitrary, fc.nat(), fc.constantFrom(0.1, 3, 100), (lengths, seed, sharpness) =>
        scope(() => {
          const width = Math.max(...lengths);
          const mask = aliveOf(lengths);
          const logps = randn([lengths.length, width, 17], { generator: new Generator(seed) })
            .mul(sharpness)
            .log_softmax(-1);
          const divergence = groupDivergence(chunkOf(logps, mask), 'js').tolist() as number[];
          divergence.forEach((value, t) => {
            const numAlive = lengths.filter((length) => length > t).length;
            expect(value).toBeGreaterThanOrEqual(0);
            expect(value).toBeLessThanOrEqual(Math.log(numAlive) + 1e-5);
            if (numAlive === 1) expect(value).toBe(0);
          });
        }),
      ),
    );
  });

  it('reaches ln(alive) for disjoint and 0 for equal distributions', () => {
    scope(() => {
      const sure = tensor([[[50, 0, 0]], [[0, 50, 0]], [[0, 0, 50]]]).log_softmax(-1);
      const mask = aliveOf([1, 1, 1]);
      expect(groupDivergence(chunkOf(sure, mask), 'js')).toBeAllclose([Math.log(3)], { rtol: 1e-6 });
      const same = tensor([[[1, 2, 3]], [[1, 2, 3]], [[1, 2, 3]]]).log_softmax(-1);
      expect(groupDivergence(chunkOf(same, mask), 'js')).toBeAllclose([0], { atol: 1e-6 });
    });
  });
});

describe('weightsFromDivergence', () => {
  const divergences = fc.array(fc.double({ min: 0, max: 1e4, noNaN: true }), { minLength: 6, maxLength: 6 });

  it('lies in [1, token_weight_max] on tokens, is 0 beside them, and equal over the rows of a position', () => {
    const config = fc.record({
      token_weight: fc.constantFrom('authors' as const, 'js' as const),
      token_weight_max: fc.double({ min: 1, max: 5, noNaN: true }),
      token_weight_quantile: fc.constantFrom(0, 0.05, 0.25),
    });
    fc.assert(
      fc.property(divergences, lengthsArbitrary, config, (divergence, lengths, options) =>
        scope(() => {
          const weights = weightsFromDivergence(
            tensor(divergence),
            aliveOf(lengths, 6),
            options,
          ).tolist() as number[][];
          const longest = weights[lengths.indexOf(Math.max(...lengths))]!;
          for (const [g, length] of lengths.entries()) {
            const row = weights[g]!;
            expect(row.slice(length).every((weight) => weight === 0)).toBe(true);
            expect(row.slice(0, length)).toEqual(longest.slice(0, length));
          }
          const tokens = longest.filter((weight) => weight !== 0);
          expect(Math.min(...tokens)).toBeGreaterThanOrEqual(1);
          expect(Math.max(...tokens)).toBeLessThanOrEqual(options.token_weight_max * (1 + 1e-6));
        }),
      ),
    );
  });

  it('spreads the weights again when one outlier takes the whole range', () => {
    scope(() => {
      const divergence = tensor([1, 2, 3, 4, 5, 6, 7, 8, 9, 1e6]);
      const mask = aliveOf([10, 10]);
      const spread = (token_weight_quantile: number) => {
        const config = {
          ...PLAIN_WEIGHTS,
          token_weight: 'js',
          token_weight_max: 2,
          token_weight_quantile,
        } as const;
        const weights = weightsFromDivergence(divergence, mask, config).tolist() as number[][];
        return weights[0]![8]! - weights[0]![0]!;
      };
      expect(spread(0)).toBeLessThan(1e-4);
      expect(spread(0.15)).toBeGreaterThan(0.9);
    });
  });
});

describe('the shipped formula', () => {
  // Pitfall T3: on random peaked logits the ragged end takes the whole range, the content nothing.
  it('puts its weight where rows have finished; js does not', () => {
    scope(() => {
      const lengths = [20, 24, 28, 32, 22, 30, 26, 32];
      const mask = aliveOf(lengths);
      const logps = randn([8, 32, 5000], { generator: new Generator(0) })
        .mul(3)
        .log_softmax(-1);
      const share = (token_weight: 'authors' | 'js') => {
        const divergence = groupDivergence(chunkOf(logps, mask), token_weight);
        const weights = weightsFromDivergence(divergence, mask, { ...PLAIN_WEIGHTS, token_weight });
        return weightStatistics(weights, mask);
      };
      const authors = share('authors');
      const js = share('js');
      expect(js.tokens_all_alive).toBe(authors.tokens_all_alive);
      expect(js.excess_all_alive).toBeGreaterThan(js.tokens_all_alive);
      expect(authors.excess_all_alive).toBeLessThan(authors.tokens_all_alive / 2);
    });
  });
});
