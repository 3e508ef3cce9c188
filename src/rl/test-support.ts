/** Support of this room's tests: goldens as tensors, and random groups of ragged completions. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type DType, Generator, randn, setNumThreads, type Tensor, tensor } from '../tensor/index.ts';
import type { ChunkedLossInputs } from './chunked-loss.ts';
import type { PolicyLossConfig } from './loss.ts';
import type { TokenWeightConfig, TokenWeightMode } from './token-weights.ts';

// Tensors of some hundred numbers: more threads would only wait for one another.
setNumThreads(1);

export type Floating = Extract<DType, 'float32' | 'float64'>;

export interface GoldenInputs {
  readonly hidden: number[][][];
  readonly head: number[][];
  readonly ids: number[][];
  readonly mask: number[][];
  readonly advantages: number[];
  readonly old: number[][];
  readonly ref: number[][];
}

export interface GoldenCase {
  readonly config: Partial<PolicyLossConfig> & {
    readonly token_weight?: TokenWeightMode;
    readonly detach?: boolean;
    readonly max?: number;
    readonly quantile?: number;
    readonly use_old?: boolean;
    readonly truncated?: readonly number[];
    readonly temperature?: number;
    readonly num_tokens?: number;
    readonly num_sequences?: number;
    readonly max_completion_length?: number;
  };
  readonly loss: number;
  readonly weights: number[][];
  readonly divergence?: number[];
  readonly grad_hidden: number[][][];
  readonly grad_head: number[][];
}

export function readGolden<T>(name: string): T {
  return JSON.parse(readFileSync(join(import.meta.dirname, '../../tests/goldens/rl', name), 'utf8')) as T;
}

/** The inputs of a golden case in one precision. */
export function inputsOf(golden: GoldenInputs, { config }: GoldenCase, dtype: Floating): ChunkedLossInputs {
  return {
    hidden_GTD: tensor(golden.hidden, { dtype }),
    lm_head_VD: tensor(golden.head, { dtype }),
    ids_GT: tensor(golden.ids, { dtype: 'int64' }),
    completion_mask_GT: tensor(golden.mask, { dtype: 'bool' }),
    advantages_G: tensor(golden.advantages, { dtype }),
    ...(config.use_old && { old_logps_GT: tensor(golden.old, { dtype }) }),
    ...(config.beta && { ref_logps_GT: tensor(golden.ref, { dtype }) }),
    ...(config.truncated && { truncated_G: golden.advantages.map((_, g) => config.truncated!.includes(g)) }),
  };
}

export const PLAIN_LOSS: PolicyLossConfig = {
  loss_norm: 'token',
  epsilon: 0.2,
  epsilon_high: 0.28,
  beta: 0,
  kl_estimator: 'k3',
  importance_sampling_level: 'token',
  entropy_coef: 0,
};

export const PLAIN_WEIGHTS: TokenWeightConfig = {
  token_weight: 'none',
  token_weight_max: 1.7,
  token_weight_detach: true,
  token_weight_quantile: 0,
};

/**
 * Equal to within `tolerance` times the largest expected number (or `atLeast`): gradients have entries, and losses have
 * sums, near 0 by cancellation.
 */
export function expectClose(received: unknown, expected: unknown, tolerance: number, atLeast = 0.1): void {
  const largest = Math.max(...[expected].flat(9).map((value) => Math.abs(Number(value))), atLeast);
  expect(received).toBeAllclose(expected, { rtol: tolerance, atol: tolerance * largest });
}

export interface RandomGroup {
  readonly seed: number;
  readonly lengths: readonly number[];
  /** At least the longest length. */
  readonly width?: number;
  readonly dim?: number;
  readonly vocab?: number;
  readonly dtype?: Floating;
}

/** A random group whose real tokens do not depend on `width`. */
export function randomGroup({
  seed,
  lengths,
  width = Math.max(...lengths),
  dim = 5,
  vocab = 13,
  dtype = 'float64',
}: RandomGroup): ChunkedLossInputs & { readonly old_logps_GT: Tensor; readonly ref_logps_GT: Tensor } {
  const generator = new Generator(seed);
  const numRows = lengths.length;
  const longest = Math.max(...lengths);
  const draw = (shape: number[]) => randn(shape, { generator, dtype });
  const pad = (values: Tensor, filler: number) => {
    const rows = values.tolist() as unknown[][];
    return rows.map((row) => [
      ...row,
      ...Array.from({ length: width - longest }, () =>
        Array.isArray(row[0]) ? row[0].map(() => filler) : filler,
      ),
    ]) as number[][];
  };
  const uniform = draw([numRows, longest]).tolist() as number[][];
  const ids = uniform.map((row) => row.map((value) => Math.abs(Math.floor(value * 1000)) % vocab));
  return {
    hidden_GTD: tensor(pad(draw([numRows, longest, dim]), 3), { dtype }),
    lm_head_VD: draw([vocab, dim]),
    ids_GT: tensor(pad(tensor(ids, { dtype: 'int64' }), 0), { dtype: 'int64' }),
    completion_mask_GT: tensor(
      lengths.map((length) => Array.from({ length: width }, (_, t) => t < length)),
      { dtype: 'bool' },
    ),
    advantages_G: draw([numRows]),
    old_logps_GT: tensor(pad(draw([numRows, longest]).mul(0.4).sub(2.5), -1e4), { dtype }),
    ref_logps_GT: tensor(pad(draw([numRows, longest]).mul(0.4).sub(2.5), 1e4), { dtype }),
  };
}
