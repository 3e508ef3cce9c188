/**
 * The few layers every transformer here is made of, as functions over named weights.
 *
 * A model is a map from published weight names to tensors; a layer looks up what it needs. Weights may be stored in
 * another dtype than the computation's (bfloat16 files on a CPU that computes in float32): they are cast at each use, so
 * only one layer is ever held twice. A gradient flows back through the cast to the stored weight.
 */
import {
  type DType,
  embedding,
  fastLinear,
  fromTypedArray,
  layer_norm,
  rms_norm,
  siluMul,
  type Tensor,
} from '../tensor/index.ts';
import type { FusedWeight } from './fused-storage.ts';

/** A low-rank addition to one linear layer: y += scale * (x A^T) B^T. */
export interface LowRankPair {
  /** (r, in) */
  readonly A: Tensor;
  /** (out, r) */
  readonly B: Tensor;
  readonly scale: number;
}

/**
 * Told when the weights of a decoder layer are read in training: they may be put together before and taken apart after, and their
 * gradients sent while the next layer is computed.
 */
export interface LayerGate {
  /** Before the layer's weights are read; on the way back, before it is computed again. */
  enter(layer: number, isBackward: boolean): void;
  /** After its weights were read for the last time in this pass; on the way back their gradients are complete. */
  leave(layer: number, isBackward: boolean): void;
}

/** The weights, adapters and dtype that a forward pass reads. */
export interface ModelParams {
  readonly weights: ReadonlyMap<string, Tensor>;
  /** Adapters by module name (`model.layers.0.self_attn.q_proj`); undefined: the plain model. */
  readonly adapters: ReadonlyMap<string, LowRankPair> | undefined;
  /** Weights that lie together in memory; undefined: none do. */
  readonly fused?: ReadonlyMap<string, FusedWeight> | undefined;
  /** The dtype activations have. */
  readonly dtype: DType;
  readonly gate?: LayerGate | undefined;
}

/** A weight by name, in the compute dtype. */
export function weight(params: ModelParams, name: string): Tensor {
  const stored = params.weights.get(name);
  if (stored === undefined) throw new Error(`internal: the model has no weight '${name}'`);
  return cast(stored, params.dtype);
}

/** `x W^T + b` for x (N, in), plus the module's adapter if one is on. The bias is optional, as in the checkpoint. */
export function linear(params: ModelParams, module: string, x: Tensor): Tensor {
  const biasName = `${module}.bias`;
  const bias = params.weights.has(biasName) ? weight(params, biasName) : undefined;
  const y = fastLinear(x, weight(params, `${module}.weight`), bias);
  const adapter = params.adapters?.get(module);
  if (adapter === undefined) return y;
  // In place: of the width of the layer there is one tensor, forward and back.
  const low = fastLinear(x, cast(adapter.A, params.dtype));
  return y.addmm_(low, cast(adapter.B, params.dtype).t(), { alpha: adapter.scale });
}

/** x / rms(x) * w over the last axis. libtorch computes the mean square in float32 for half types, as Hugging Face does. */
export function rmsNorm(params: ModelParams, module: string, x: Tensor, eps: number): Tensor {
  return rms_norm(x, [x.shape.at(-1)!], weight(params, `${module}.weight`), eps);
}

export function layerNorm(params: ModelParams, module: string, x: Tensor, eps: number): Tensor {
  return layer_norm(
    x,
    [x.shape.at(-1)!],
    weight(params, `${module}.weight`),
    weight(params, `${module}.bias`),
    eps,
  );
}

/** down(silu(gate(x)) * up(x)). */
export function swiglu(params: ModelParams, module: string, x: Tensor): Tensor {
  const gate = linear(params, `${module}.gate_proj`, x);
  const up = linear(params, `${module}.up_proj`, x);
  return linear(params, `${module}.down_proj`, siluMul(gate, up));
}

/** x * sigmoid(1.702 x), the GELU of Qwen2-VL's tower. */
export function quickGelu(x: Tensor): Tensor {
  return x.mul(x.mul(1.702).sigmoid());
}

/** Rows of the embedding matrix, cast after the look-up: the whole matrix is never copied. */
export function embed(params: ModelParams, name: string, ids: Tensor): Tensor {
  const stored = params.weights.get(name);
  if (stored === undefined) throw new Error(`internal: the model has no weight '${name}'`);
  return cast(embedding(stored, ids), params.dtype);
}

/** Whole numbers as an int64 tensor, for look-ups. */
export function indexTensor(values: readonly number[], device: string): Tensor {
  return fromTypedArray(BigInt64Array.from(values, BigInt), [values.length], { device });
}

function cast(tensor: Tensor, dtype: DType): Tensor {
  return tensor.dtype === dtype ? tensor : tensor.to({ dtype });
}
