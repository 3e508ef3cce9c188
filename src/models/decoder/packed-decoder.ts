/**
 * Decoding on a CPU, a step a call (`native/decode.cpp`), from a copy of the weights in the order that products with few
 * rows read fastest (`native/few_rows.cpp`). What it computes is `decoderLayers`, norm and head; where it can't (other devices,
 * half types, an adapter, a weight or setting it does not know, a model so large that the copy is too dear) those are used.
 *
 * Shapes: R rows still running, K key/value heads, P prompt tokens, S room for suffix tokens, E head size, D hidden.
 */
import { cat, decodeStep, packPanels, scope, type Tensor, zeros } from '../../tensor/index.ts';
import type { TextConfig } from '../config.ts';
import { type ModelParams, weight } from '../layers.ts';
import { HEAD_NORMS, knowsDecoder } from './known-decoder.ts';
import type { SuffixCache } from './kv-cache.ts';
import type { Prefill } from './prefill.ts';
import type { Rotary } from './rope.ts';
import type { KeysValues } from './shared-prefix-attention.ts';
import { headName } from './text.ts';

/** Packed copies of a decoder's weights and of its prompts' keys and values; each list runs over the layers, then in the operator's order. */
export interface PackedDecoder {
  readonly weights: readonly Tensor[];
  /** Panels of (P, E) and (E, P) for each layer, prompt and key head: products with them are linear layers. */
  readonly prefixKeys: readonly Tensor[];
  readonly prefixValues: readonly Tensor[];
  readonly finalNorm: Tensor;
  readonly head: Tensor;
}

/** The copy is as large as decoder and head; above this, memory is worth more than time. */
const MOST_BYTES = 2 ** 30;
/** A panel's width (`native/few_rows.h`): heads must be a multiple of it. */
const LANES = 16;

/**
 * Packs the decoder and the language model head as they are now and the prompts that will be continued, or says with undefined
 * that it can't. The result belongs to the caller's scope.
 */
export function packDecoder(
  params: ModelParams,
  config: TextConfig,
  device: string,
  prompts: readonly Prefill[],
): PackedDecoder | undefined {
  if (device !== 'cpu' || params.dtype !== 'float32' || params.adapters !== undefined) return undefined;
  if (config.head_dim % LANES !== 0) return undefined;
  if (!knowsDecoder(params.weights.keys(), config)) return undefined;
  const head = weight(params, headName(params.weights));
  const names = [...params.weights.keys()].filter((name) => name.startsWith('model.layers.'));
  const numWeights = names.reduce((sum, name) => sum + params.weights.get(name)!.numel(), head.numel());
  if (numWeights * Float32Array.BYTES_PER_ELEMENT > MOST_BYTES) return undefined;
  return scope(() => {
    const layers = [...Array(config.num_hidden_layers).keys()];
    const ofPrompts = (heads: (keysValues: KeysValues) => Tensor) =>
      layers.flatMap((layer) => prompts.flatMap((prompt) => headsOf(heads(prompt.layers[layer]!))));
    const lists = [
      layers.flatMap((layer) => layerMatrices(params, layer)),
      ofPrompts(({ k }) => k),
      ofPrompts(({ v }) => v.transpose(2, 3)),
      [head],
    ];
    const packed = packPanels(lists.flat());
    const [matrices, prefixKeys, prefixValues, packedHead] = lists.map((list) =>
      packed.splice(0, list.length),
    ) as [Tensor[], Tensor[], Tensor[], [Tensor]];
    return {
      weights: layers.flatMap((layer) => layerWeights(params, layer, matrices.splice(0, NUM_MATRICES))),
      ...{ prefixKeys, prefixValues, head: packedHead[0] },
      finalNorm: weight(params, 'model.norm.weight').clone(),
    };
  });
}

/** (1, K, out, in) to K matrices. */
function headsOf(heads: Tensor): Tensor[] {
  return Array.from({ length: heads.shape[1]! }, (_, head) => heads.select(0, 0).select(0, head));
}

const PROJECTIONS = ['q', 'k', 'v'].map((which) => `self_attn.${which}_proj`);

/** Number of packed matrices in one layer, those of `layerMatrices`. */
const NUM_MATRICES = 5;

/** The matrices of one layer: queries with keys and values, output, gate, up, down. */
function layerMatrices(params: ModelParams, layer: number): Tensor[] {
  const named = (name: string) => weight(params, `model.layers.${layer}.${name}.weight`);
  return [
    cat(PROJECTIONS.map(named), 0),
    ...['self_attn.o_proj', 'mlp.gate_proj', 'mlp.up_proj', 'mlp.down_proj'].map(named),
  ];
}

/** The weights of one layer in the operator's order. */
function layerWeights(params: ModelParams, layer: number, matrices: readonly Tensor[]): Tensor[] {
  const named = (name: string) => weight(params, `model.layers.${layer}.${name}.weight`);
  const biases = PROJECTIONS.map((name) => {
    const bias = `model.layers.${layer}.${name}.bias`;
    return params.weights.has(bias) ? weight(params, bias) : zeros([named(name).shape[0]!]);
  });
  const headNorms = HEAD_NORMS.map((name) => {
    const norm = `model.layers.${layer}.${name}.weight`;
    return params.weights.has(norm) ? weight(params, norm).clone() : zeros([0]);
  });
  const [qkv, out, ...mlp] = matrices as [Tensor, Tensor, ...Tensor[]];
  return [
    named('input_layernorm').clone(),
    qkv,
    cat(biases, 0),
    ...headNorms,
    out,
    named('post_attention_layernorm').clone(),
    ...mlp,
  ];
}

/** One token a row: its embedding x (R, D) to the logits (R, V) of the next; stores its keys and values in the caches. */
export function packedDecode(
  decoder: PackedDecoder,
  config: TextConfig,
  x_RD: Tensor,
  rotary: Rotary,
  suffix: SuffixCache,
): Tensor {
  return decodeStep(
    x_RD,
    rotary.cos,
    rotary.sin,
    decoder.weights,
    decoder.prefixKeys,
    decoder.prefixValues,
    suffix.layers.map(({ k }) => k),
    suffix.layers.map(({ v }) => v),
    suffix.rowsOfPrompt,
    suffix.length,
    config.rms_norm_eps,
    decoder.finalNorm,
    decoder.head,
    config.vocab_size,
  );
}
