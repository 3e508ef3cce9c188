import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { denseLoss } from '../../tests/support/dense-loss.ts';
import { cat, liveTensors, scope, Tensor, zeros } from '../tensor/index.ts';
import { type ChunkedLossInputs, type ChunkedLossOptions, chunkedLoss } from './chunked-loss.ts';
import { scoreTokens } from './chunks.ts';
import { LOSS_PRESETS } from './presets.ts';
import {
  expectClose,
  type Floating,
  type GoldenCase,
  type GoldenInputs,
  inputsOf,
  PLAIN_LOSS,
  PLAIN_WEIGHTS,
  randomGroup,
  readGolden,
} from './test-support.ts';
import { TOKEN_WEIGHT_MODES, type TokenWeightConfig } from './token-weights.ts';

function optionsOf({ config }: GoldenCase): ChunkedLossOptions {
  const { token_weight, detach, max, quantile, temperature, use_old, truncated, ...others } = config;
  const { num_tokens, num_sequences, max_completion_length, ...loss } = others;
  const given = <T extends object>(values: T) =>
    Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
      [K in keyof T]: NonNullable<T[K]>;
    };
  return {
    loss: { ...PLAIN_LOSS, ...loss },
    weights: {
      ...PLAIN_WEIGHTS,
      ...given({
        token_weight,
        token_weight_detach: detach,
        token_weight_max: max,
        token_weight_quantile: quantile,
      }),
    },
    scale: given({ num_tokens, num_sequences, max_completion_length }),
    ...given({ temperature }),
  };
}

/** Chunked with trainable head, chunked with frozen head (its own short cut), and dense: all must hit the golden. */
function expectGolden(golden: GoldenInputs, expected: GoldenCase, dtype: Floating, tolerance: number): void {
  scope(() => {
    const inputs = inputsOf(golden, expected, dtype);
    const options = optionsOf(expected);
    const bytesOfOnePosition = 1;
    for (const chunk_bytes of [bytesOfOnePosition, 3 * 5 * 8 * inputs.ids_GT.shape[0]! * 9, 2 ** 20]) {
      const grad_lm_head_VD = zeros(inputs.lm_head_VD.shape, { dtype });
      const trained = chunkedLoss(inputs, { ...options, chunk_bytes, grad_lm_head_VD });
      const frozen = chunkedLoss(inputs, { ...options, chunk_bytes });
      for (const { loss, grad_hidden_GTD, weights_GT, divergence_T } of [trained, frozen]) {
        expectClose(loss, expected.loss, tolerance);
        expectClose(grad_hidden_GTD, expected.grad_hidden, tolerance);
        expectClose(weights_GT, expected.weights, tolerance);
        if (expected.divergence) expectClose(divergence_T, expected.divergence, tolerance);
      }
      expectClose(grad_lm_head_VD, expected.grad_head, tolerance);
    }
    const dense = denseLoss(inputs, options);
    expectClose(dense.loss, expected.loss, tolerance);
    expectClose(dense.grad_hidden_GTD, expected.grad_hidden, tolerance);
    expectClose(dense.grad_lm_head_VD, expected.grad_head, tolerance);
  });
}

describe('golden token weights, loss and gradients', () => {
  const scenarios =
    readGolden<Record<string, { inputs: GoldenInputs; cases: GoldenCase[] }>>('token-weights.json');
  for (const [name, { inputs, cases }] of Object.entries(scenarios)) {
    it.each(
      cases.map((expected) => [expected.config.token_weight, expected.config.detach, expected] as const),
    )(`${name}, %s, detach %s`, (_mode, _detach, expected) => {
      expectGolden(inputs, expected, 'float64', 1e-12);
      expectGolden(inputs, expected, 'float32', name === 'sharp_G4' ? 1e-4 : 1e-6);
    });
  }
});

describe('golden losses', () => {
  const { inputs, cases } = readGolden<{ inputs: GoldenInputs; cases: Record<string, GoldenCase> }>(
    'losses.json',
  );
  it.each(Object.entries(cases))('%s', (_name, expected) => {
    expectGolden(inputs, expected, 'float64', 1e-12);
    expectGolden(inputs, expected, 'float32', 1e-6);
  });
});

