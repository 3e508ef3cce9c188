/**
 * What Qwen2.5-VL's tower adds to the configuration of Qwen2-VL: windows, a gated MLP of its own width, true time.
 *
 * Source: transformers `models/qwen2_5_vl/configuration_qwen2_5_vl.py`.
 */
import { z } from 'zod';
import { CheckpointError, checkJson } from '../../base/index.ts';
import type { VisionConfig } from '../config.ts';
import { PLAIN_TOWER, show, TEXT_STYLE, type TowerConfig, visionCommon } from '../qwen2_vl/config.ts';
import { positive, visionShared } from '../qwen2_vl/config-schema.ts';

const visionSchema = z.looseObject({
  ...visionShared,
  hidden_size: positive,
  intermediate_size: positive,
  out_hidden_size: positive,
  hidden_act: z.literal('silu').default('silu'),
  window_size: positive,
  fullatt_block_indexes: z.array(z.number().int().nonnegative()),
  tokens_per_second: z.number().positive(),
});

export const TOWER_CONFIG: TowerConfig = {
  model_type: 'qwen2_5_vl',
  architecture: 'Qwen2_5_VLForConditionalGeneration',
  text: TEXT_STYLE,
  outWidthKey: 'out_hidden_size',
  defaults: {
    depth: 32,
    hidden_size: 3584,
    intermediate_size: 3420,
    num_heads: 16,
    in_channels: 3,
    patch_size: 14,
    spatial_merge_size: 2,
    temporal_patch_size: 2,
    tokens_per_second: 4,
    window_size: 112,
    out_hidden_size: 3584,
    fullatt_block_indexes: [7, 15, 23, 31],
  },
  parse: (found, file) => toVision(checkJson(visionSchema, found, file, ['vision_config']), file),
  toJson: (vision) => ({
    hidden_size: vision.hidden_size,
    intermediate_size: vision.intermediate_size,
    out_hidden_size: vision.out_hidden_size,
    window_size: vision.window_size,
    fullatt_block_indexes: [...vision.fullatt_block_indexes],
    tokens_per_second: vision.tokens_per_second,
  }),
};

function toVision(raw: z.output<typeof visionSchema>, file: string): VisionConfig {
  const unit = raw.patch_size * raw.spatial_merge_size;
  if (raw.window_size % unit !== 0) {
    throw new CheckpointError(
      `${file}: vision_config.window_size ${raw.window_size} is not a multiple of patch_size * spatial_merge_size = ${unit}`,
    );
  }
  const outside = raw.fullatt_block_indexes.filter((index) => index >= raw.depth);
  if (outside.length > 0) {
    throw new CheckpointError(
      `${file}: vision_config.fullatt_block_indexes ${show(outside)} lie beyond the last block, ${raw.depth - 1}`,
    );
  }
  return {
    ...visionCommon(raw, file),
    ...PLAIN_TOWER,
    hidden_size: raw.hidden_size,
    intermediate_size: raw.intermediate_size,
    out_hidden_size: raw.out_hidden_size,
    hidden_act: raw.hidden_act,
    window_size: raw.window_size,
    fullatt_block_indexes: raw.fullatt_block_indexes,
    tokens_per_second: raw.tokens_per_second,
  };
}
