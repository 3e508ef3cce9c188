/**
 * What the fast decoders know: the weights and settings of one decoder layer, named one by one. A model that has more of either is
 * another model, and is left to the layers made of single operators.
 */
import type { TextConfig } from '../config.ts';

/** Norms of query and key heads. */
export const HEAD_NORMS = ['self_attn.q_norm', 'self_attn.k_norm'] as const;
/** Weights of a layer; biases and norms of heads may be missing. */
const LAYER_WEIGHTS = new Set([
  'input_layernorm.weight',
  'post_attention_layernorm.weight',
  ...['q_proj', 'k_proj', 'v_proj'].flatMap((name) => [`self_attn.${name}.weight`, `self_attn.${name}.bias`]),
  ...HEAD_NORMS.map((name) => `${name}.weight`),
  'self_attn.o_proj.weight',
  ...['gate_proj', 'up_proj', 'down_proj'].map((name) => `mlp.${name}.weight`),
]);
const OTHER_WEIGHTS = new Set(['model.embed_tokens.weight', 'model.norm.weight', 'lm_head.weight']);
/** Settings that are followed, or that only the rotary tables depend on. */
const SETTINGS: ReadonlySet<string> = new Set<keyof TextConfig>([
  'vocab_size',
  'hidden_size',
  'intermediate_size',
  'num_hidden_layers',
  'num_attention_heads',
  'num_key_value_heads',
  'head_dim',
  'hidden_act',
  'max_position_embeddings',
  'rms_norm_eps',
  'rope_theta',
  'mrope_section',
  'mrope_interleaved',
  'qk_norm',
]);

/** True when every setting and every weight outside of the vision tower is one of these. */
export function knowsDecoder(stored: Iterable<string>, config: TextConfig): boolean {
  const names = [...stored];
  const isKnown = (name: string) =>
    name.startsWith('visual.') ||
    OTHER_WEIGHTS.has(name) ||
    LAYER_WEIGHTS.has(/^model\.layers\.\d+\.(.*)$/.exec(name)?.[1] ?? '');
  const hasHeadNorms = names.some((name) => HEAD_NORMS.some((norm) => name.includes(`.${norm}.`)));
  return (
    config.qk_norm === hasHeadNorms &&
    names.every(isKnown) &&
    Object.keys(config).every((key) => SETTINGS.has(key))
  );
}