const lengthsArbitrary = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 5 });
const modeArbitrary = fc.constantFrom(...TOKEN_WEIGHT_MODES);
const seedArbitrary = fc.integer({ min: 0, max: 1e6 });

/** Everything on at once, so that no term hides another's mistake. */
function fullOptions(weights: Partial<TokenWeightConfig>): ChunkedLossOptions {
  return {
    loss: { ...PLAIN_LOSS, beta: 0.05, entropy_coef: 0.02, delta: 1.6 },
    weights: { ...PLAIN_WEIGHTS, ...weights },
    temperature: 0.9,
  };
}

function run(inputs: ChunkedLossInputs, options: ChunkedLossOptions) {
  const grad_lm_head_VD = zeros(inputs.lm_head_VD.shape, { dtype: inputs.lm_head_VD.dtype as Floating });
  return { ...chunkedLoss(inputs, { ...options, grad_lm_head_VD }), grad_lm_head_VD };
}

describe('chunkedLoss', () => {
  it('equals the dense path for any ragged group, mode and chunk size', () => {
    const options = fc.record({
      token_weight: modeArbitrary,
      token_weight_detach: fc.boolean(),
      token_weight_quantile: fc.constantFrom(0, 0.1),
    });
    fc.assert(
      fc.property(
        seedArbitrary,
        lengthsArbitrary,
        options,
        fc.integer({ min: 1, max: 2e4 }),
        (seed, lengths, weights, chunk_bytes) =>
          scope(() => {
            const inputs = randomGroup({ seed, lengths, width: Math.max(...lengths) + (seed % 3) });
            const full = fullOptions(weights);
            const chunked = run(inputs, { ...full, chunk_bytes });
            const dense = denseLoss(inputs, full);
            expectClose(chunked.loss, dense.loss, 1e-11);
            expectClose(chunked.grad_hidden_GTD, dense.grad_hidden_GTD.tolist(), 1e-11);
            expectClose(chunked.grad_lm_head_VD, dense.grad_lm_head_VD.tolist(), 1e-11);
          }),
      ),
      { numRuns: 60 },
    );
  });

  it('does not depend on the length of the padding', () => {
    fc.assert(
      fc.property(
        seedArbitrary,
        lengthsArbitrary,
        modeArbitrary,
        fc.boolean(),
        (seed, lengths, token_weight, token_weight_detach) =>
          scope(() => {
            const longest = Math.max(...lengths);
            const options = fullOptions({ token_weight, token_weight_detach });
            const tight = run(randomGroup({ seed, lengths }), options);
            const wide = run(randomGroup({ seed, lengths, width: longest + 9 }), options);
            expectClose(wide.loss, tight.loss, 1e-13);
            expectClose(wide.weights_GT.narrow(1, 0, longest), tight.weights_GT.tolist(), 1e-13);
            expectClose(wide.grad_hidden_GTD.narrow(1, 0, longest), tight.grad_hidden_GTD.tolist(), 1e-13);
            expect(wide.grad_hidden_GTD.narrow(1, longest, 9).count_nonzero().item()).toBe(0);
            expectClose(wide.grad_lm_head_VD, tight.grad_lm_head_VD.tolist(), 1e-13);
          }),
      ),
      { numRuns: 30 },
    );
  });

  it('is unweighted for token_weight_max 1, in every mode', () => {
    scope(() => {
      const inputs = randomGroup({ seed: 1, lengths: [5, 2, 4] });
      const plain = run(inputs, fullOptions({ token_weight: 'none' }));
      for (const token_weight of TOKEN_WEIGHT_MODES) {
        for (const token_weight_detach of [true, false]) {
          const weighted = run(
            inputs,
            fullOptions({ token_weight, token_weight_max: 1, token_weight_detach }),
          );
          expect(weighted.loss).toBe(plain.loss);
          expect(weighted.grad_hidden_GTD.tolist()).toEqual(plain.grad_hidden_GTD.tolist());
        }
      }
    });
  });

  it.each(['sequence', 'token', 'token_global', 'constant'] as const)(
    'a batch of two groups is two single groups with the batch’s counts (%s)',
    (loss_norm) => {
      scope(() => {
        const lengths = [
          [5, 2, 4],
          [3, 7, 1],
        ] as const;
        const [first, second] = lengths.map((rows, i) => ({
          ...randomGroup({ seed: i, lengths: rows, width: 7 }),
          lm_head_VD: randomGroup({ seed: 9, lengths: [1] }).lm_head_VD,
        })) as [ChunkedLossInputs, ChunkedLossInputs];
        const scale = { num_sequences: 6, num_tokens: 22, max_completion_length: 8 };
        const options = { ...fullOptions({}), loss: { ...PLAIN_LOSS, beta: 0.05, loss_norm }, scale };
        const grad_lm_head_VD = zeros(first.lm_head_VD.shape, { dtype: 'float64' });
        const losses = [first, second].map(
          (group) => chunkedLoss(group, { ...options, grad_lm_head_VD }).loss,
        );
        const both = Object.fromEntries(
          Object.entries(first).map(([key, value]) => [
            key,
            key === 'lm_head_VD' ? value : cat([value as Tensor, second[key as 'ids_GT']], 0),
          ]),
        ) as unknown as ChunkedLossInputs;
        const joint = run(both, options);
        expectClose(losses[0]! + losses[1]!, joint.loss, 1e-13);
        expectClose(grad_lm_head_VD, joint.grad_lm_head_VD.tolist(), 1e-13);
      });
    },
  );

  it('says that a group without a learning signal has no gradient', () => {
    scope(() => {
      const inputs = randomGroup({ seed: 2, lengths: [5, 2, 4] });
      const dead = { ...inputs, advantages_G: zeros([3], { dtype: 'float64' }) };
      const result = run(dead, { loss: PLAIN_LOSS, weights: { ...PLAIN_WEIGHTS, token_weight: 'js' } });
      expect(result.has_gradient).toBe(false);
      expect(result.loss).toBeCloseTo(0, 15);
      expect(result.grad_lm_head_VD.count_nonzero().item()).toBe(0);
      expect(run(inputs, { loss: PLAIN_LOSS, weights: PLAIN_WEIGHTS }).has_gradient).toBe(true);
    });
  });

  it('gives float32 head gradients for bfloat16 parameters, near those of float32', () => {
    scope(() => {
      const group = randomGroup({ seed: 3, lengths: [6, 4, 5, 6], dim: 16, vocab: 40, dtype: 'float32' });
      const hidden_GTD = group.hidden_GTD.to({ dtype: 'bfloat16' });
      const lm_head_VD = group.lm_head_VD.mul(0.3).to({ dtype: 'bfloat16' });
      const options = { loss: PLAIN_LOSS, weights: { ...PLAIN_WEIGHTS, token_weight: 'js' } } as const;
      const inputs = { ...group, hidden_GTD, lm_head_VD };
      const low = zeros(lm_head_VD.shape);
      const result = chunkedLoss(inputs, { ...options, grad_lm_head_VD: low });
      const exact = zeros(lm_head_VD.shape);
      const wide = {
        ...inputs,
        hidden_GTD: hidden_GTD.to({ dtype: 'float32' }),
        lm_head_VD: lm_head_VD.to({ dtype: 'float32' }),
      };
      const expected = chunkedLoss(wide, { ...options, grad_lm_head_VD: exact });
      expect(result.grad_hidden_GTD.dtype).toBe('bfloat16');
      expect(result.logps_GT.dtype).toBe('float32');
      expectClose(result.loss, expected.loss, 0.02);
      expectClose(low, exact.tolist(), 0.02);
      expectClose(result.grad_hidden_GTD.to({ dtype: 'float32' }), expected.grad_hidden_GTD.tolist(), 0.02);
    });
  });

  it('leaves no tensor behind but its results', () => {
    scope(() => {
      const inputs = randomGroup({ seed: 4, lengths: [5, 2, 4] });
      const before = liveTensors();
      const result = chunkedLoss(inputs, fullOptions({ token_weight: 'js' }));
      expect(liveTensors() - before).toBe(5);
      for (const value of Object.values(result)) if (value instanceof Tensor) value.dispose();
      const { logps_GT, entropy_GT } = scoreTokens(inputs);
      logps_GT.dispose();
      entropy_GT.dispose();
      expect(liveTensors()).toBe(before);
    });
  });

  it('reports clip shares, KL, entropy and weights under names a dashboard can read', () => {
    scope(() => {
      const { metrics } = run(
        randomGroup({ seed: 5, lengths: [5, 2, 4] }),
        fullOptions({ token_weight: 'js' }),
      );
      expect(metrics.num_loss_tokens).toBe(11);
      expect(metrics['clip_ratio/region_mean']).toBeCloseTo(
        metrics['clip_ratio/low_mean'] + metrics['clip_ratio/high_mean'],
        12,
      );
      expect(metrics.kl).toBeGreaterThan(0);
      expect(metrics.entropy).toBeGreaterThan(0);
      expect(metrics.entropy).toBeLessThan(Math.log(13));
      expect(metrics.weights.tokens_all_alive).toBeCloseTo(6 / 11, 12);
      expect(metrics.weights.max).toBeLessThanOrEqual(1.7);
    });
  });

  it('refuses what does not fit, and terms without their input', () => {
    scope(() => {
      const inputs = randomGroup({ seed: 6, lengths: [3, 2] });
      const { ref_logps_GT: _, ...withoutRef } = inputs;
      expect(() => chunkedLoss(withoutRef, fullOptions({}))).toThrow('reference policy');
      expect(() =>
        chunkedLoss({ ...inputs, ids_GT: inputs.ids_GT.narrow(1, 0, 2) }, fullOptions({})),
      ).toThrow('internal: expected hidden');
      const options = (loss: object, weights: object = {}) => ({
        loss: { ...PLAIN_LOSS, ...loss },
        weights: { ...PLAIN_WEIGHTS, ...weights },
      });
      expect(() => chunkedLoss(inputs, options({ loss_norm: 'token_global' }))).toThrow('num_tokens');
      expect(() => chunkedLoss(inputs, options({ loss_norm: 'constant' }))).toThrow('max_completion_length');
      expect(() => chunkedLoss(inputs, options({ delta: 1.1 }))).toThrow('delta must be above');
      expect(() => chunkedLoss(inputs, options({}, { token_weight: 'js', token_weight_max: 0 }))).toThrow(
        'at least 1',
      );
      expect(() =>
        chunkedLoss(inputs, options({}, { token_weight: 'js', token_weight_quantile: 0.5 })),
      ).toThrow('[0, 0.5)');
    });
  });
});

