/**
 * Every weight a configuration implies, by its published name, with its shape; and the other key layout of the family: the published folders' names are
 * ours, transformers 5 and PEFT use newer ones.
 *
 * Source: transformers `models/qwen2_5_vl/modeling_qwen2_5_vl.py`, `models/qwen2_vl/modeling_qwen2_vl.py`.
 */
import type { ModelConfig, VisionConfig } from '../config.ts';
import type { TowerStyle } from './vision.ts';

/** Names and shapes, gathered layer by layer. */
export class ShapeList {
  readonly shapes = new Map<string, readonly number[]>();

  linear(name: string, out: number, into: number, bias = true): void {
    this.shapes.set(`${name}.weight`, [out, into]);
    if (bias) this.shapes.set(`${name}.bias`, [out]);
  }

  norm(name: string, width: number, bias: boolean): void {
    this.shapes.set(`${name}.weight`, [width]);
    if (bias) this.shapes.set(`${name}.bias`, [width]);
  }
}

/** Published names and shapes, tower first. `lm_head.weight` is absent where the embeddings are tied. */
export function weightShapes(config: ModelConfig, tower: TowerStyle): Map<string, readonly number[]> {
  const list = new ShapeList();
  const { vision_config: vision } = config;
  const width = vision.hidden_size;
  towerShapes(list, vision, tower);
  const merged = width * vision.spatial_merge_size ** 2;
  list.norm('visual.merger.ln_q', width, tower.hasNormBias);
  list.linear('visual.merger.mlp.0', merged, merged);
  list.linear('visual.merger.mlp.2', vision.out_hidden_size, merged);
  decoderShapes(list, config, { hasBias: true });
  return list.shapes;
}

/** The patch embedding and the blocks of a tower. */
export function towerShapes(list: ShapeList, vision: VisionConfig, tower: TowerStyle): void {
  const { hidden_size: width, in_channels, temporal_patch_size, patch_size } = vision;
  list.shapes.set('visual.patch_embed.proj.weight', [
    width,
    in_channels,
    temporal_patch_size,
    patch_size,
    patch_size,
  ]);
  for (let i = 0; i < vision.depth; i++) {
    const block = `visual.blocks.${i}`;
    list.norm(`${block}.norm1`, width, tower.hasNormBias);
    list.norm(`${block}.norm2`, width, tower.hasNormBias);
    list.linear(`${block}.attn.qkv`, 3 * width, width);
    list.linear(`${block}.attn.proj`, width, width);
    const { widen, narrow } = tower.mlpLayers;
    for (const name of widen) list.linear(`${block}.mlp.${name}`, vision.intermediate_size, width);
    list.linear(`${block}.mlp.${narrow}`, width, vision.intermediate_size);
  }
}

/**
 * Embedding, decoder layers and head.
 * @param options.hasBias true where queries, keys and values have a bias
 */
export function decoderShapes(
  list: ShapeList,
  { text_config: text, tie_word_embeddings }: ModelConfig,
  { hasBias }: { readonly hasBias: boolean },
): void {
  const { hidden_size: hidden, head_dim } = text;
  list.shapes.set('model.embed_tokens.weight', [text.vocab_size, hidden]);
  for (let i = 0; i < text.num_hidden_layers; i++) {
    const layer = `model.layers.${i}`;
    list.norm(`${layer}.input_layernorm`, hidden, false);
    list.norm(`${layer}.post_attention_layernorm`, hidden, false);
    list.linear(`${layer}.self_attn.q_proj`, text.num_attention_heads * head_dim, hidden, hasBias);
    list.linear(`${layer}.self_attn.k_proj`, text.num_key_value_heads * head_dim, hidden, hasBias);
    list.linear(`${layer}.self_attn.v_proj`, text.num_key_value_heads * head_dim, hidden, hasBias);
    list.linear(`${layer}.self_attn.o_proj`, hidden, text.num_attention_heads * head_dim, false);
    list.linear(`${layer}.mlp.gate_proj`, text.intermediate_size, hidden, false);
    list.linear(`${layer}.mlp.up_proj`, text.intermediate_size, hidden, false);
    list.linear(`${layer}.mlp.down_proj`, hidden, text.intermediate_size, false);
    if (text.qk_norm)
      for (const norm of ['q_norm', 'k_norm']) list.norm(`${layer}.self_attn.${norm}`, head_dim, false);
  }
  list.norm('model.norm', hidden, false);
  if (!tie_word_embeddings) list.shapes.set('lm_head.weight', [text.vocab_size, hidden]);
}

/** The published name of a key of either layout (`model.visual.*`, `model.language_model.*` are the newer one). */
export function publishedName(key: string): string {
  if (key.startsWith('model.visual.')) return key.slice('model.'.length);
  if (key.startsWith('model.language_model.')) return `model.${key.slice('model.language_model.'.length)}`;
  return key;
}

/** See `VideoLanguageModel.isHidden`. */
export function isHidden(name: string): boolean {
  return !/embed_tokens|lm_head|patch_embed/.test(name);
}

/** A published module name as transformers 5 calls it, and so PEFT. */
export function transformersName(module: string): string {
  if (module.startsWith('visual.')) return `model.${module}`;
  if (module.startsWith('model.')) return `model.language_model.${module.slice('model.'.length)}`;
  return module;
}
