/**
 * A decoding step for a device that is asked kernel by kernel (a GPU): as few kernels as the layers allow, none that needs the host, and no
 * shape that changes from step to step, so that the whole step can be captured as a graph (`flash-session.ts`).
 *
 * What it computes is `decoderLayers`, norm and head (`text.ts`), up to rounding:
 *   - products of the same input are one (`fused-storage.ts`), with their adapters as one more pair of narrow products;
 *   - a layer's sums are made by the product that adds to them;
 *   - queries, keys and values are turned together, values by no angle, and stored as they come;
 *   - attention to the prompt and to the row's own tokens is one call (`native/flash_decode.cpp`).
 *
 * Shapes: R rows, D hidden, H query heads, K key/value heads, N = H + 2 K, E head size, T keys of all prompts and rows, V vocabulary.
 */
import {
  block_diag,
  canPrefixFlash,
  cat,
  embedding,
  empty,
  fastLinear,
  flashDecode,
  scope,
  type Tensor,
  zeros,
} from '../../tensor/index.ts';
import type { TextConfig } from '../config.ts';
import { FUSED_MODULES, fusedWeight } from '../fused-storage.ts';
import { type LowRankPair, type ModelParams, rmsNorm } from '../layers.ts';
import { HEAD_NORMS, knowsDecoder } from './known-decoder.ts';
import { finalNorm, headLogits } from './text.ts';

/** Where a step finds and leaves what changes from token to token; all on the device. */
export interface StepState {
  /** The newest token of each row, int64. */
  readonly ids_R: Tensor;
  /** Place of each row's newest token among its keys, int64; moved on by the step. */
  readonly slots_R: Tensor;
  /** int32, moved on by `increments`: each row's place in the rotary table, and how many keys of each sequence count. */
  readonly counters: Tensor;
  readonly increments: Tensor;
  readonly places_R: Tensor;
  readonly used: Tensor;
  /** Cos and signed sin of every position to come, (positions, 2, E). */
  readonly rotary_P2E: Tensor;
  /** Keys, then values, of prompts and rows, one of each layer: (T, 2 K, E). */
  readonly keysValues: readonly Tensor[];
  /** Where each sequence begins among queries and keys, int32. */
  readonly queryStarts: Tensor;
  readonly keyStarts: Tensor;
  /** The most queries and keys of a sequence. */
  readonly most: { readonly queries: number; readonly keys: number };
}

/** A product and its adapter; weights are turned for `addmm`. */
interface Product {
  readonly weight: Tensor;
  readonly bias: Tensor | undefined;
  /** A (r, in), and B with its scale, (r, out). */
  readonly adapter: { readonly A: Tensor; readonly B: Tensor } | undefined;
}

interface Layer {
  readonly qkv: Product;
  readonly out: Product;
  readonly gateUp: Product;
  readonly down: Product;
}

export interface FlashDecoder {
  readonly layers: readonly Layer[];
  /** 0 and 1 for heads that are turned, 1 and 0 for values: (N, 1). */
  readonly isValue: Tensor;
  readonly isTurned: Tensor;
}

/**
 * The decoder of a model as it is now; undefined where it can't: on the processor, without flash attention (float32, old cards), weights of
 * another dtype than the computation's, and where there is more in a layer than it knows. The result belongs to the caller's scope.
 */
export function flashDecoder(
  params: ModelParams,
  config: TextConfig,
  device: string,
): FlashDecoder | undefined {
  if (device === 'cpu' || !knowsDecoder(params.weights.keys(), config)) return undefined;
  const { num_attention_heads: heads, num_key_value_heads: groups, head_dim: size } = config;
  const { dtype } = params;
  const ofDecoder = [...params.weights].filter(([name]) => !name.startsWith('visual.'));
  if (ofDecoder.some(([, stored]) => stored.dtype !== dtype)) return undefined;
  return scope('flashDecoder', () => {
    const sample = (count: number) => empty([1, count, 1, size], { dtype, device });
    if (!canPrefixFlash(sample(heads), sample(groups), sample(groups))) return undefined;
    const layers: Layer[] = [];
    for (let layer = 0; layer < config.num_hidden_layers; layer++) {
      const qkv = fusedProduct(params, layer, 'self_attn.qkv_proj');
      const gateUp = fusedProduct(params, layer, 'mlp.gate_up_proj');
      if (qkv === undefined || gateUp === undefined) return undefined;
      const single = (name: string) => product(params, [`model.layers.${layer}.${name}`]);
      layers.push({ qkv, gateUp, out: single('self_attn.o_proj'), down: single('mlp.down_proj') });
    }
    const column = (turned: number, values: number) =>
      cat(
        [turned, values].map((value, i) =>
          zeros([i === 0 ? heads + groups : groups, 1], { dtype, device }).fill_(value),
        ),
        0,
      );
    return { layers, isValue: column(0, 1), isTurned: column(1, 0) };
  });
}

function fusedProduct(
  params: ModelParams,
  layer: number,
  name: keyof typeof FUSED_MODULES,
): Product | undefined {
  const weight = fusedWeight(params, layer, name, 'weight');
  if (weight === undefined) return undefined;
  const modules = FUSED_MODULES[name].map((module) => `model.layers.${layer}.${module}`);
  const numBiases = modules.filter((module) => params.weights.has(`${module}.bias`)).length;
  const bias = fusedWeight(params, layer, name, 'bias');
  if (numBiases > 0 && bias === undefined) return undefined;
  // Handles of its own, which it may dispose.
  return { weight: weight.detach(), bias: bias?.detach(), adapter: adapterOf(params, modules) };
}

