/** @file Weights that both sides compute from a hash, so that no checkpoint is stored: `hashed_weight` of goldens/qwen2_5_vl/make_shapes.py. */
import { fromTypedArray, type Tensor } from '../../src/tensor/index.ts';
import { hashedNoise } from './model-goldens.ts';

/** @param shapes by published name */
export function hashedWeights(
  shapes: ReadonlyMap<string, readonly number[]>,
  seed: number,
): Map<string, Tensor> {
  const names = [...shapes].sort(([a], [b]) => (a < b ? -1 : 1));
  return new Map(
    names.map(([name, shape], index) => {
      const count = shape.reduce((a, b) => a * b, 1);
      const values = hashedNoise(1000 * seed + index, count);
      const isTable = name.includes('embed_tokens') || name.includes('lm_head');
      const root = Math.sqrt(count / shape[0]!);
      const value = (noise: number) => {
        if (name.endsWith('.bias')) return noise * 0.1;
        if (shape.length === 1) return 1 + noise * 0.5;
        return isTable ? noise : (noise * 3.5) / root;
      };
      return [name, fromTypedArray(Float32Array.from(values, value), shape)];
    }),
  );
}