describe('scoreTokens', () => {
  it('gives the log-probabilities the loss sees, so that the ratio is exactly 1', () => {
    scope(() => {
      const inputs = randomGroup({ seed: 7, lengths: [5, 2, 4], dtype: 'float32' });
      const { logps_GT } = scoreTokens(inputs, { temperature: 0.9 });
      const { old_logps_GT: _, ...rest } = inputs;
      const { metrics, logps_GT: seen } = chunkedLoss(
        { ...rest, old_logps_GT: logps_GT },
        { ...fullOptions({}), temperature: 0.9 },
      );
      expect(seen.tolist()).toEqual(logps_GT.tolist());
      expect(metrics['ratio/mean']).toBe(1);
      expect(metrics['ratio/max']).toBe(1);
    });
  });
});

describe('presets', () => {
  it('all run, and differ from grpo only in the keys they name', () => {
    scope(() => {
      const inputs = randomGroup({ seed: 8, lengths: [5, 2, 4] });
      for (const preset of Object.values(LOSS_PRESETS)) {
        const scale = { num_tokens: 11, max_completion_length: 7 };
        expect(Number.isFinite(run(inputs, { loss: preset, weights: preset, scale }).loss)).toBe(true);
      }
    });
    const { tw_grpo, grpo } = LOSS_PRESETS;
    expect(tw_grpo).toEqual({ ...grpo, loss_norm: 'token_global', epsilon_high: 0.28, token_weight: 'js' });
  });
});
