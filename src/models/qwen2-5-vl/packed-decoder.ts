/**
 * Decoding on a CPU, a layer a call (`native/decode_layer.cpp`), from a copy of the decoder's weights in the order that products
 * with few rows read fastest. What it computes is `decoderLayers`; where it can't (other devices, half types, an adapter, a model so
 * large that the copy is too dear) that one is used.
 *
 * Shapes: R rows still running, K key/value heads, P prompt tokens, S room for suffix tokens, E head size, D hidden.
 */
import { callOperator, cat, scope, type Tensor, zeros } from '../../tensor/index.ts';
import { type ModelParams, weight } from '../layers.ts';
import type { KeysValues } from '../shared-prefix-attention.ts';
import type { TextConfig } from './config.ts';
import type { Rotary } from './rope.ts';

/** What one layer remembers while rows are continued, with room for the newest token of each row. */
export interface LayerCache {
  /** Of each prompt, (1, K, P, E). */
  readonly prefixes: readonly KeysValues[];
  /** Rows still running of each prompt. */
  readonly rowsOfPrompt: readonly number[];
  /** (R, K, S, E). */
  readonly suffix: KeysValues;
  /** Suffix tokens, the newest included. */
  readonly length: number;
}

/** The weights of each layer, in the operator's order; copies, all of them. */
export type PackedDecoder = readonly (readonly Tensor[])[];

/** The copy is as large as the decoder; above this, memory is worth more than time. */
const MOST_BYTES = 2 ** 30;

/** Packs the decoder's weights as they are now, or says with undefined that it can't. The result belongs to the caller's scope. */
export function packDecoder(
  params: ModelParams,
  config: TextConfig,
  device: string,
): PackedDecoder | undefined {
  if (device !== 'cpu' || params.dtype !== 'float32' || params.adapters !== undefined) return undefined;
  const names = [...params.weights.keys()].filter((name) => name.startsWith('model.layers.'));
  if (names.some((name) => name.endsWith('.bias') && !/\.[qkv]_proj\.bias$/.test(name))) return undefined;
  const numWeights = names.reduce((sum, name) => sum + params.weights.get(name)!.numel(), 0);
  if (numWeights * Float32Array.BYTES_PER_ELEMENT > MOST_BYTES) return undefined;
  return Array.from({ length: config.num_hidden_layers }, (_, layer) => packLayer(params, layer));
}

function packLayer(params: ModelParams, layer: number): Tensor[] {
  return scope(() => {
    const named = (name: string) => weight(params, `model.layers.${layer}.${name}.weight`);
    const packed = (...names: string[]) =>
      callOperator('twgrpo::pack_linear_weight', [cat(names.map(named), 0)]) as Tensor;
    const projections = ['q', 'k', 'v'].map((which) => `self_attn.${which}_proj`);
    const biases = projections.map((name) => {
      const bias = `model.layers.${layer}.${name}.bias`;
      return params.weights.has(bias) ? weight(params, bias) : zeros([named(name).shape[0]!]);
    });
    return [
      named('input_layernorm').clone(),
      packed(...projections),
      cat(biases, 0),
      packed('self_attn.o_proj'),
      named('post_attention_layernorm').clone(),
      packed('mlp.gate_proj', 'mlp.up_proj'),
      packed('mlp.down_proj'),
    ];
  });
}

/** One token a row through all layers: x (R, D) to (R, D), not yet normed; stores its keys and values in the caches. */
export function packedDecoderLayers(
  packed: PackedDecoder,
  config: TextConfig,
  x_RD: Tensor,
  rotary: Rotary,
  cacheOf: (layer: number) => LayerCache,
): Tensor {
  return packed.reduce((x, weights, layer) => {
    const { prefixes, rowsOfPrompt, suffix, length } = cacheOf(layer);
    return callOperator('twgrpo::decode_layer', [
      x,
      rotary.cos,
      rotary.sin,
      weights,
      prefixes.map(({ k }) => k),
      prefixes.map(({ v }) => v),
      suffix.k,
      suffix.v,
      rowsOfPrompt,
      length,
      config.rms_norm_eps,
    ]) as Tensor;
  }, x_RD);
}
