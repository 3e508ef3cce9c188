/**
 * Rotary position embedding, both kinds: the decoder's M-RoPE, whose frequency pairs are shared out to time, height and
 * width, and the vision tower's 2-D one (rows and columns).
 *
 * Tables hold cos and sin for every token. `sin` carries the sign of `rotate_half`, so that applying is one roll and one
 * multiply-add: rotate_half(x) = roll(x, D/2) * [-1, ..., -1, 1, ..., 1].
 *
 * Shapes: N tokens, H heads, D head size.
 *
 * Source: transformers 5.18 `modeling_qwen2_5_vl.py` `Qwen2_5_VLRotaryEmbedding`, `Qwen2_5_VLVisionRotaryEmbedding`,
 * `modeling_qwen3_vl.py` `Qwen3VLTextRotaryEmbedding`.
 * Angles are float32 products of float32 positions and frequencies: the same rounding as there, far from the origin too.
 */
import { arange, cat, type DType, fromTypedArray, full, scope, type Tensor } from '../../tensor/index.ts';
import type { TextConfig, VisionConfig } from '../config.ts';
import { indexTensor } from '../layers.ts';

/** Rotary tables, cos and signed sin, (N, 1, D), to be multiplied with heads (N, H, D). */
export interface Rotary {
  readonly cos: Tensor;
  readonly sin: Tensor;
}

export interface TableOptions {
  readonly dtype: DType;
  readonly device: string;
}

/** Base of the vision tower's frequencies; fixed in the family. */
const VISION_THETA = 10_000;

/** Tables of the decoder for N tokens at the given positions on the three axes. */
export function textRotary(
  axes: readonly ArrayLike<number>[],
  config: TextConfig,
  options: TableOptions,
): Rotary {
  const frequencies = inverseFrequencies(config.rope_theta, config.head_dim, options.device);
  // Text alone stands at the same place on all axes: one product instead of three, and the same numbers.
  if (axes.every((axis) => axis === axes[0])) return tables(angles(axes[0]!, frequencies), options);
  const { mrope_interleaved, mrope_section } = config;
  if (mrope_interleaved) {
    const ofPairs = indexTensor(interleavedAxes(mrope_section, config.head_dim / 2), options.device);
    const places = axes.map((axis) => places_N1(axis, options.device));
    return tables(cat(places, 1).index_select(1, ofPairs).mul(frequencies), options);
  }
  let from = 0;
  const parts = mrope_section.map((pairs, axis) => {
    const part = angles(axes[axis]!, frequencies.narrow(0, from, pairs));
    from += pairs;
    return part;
  });
  return tables(cat(parts, -1), options);
}

/** Axis of each frequency pair: time, height, width in turn, as far as an axis has pairs; time for the rest. */
function interleavedAxes(section: TextConfig['mrope_section'], pairs: number): number[] {
  return Array.from({ length: pairs }, (_, pair) => (pair < 3 * section[pair % 3]! ? pair % 3 : 0));
}

/** Tables of the vision tower: rows turn the first quarter of the head, columns the second. */
export function visionRotary(
  rows: ArrayLike<number>,
  columns: ArrayLike<number>,
  config: VisionConfig,
  options: TableOptions,
): Rotary {
  const frequencies = inverseFrequencies(
    VISION_THETA,
    config.hidden_size / config.num_heads / 2,
    options.device,
  );
  return tables(cat([angles(rows, frequencies), angles(columns, frequencies)], -1), options);
}

/** Turn each head of x (N, H, D) by its token's angles. */
export function applyRotary(x_NHD: Tensor, rotary: Rotary): Tensor {
  const half = x_NHD.shape.at(-1)! / 2;
  return x_NHD.mul(rotary.cos).addcmul(x_NHD.roll([half], [-1]), rotary.sin);
}

/** The tables of tokens `start .. start + length`. */
export function narrowRotary(rotary: Rotary, start: number, length: number): Rotary {
  return { cos: rotary.cos.narrow(0, start, length), sin: rotary.sin.narrow(0, start, length) };
}

/** Frequencies by theta, dim and device. Numbers, not tensors: decoding asks for them at every step. */
const knownFrequencies = new Map<string, Float32Array>();

/** theta^(-2j / dim) for j < dim / 2, rounded exactly as torch rounds it. */
function inverseFrequencies(theta: number, dim: number, device: string): Tensor {
  const key = `${theta} ${dim} ${device}`;
  let values = knownFrequencies.get(key);
  if (values === undefined) {
    values = scope(() => {
      const exponents = arange(0, dim, 2, { dtype: 'float32', device }).div(dim);
      const powers = full([dim / 2], theta, { dtype: 'float32', device }).pow(exponents);
      return powers.reciprocal().toTypedArray() as Float32Array;
    });
    knownFrequencies.set(key, values);
  }
  return fromTypedArray(values, [values.length], { device });
}

function angles(positions: ArrayLike<number>, frequencies: Tensor): Tensor {
  return places_N1(positions, frequencies.device).mul(frequencies);
}

function places_N1(positions: ArrayLike<number>, device: string): Tensor {
  return fromTypedArray(Float32Array.from(positions), [positions.length, 1], { device });
}

/** (N, D/2) angles to tables; both halves of the head turn by the same angles. */
function tables(angles_NF: Tensor, { dtype }: TableOptions): Rotary {
  const [cos, sin] = [angles_NF.cos(), angles_NF.sin()];
  return {
    cos: cat([cos, cos], -1).unsqueeze(1).to({ dtype }),
    sin: cat([sin.neg(), sin], -1).unsqueeze(1).to({ dtype }),
  };
}
