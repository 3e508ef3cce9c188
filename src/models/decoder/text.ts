/**
 * The decoder. One layer function serves every use of it; the uses differ only in which token attends to which, and that is
 * the `attend` function they pass in: a prompt alone (`causalAttention`), a prompt with the continuations that share it
 * (`forward.ts`), or one new token a row against caches (`kv-cache.ts`).
 *
 * Tokens lie packed in one axis, without padding: a prompt, or a prompt followed by its continuations one after another.
 *
 * Shapes: N tokens, M of them asking (the last ones), D hidden, H query heads, K key/value heads, E head size.
 *
 * Source: transformers 5.18 `modeling_qwen2_5_vl.py` `Qwen2_5_VLDecoderLayer`, `Qwen2_5_VLTextModel`; `modeling_qwen3_vl.py`
 * `Qwen3VLTextAttention` for the norms of queries and keys.
 */
import { fastLinear, scaled_dot_product_attention, scope, type Tensor } from '../../tensor/index.ts';
import type { TextConfig } from '../config.ts';
import { linear, type ModelParams, rmsNorm, swiglu, weight } from '../layers.ts';
import { applyRotary, narrowRotary, type Rotary } from './rope.ts';

/** Attention of queries (M, H, E) of the last M tokens over keys and values (N, K, E) of all tokens; returns (M, H, E). */
export type Attend = (q_MHE: Tensor, k_NKE: Tensor, v_NKE: Tensor) => Tensor;

/**
 * One decoder layer on packed tokens.
 *
 * @param askFrom Tokens before this one serve as keys and values only and are not returned; in the last layer nobody
 *   reads most of a prompt's outputs, so its queries and its MLP need not be computed.
 * @returns (N - askFrom, D).
 */
export function decoderLayer(
  params: ModelParams,
  config: TextConfig,
  layer: number,
  x_ND: Tensor,
  rotary: Rotary,
  attend: Attend,
  askFrom = 0,
): Tensor {
  const name = `model.layers.${layer}`;
  const { head_dim, rms_norm_eps } = config;
  const total = x_ND.shape[0]!;
  const asking = total - askFrom;
  const last = (t: Tensor) => (askFrom === 0 ? t : t.narrow(0, askFrom, asking));
  const lastRotary = askFrom === 0 ? rotary : narrowRotary(rotary, askFrom, asking);

  const normed = rmsNorm(params, `${name}.input_layernorm`, x_ND, rms_norm_eps);
  const headNorm = (which: 'q' | 'k', x: Tensor) =>
    config.qk_norm ? rmsNorm(params, `${name}.self_attn.${which}_norm`, x, rms_norm_eps) : x;
  const q = headNorm(
    'q',
    linear(params, `${name}.self_attn.q_proj`, last(normed)).view([asking, -1, head_dim]),
  );
  const k = headNorm('k', linear(params, `${name}.self_attn.k_proj`, normed).view([total, -1, head_dim]));
  const v = linear(params, `${name}.self_attn.v_proj`, normed).view([total, -1, head_dim]);
  const attended = attend(applyRotary(q, lastRotary), applyRotary(k, rotary), v).reshape([asking, -1]);
  const h = last(x_ND).add(linear(params, `${name}.self_attn.o_proj`, attended));
  return h.add(
    swiglu(params, `${name}.mlp`, rmsNorm(params, `${name}.post_attention_layernorm`, h, rms_norm_eps)),
  );
}

/** All layers; `attendIn(layer)` gives each its attention. Not yet normed; `askFrom` applies to the last layer. */
export function decoderLayers(
  params: ModelParams,
  config: TextConfig,
  x_ND: Tensor,
  rotary: Rotary,
  attendIn: (layer: number) => Attend,
  askFrom = 0,
): Tensor {
  const last = config.num_hidden_layers - 1;
  let x = x_ND;
  for (let layer = 0; layer <= last; layer++) {
    const input = x;
    x = scope(() =>
      decoderLayer(params, config, layer, input, rotary, attendIn(layer), layer === last ? askFrom : 0),
    );
    if (layer > 0) input.dispose();
  }
  return x;
}

/** The norm after the last layer. */
export function finalNorm(params: ModelParams, config: TextConfig, x_ND: Tensor): Tensor {
  return rmsNorm(params, 'model.norm', x_ND, config.rms_norm_eps);
}

/** The head's weight: its own, or the embedding it is tied to. */
export function headName(weights: ReadonlyMap<string, Tensor>): string {
  return weights.has('lm_head.weight') ? 'lm_head.weight' : 'model.embed_tokens.weight';
}

/** (..., D) hidden states after the final norm to float32 logits (..., V). */
export function headLogits(params: ModelParams, hidden: Tensor): Tensor {
  return fastLinear(hidden, weight(params, headName(params.weights))).to({ dtype: 'float32' });
}

/** One sequence: each token sees itself and those before. With fewer queries than keys, the queries are the last ones. */
export function causalAttention(q_MHE: Tensor, k_NKE: Tensor, v_NKE: Tensor): Tensor {
  const [asking, total] = [q_MHE.shape[0]!, k_NKE.shape[0]!];
  if (asking !== total && asking !== 1)
    throw new Error('internal: causal attention needs all queries, or the last one');
  const [q, k, v] = [q_MHE, k_NKE, v_NKE].map(headsFirst) as [Tensor, Tensor, Tensor];
  const isCausal = asking === total;
  const out = scaled_dot_product_attention(q, k, v, undefined, 0, isCausal, { enable_gqa: true });
  return out.select(0, 0).transpose(0, 1);
}

/** (N, H, E) to (1, H, N, E). */
export function headsFirst(x_NHE: Tensor): Tensor {
  return x_NHE.transpose(0, 1).unsqueeze(0);
}
