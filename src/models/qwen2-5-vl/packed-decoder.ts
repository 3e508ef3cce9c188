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
import type { Prefill } from './prefill.ts';
import type { Rotary } from './rope.ts';

/** What one layer remembers of the rows beyond their prompts, with room for the newest token of each row. */
export interface LayerCache {
  /** Rows still running of each prompt. */
  readonly rowsOfPrompt: readonly number[];
  /** (R, K, S, E). */
  readonly suffix: KeysValues;
  /** Suffix tokens, the newest included. */
  readonly length: number;
}

interface PackedLayer {
  /** In the operator's order. */
  readonly weights: readonly Tensor[];
  /** For each prompt and key head (P, E) and (E, P): products with them are linear layers. */
  readonly prefixKeys: readonly Tensor[];
  readonly prefixValues: readonly Tensor[];
}

/** Weights and prompts of each layer; copies, all of them. */
export type PackedDecoder = readonly PackedLayer[];

/** The copy is as large as the decoder; above this, memory is worth more than time. */
const MOST_BYTES = 2 ** 30;

/**
 * Packs the decoder's weights as they are now and the prompts that will be continued, or says with undefined that it can't. The
 * result belongs to the caller's scope.
 */
export function packDecoder(
  params: ModelParams,
  config: TextConfig,
  device: string,
  prompts: readonly Prefill[],
): PackedDecoder | undefined {
  if (device !== 'cpu' || params.dtype !== 'float32' || params.adapters !== undefined) return undefined;
  const names = [...params.weights.keys()].filter((name) => name.startsWith('model.layers.'));
  if (names.some((name) => name.endsWith('.bias') && !/\.[qkv]_proj\.bias$/.test(name))) return undefined;
  const numWeights = names.reduce((sum, name) => sum + params.weights.get(name)!.numel(), 0);
  if (numWeights * Float32Array.BYTES_PER_ELEMENT > MOST_BYTES) return undefined;
  return Array.from({ length: config.num_hidden_layers }, (_, layer) => {
    const prefixes = prompts.map(({ layers }) => layers[layer]!);
    return {
      weights: packLayer(params, layer),
      prefixKeys: prefixes.flatMap(({ k }) => packHeads(k)),
      prefixValues: prefixes.flatMap(({ v }) => packHeads(v.transpose(2, 3))),
    };
  });
}

/** (1, K, out, in) to K packed weights. */
function packHeads(heads: Tensor): Tensor[] {
  return scope(() =>
    Array.from({ length: heads.shape[1]! }, (_, head) => packed(heads.select(0, 0).select(0, head))),
  );
}

function packed(weight: Tensor): Tensor {
  return callOperator('twgrpo::pack_linear_weight', [weight]) as Tensor;
}

function packLayer(params: ModelParams, layer: number): Tensor[] {
  return scope(() => {
    const named = (name: string) => weight(params, `model.layers.${layer}.${name}.weight`);
    const joined = (...names: string[]) => packed(cat(names.map(named), 0));
    const projections = ['q', 'k', 'v'].map((which) => `self_attn.${which}_proj`);
    const biases = projections.map((name) => {
      const bias = `model.layers.${layer}.${name}.bias`;
      return params.weights.has(bias) ? weight(params, bias) : zeros([named(name).shape[0]!]);
    });
    return [
      named('input_layernorm').clone(),
      joined(...projections),
      cat(biases, 0),
      joined('self_attn.o_proj'),
      named('post_attention_layernorm').clone(),
      joined('mlp.gate_proj', 'mlp.up_proj'),
      joined('mlp.down_proj'),
    ];
  });
}

/** One token a row through all layers: x (R, D) to (R, D), not yet normed; stores its keys and values in the caches. */
export function packedDecoderLayers(
  decoder: PackedDecoder,
  config: TextConfig,
  x_RD: Tensor,
  rotary: Rotary,
  cacheOf: (layer: number) => LayerCache,
): Tensor {
  return decoder.reduce((x, { weights, prefixKeys, prefixValues }, layer) => {
    const { rowsOfPrompt, suffix, length } = cacheOf(layer);
    return callOperator('twgrpo::decode_layer', [
      x,
      rotary.cos,
      rotary.sin,
      weights,
      prefixKeys,
      prefixValues,
      suffix.k,
      suffix.v,
      rowsOfPrompt,
      length,
      config.rms_norm_eps,
    ]) as Tensor;
  }, x_RD);
}