function product(params: ModelParams, modules: readonly [string]): Product {
  const [module] = modules;
  return {
    weight: params.weights.get(`${module}.weight`)!.t(),
    bias: undefined,
    adapter: adapterOf(params, modules),
  };
}

/** The adapters of modules that read the same input, as one: all A below each other, each B for the outputs of its own module. */
function adapterOf(params: ModelParams, modules: readonly string[]): Product['adapter'] {
  const { adapters, dtype, weights } = params;
  const pairs = modules.map((module) => adapters?.get(module));
  const found = pairs.filter((pair): pair is LowRankPair => pair !== undefined);
  if (found.length === 0) return undefined;
  const device = found[0]!.A.device;
  const A = cat(
    found.map((pair) => pair.A),
    0,
  ).to({ dtype });
  const blocks = pairs.map((pair, i) =>
    pair === undefined
      ? zeros([0, weights.get(`${modules[i]}.weight`)!.shape[0]!], { device })
      : pair.B.mul(pair.scale).t(),
  );
  const B = block_diag(blocks).to({ dtype });
  return { A, B };
}

/**
 * One token a row: moves the state on, stores the newest keys and values, and gives the logits (R, V), float32, of the next tokens. Asks
 * for nothing that a captured graph can't hold. Run inside `noGrad`.
 */
export function flashStep(
  decoder: FlashDecoder,
  params: ModelParams,
  config: TextConfig,
  state: StepState,
): Tensor {
  return scope('flashStep', () => {
    const { head_dim: size, num_attention_heads: heads, num_key_value_heads: groups, rms_norm_eps } = config;
    state.counters.add_(state.increments);
    state.slots_R.add_(1);
    const x_RD = embedding(params.weights.get('model.embed_tokens.weight')!, state.ids_R);
    const rows = x_RD.shape[0]!;
    const table = state.rotary_P2E.index_select(0, state.places_R);
    const cos_RNE = decoder.isValue.addcmul(table.narrow(1, 0, 1), decoder.isTurned);
    const sin_RNE = table.narrow(1, 1, 1).mul(decoder.isTurned);
    decoder.layers.forEach(({ qkv, out, gateUp, down }, layer) => {
      scope(() => {
        const name = `model.layers.${layer}`;
        const normed = rmsNorm(params, `${name}.input_layernorm`, x_RD, rms_norm_eps);
        const heads_RNE = normedHeads(
          params,
          config,
          layer,
          outputOf(qkv, normed).view([rows, heads + 2 * groups, size]),
        );
        const turned_2RNE = heads_RNE
          .mul(cos_RNE)
          .unsqueeze(0)
          .expand([2, -1, -1, -1])
          .addcmul(heads_RNE.roll([size / 2], [-1]), sin_RNE);
        const keysValues = state.keysValues[layer]!;
        keysValues.index_copy_(0, state.slots_R, turned_2RNE.select(0, 0).narrow(1, heads, 2 * groups));
        const attended = flashDecode(
          turned_2RNE.narrow(2, 0, heads).flatten(0, 1),
          keysValues.narrow(1, 0, groups),
          keysValues.narrow(1, groups, groups),
          state.queryStarts,
          state.keyStarts,
          state.used,
          state.most.queries,
          state.most.keys,
          size ** -0.5,
        );
        addOutput(x_RD, out, attended);
        const again = rmsNorm(params, `${name}.post_attention_layernorm`, x_RD, rms_norm_eps);
        const [gate, up] = outputOf(gateUp, again).chunk(2, 1) as [Tensor, Tensor];
        addOutput(x_RD, down, gate.silu().mul_(up));
      });
    });
    return headLogits(params, finalNorm(params, config, x_RD));
  });
}

/** The same heads with those of queries and keys normed, where the family does so. */
function normedHeads(params: ModelParams, config: TextConfig, layer: number, heads_RNE: Tensor): Tensor {
  if (!config.qk_norm) return heads_RNE;
  const { num_attention_heads: heads, num_key_value_heads: groups, rms_norm_eps } = config;
  const [queries, keys] = HEAD_NORMS.map((name, i) => {
    const part = heads_RNE.narrow(1, i === 0 ? 0 : heads, i === 0 ? heads : groups);
    return rmsNorm(params, `model.layers.${layer}.${name}`, part, rms_norm_eps);
  }) as [Tensor, Tensor];
  return cat([queries, keys, heads_RNE.narrow(1, heads + groups, groups)], 1);
}

/** x W^T + b, and the adapter's part. */
function outputOf({ weight, bias, adapter }: Product, x: Tensor): Tensor {
  const y = fastLinear(x, weight, bias);
  return adapter === undefined ? y : y.addmm_(fastLinear(x, adapter.A), adapter.B);
}

/** Adds x W^T to the sum, and the adapter's part. */
function addOutput(sum: Tensor, { weight, adapter }: Product, x: Tensor): void {
  sum.addmm_(x, weight);
  if (adapter !== undefined) sum.addmm_(fastLinear(x, adapter.A), adapter.B);
}
