/**
 * Every weight of Qwen3-VL with its shape, under the names that the program uses for all families; on disk the folders have
 * `model.visual.*` and `model.language_model.*`.
 *
 * Source: transformers 5.18 `models/qwen3_vl/modeling_qwen3_vl.py`.
 */
import type { ModelConfig } from '../config.ts';
import { decoderShapes, ShapeList, towerShapes } from '../qwen2_vl/weight-names.ts';
import { TOWER } from './vision.ts';

/** See `ModelFamily.weightShapes`. */
export function qwen3WeightShapes(config: ModelConfig): Map<string, readonly number[]> {
  const list = new ShapeList();
  const { vision_config: vision } = config;
  const width = vision.hidden_size;
  towerShapes(list, vision, TOWER);
  list.shapes.set('visual.patch_embed.proj.bias', [width]);
  list.shapes.set('visual.pos_embed.weight', [vision.num_position_embeddings!, width]);
  const merged = width * vision.spatial_merge_size ** 2;
  const merger = (name: string, normed: number) => {
    list.norm(`${name}.norm`, normed, true);
    list.linear(`${name}.linear_fc1`, merged, merged);
    list.linear(`${name}.linear_fc2`, vision.out_hidden_size, merged);
  };
  merger('visual.merger', width);
  vision.deepstack_visual_indexes.forEach((_, index) => {
    merger(`visual.deepstack_merger_list.${index}`, merged);
  });
  decoderShapes(list, config, { hasBias: false });
  return list.shapes;
}

/** See `VideoLanguageModel.isHidden`. */
export function isHidden(name: string): boolean {
  return !/embed_tokens|lm_head|patch_embed|pos_embed/.test(name);
}
