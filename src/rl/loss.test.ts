/**
 * @file Clip shares by hand, as TRL 1.9 counts them: means over tokens, extremes over completions
 * (`GRPOTrainer._compute_loss`, `global_masked_mean`, `masked_seq_mean`).
 */
import { expect, it } from 'vitest';
import { fromTypedArray, scope } from '../tensor/index.ts';
import { type PolicyMetrics, policyLoss } from './loss.ts';
import { LOSS_PRESETS } from './presets.ts';

/** Metrics of four completions: the first three of 4, 2 and 3 tokens, the last with none that counts. */
function metricsOf(isCounted: boolean, advantages = [-1, -1, 1, -1]): PolicyMetrics {
  const shape = [4, 4] as const;
  const ratios = [
    [0.5, 0.7, 1, 1.5], // advantage -1: two of four below
    [0.5, 1, 9, 9], // advantage -1: one of two below
    [1.5, 1.1, 0.5, 9], // advantage 1: one of three above
    [0.1, 9, 9, 9],
  ];
  const lengths = isCounted ? [4, 2, 3, 0] : [0, 0, 0, 0];
  const mask = lengths.flatMap((length) => [0, 1, 2, 3].map((t) => (t < length ? 1 : 0)));
  return scope(() => {
    const { metrics } = policyLoss(
      {
        logps_GT: fromTypedArray(Float64Array.from(ratios.flat().map(Math.log)), shape),
        old_logps_GT: fromTypedArray(new Float64Array(16), shape),
        advantages_G: fromTypedArray(Float64Array.from(advantages), [4]),
        mask_GT: fromTypedArray(Uint8Array.from(mask), shape).to({ dtype: 'bool' }),
      },
      { ...LOSS_PRESETS.grpo, epsilon: 0.2, epsilon_high: 0.2, beta: 0 },
    );
    return metrics;
  });
}

it('clip shares are means over the tokens, and extremes over the completions that have any', () => {
  const metrics = metricsOf(true);
  expect(metrics['clip_ratio/low_mean']).toBeCloseTo(3 / 9, 12);
  expect(metrics['clip_ratio/high_mean']).toBeCloseTo(1 / 9, 12);
  expect(metrics['clip_ratio/region_mean']).toBeCloseTo(4 / 9, 12);
  expect(metrics['clip_ratio/low_min']).toBe(0);
  // One of the three tokens of the third; the last completion has none that counts.
  expect(metricsOf(true, [-1, -1, -1, -1])['clip_ratio/low_min']).toBeCloseTo(1 / 3, 12);
  expect(metrics['clip_ratio/high_max']).toBeCloseTo(1 / 3, 12);
});

it('without a token that counts there is no share', () => {
  const metrics = metricsOf(false);
  for (const key of ['low_mean', 'low_min', 'high_mean', 'high_max'] as const)
    expect(metrics[`clip_ratio/${key}`]).toBeNaN();
});
