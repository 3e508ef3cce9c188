/**
 * The configuration of Qwen3-VL: always nested, with heads of a size of their own, a norm on queries and keys, rotary positions that
 * take time, height and width in turn, and a tower whose middle blocks reach into the decoder. Both styles on disk are read:
 * `rope_scaling` with `rope_theta` (transformers 4.57, the published folders), `rope_parameters` (transformers 5). What we write is the
 * published style.
 *
 * Source: transformers 4.57.3 and 5.18 `models/qwen3_vl/configuration_qwen3_vl.py`.
 */
import { z } from 'zod';
import { CheckpointError, checkJson, type Notice } from '../../base/index.ts';
import type { ModelConfig, VisionConfig } from '../config.ts';
import { parseConfig, show, type TextStyle, type TowerConfig, visionCommon } from '../qwen2_vl/config.ts';
import { positive, visionShared } from '../qwen2_vl/config-schema.ts';

const visionSchema = z.looseObject({
  ...visionShared,
  hidden_size: positive,
  intermediate_size: positive,
  out_hidden_size: positive,
  hidden_act: z.literal('gelu_pytorch_tanh').default('gelu_pytorch_tanh'),
  num_position_embeddings: positive,
  deepstack_visual_indexes: z.array(z.number().int().nonnegative()),
});

/** What the classes of transformers know and we do not: a model that has it would give other numbers. */
const ropeSchema = z
  .looseObject({
    mrope_interleaved: z.literal(true, 'the family has no other than interleaved sections').nullish(),
  })
  .nullish();
const limitsSchema = z.looseObject({
  text_config: z.looseObject({
    attention_bias: z.literal(false, 'biases in the attention are not supported').nullish(),
    rope_scaling: ropeSchema,
    rope_parameters: ropeSchema,
  }),
});

/** 5.18 fills a missing `rope_theta` with 500000, 4.57 with what the weights were trained with. */
const TEXT_STYLE: TextStyle = {
  defaults: {
    vocab_size: 151_936,
    hidden_size: 4096,
    intermediate_size: 22_016,
    num_hidden_layers: 32,
    num_attention_heads: 32,
    num_key_value_heads: 32,
    head_dim: 128,
    max_position_embeddings: 128_000,
    rms_norm_eps: 1e-6,
  },
  rope: { rope_theta: 5_000_000, mrope_section: [24, 20, 20] },
  statesHeadDim: true,
  mrope_interleaved: true,
  qk_norm: true,
};

const TOWER_CONFIG: TowerConfig = {
  model_type: 'qwen3_vl',
  architecture: 'Qwen3VLForConditionalGeneration',
  text: TEXT_STYLE,
  outWidthKey: 'out_hidden_size',
  defaults: {
    depth: 27,
    hidden_size: 1152,
    intermediate_size: 4304,
    num_heads: 16,
    in_channels: 3,
    patch_size: 16,
    spatial_merge_size: 2,
    temporal_patch_size: 2,
    out_hidden_size: 3584,
    num_position_embeddings: 2304,
    deepstack_visual_indexes: [8, 16, 24],
  },
  parse: (found, file) => toVision(checkJson(visionSchema, found, file, ['vision_config']), file),
  toJson: (vision) => ({
    hidden_size: vision.hidden_size,
    intermediate_size: vision.intermediate_size,
    out_hidden_size: vision.out_hidden_size,
    num_position_embeddings: vision.num_position_embeddings,
    deepstack_visual_indexes: [...vision.deepstack_visual_indexes],
  }),
};

/** A parsed `config.json` as a config. @throws CheckpointError naming file and key */
export function parseQwen3Config(raw: unknown, file: string, notice: Notice): ModelConfig {
  checkJson(limitsSchema, raw, file, []);
  return parseConfig(raw, file, TOWER_CONFIG, notice);
}

function toVision(raw: z.output<typeof visionSchema>, file: string): VisionConfig {
  const at = (key: string) => `${file}: vision_config.${key}`;
  const { deepstack_visual_indexes: taken, num_position_embeddings: rows, depth } = raw;
  const wrong = taken.filter((index, place) => index >= depth || taken.indexOf(index) !== place);
  if (wrong.length > 0) {
    throw new CheckpointError(
      `${at('deepstack_visual_indexes')} ${show(taken)}: ${show(wrong)} lie beyond the last block, ${depth - 1}, or stand twice`,
    );
  }
  if (!Number.isInteger(Math.sqrt(rows)))
    throw new CheckpointError(`${at('num_position_embeddings')} ${rows} is no square number`);
  return {
    ...visionCommon(raw, file),
    hidden_size: raw.hidden_size,
    intermediate_size: raw.intermediate_size,
    out_hidden_size: raw.out_hidden_size,
    hidden_act: raw.hidden_act,
    window_size: undefined,
    fullatt_block_indexes: Array.from({ length: depth }, (_, index) => index),
    tokens_per_second: undefined,
    num_position_embeddings: rows,
    deepstack_visual_indexes: taken,
  };
}

/** The content of `config.json`; `parseQwen3Config` gives the same config back. */
export function writeQwen3Config(config: ModelConfig): Record<string, unknown> {
  const { text_config: text, vision_config: vision, eos_token_ids: eos } = config;
  const dtype = config.dtype === undefined ? {} : { dtype: config.dtype };
  return {
    architectures: [TOWER_CONFIG.architecture],
    ...dtype,
    image_token_id: config.image_token_id,
    model_type: config.model_type,
    text_config: {
      attention_bias: false,
      attention_dropout: 0,
      ...(config.bos_token_id === undefined ? {} : { bos_token_id: config.bos_token_id }),
      ...dtype,
      ...(eos.length === 0 ? {} : { eos_token_id: eos.length === 1 ? eos[0] : [...eos] }),
      head_dim: text.head_dim,
      hidden_act: text.hidden_act,
      hidden_size: text.hidden_size,
      intermediate_size: text.intermediate_size,
      max_position_embeddings: text.max_position_embeddings,
      model_type: 'qwen3_vl_text',
      num_attention_heads: text.num_attention_heads,
      num_hidden_layers: text.num_hidden_layers,
      num_key_value_heads: text.num_key_value_heads,
      rms_norm_eps: text.rms_norm_eps,
      rope_scaling: {
        mrope_interleaved: true,
        mrope_section: [...text.mrope_section],
        rope_type: 'default',
      },
      rope_theta: text.rope_theta,
      tie_word_embeddings: config.tie_word_embeddings,
      use_cache: true,
      vocab_size: text.vocab_size,
    },
    tie_word_embeddings: config.tie_word_embeddings,
    video_token_id: config.video_token_id,
    vision_config: {
      depth: vision.depth,
      hidden_act: vision.hidden_act,
      ...TOWER_CONFIG.toJson(vision),
      in_channels: vision.in_channels,
      model_type: config.model_type,
      num_heads: vision.num_heads,
      patch_size: vision.patch_size,
      spatial_merge_size: vision.spatial_merge_size,
      temporal_patch_size: vision.temporal_patch_size,
    },
    vision_end_token_id: config.vision_end_token_id,
    vision_start_token_id: config.vision_start_token_id,
  };
}
