/**
 * The configuration of Qwen2-VL, and the way from `config.json` to it that its successors share. Both styles on disk are read: the
 * flat one of the published folders (`rope_scaling`, `rope_theta`, text keys at the top) and the nested one of transformers 5
 * (`text_config`, `rope_parameters`). What we write is the published style. Keys we do not know are tolerated; keys we need are
 * required: a guessed default would silently be another model.
 *
 * Source: transformers `models/qwen2_vl/configuration_qwen2_vl.py`.
 */
import type { z } from 'zod';
import { CheckpointError, checkJson } from '../../base/index.ts';
import type { ModelConfig, StoredDType, TextConfig, VisionConfig } from '../config.ts';
import { rootSchema, textSchema, visionSchema, type visionShared } from './config-schema.ts';

/** Text keys that must agree where a file gives them both at the top and inside `text_config`. */
const TEXT_KEYS = [
  'vocab_size',
  'hidden_size',
  'intermediate_size',
  'num_hidden_layers',
  'num_attention_heads',
  'num_key_value_heads',
  'rms_norm_eps',
  'rope_theta',
] as const;

/** Qwen2-VL's own spelling: `embed_dim` for the tower's width, `hidden_size` for the output width, `mlp_ratio`. */
export const TOWER_CONFIG: TowerConfig = {
  model_type: 'qwen2_vl',
  architecture: 'Qwen2VLForConditionalGeneration',
  outWidthKey: 'hidden_size',
  parse: (found, file) => toVision(checkJson(visionSchema, found, file, ['vision_config']), file),
  toJson: (vision) => ({
    embed_dim: vision.hidden_size,
    mlp_ratio: vision.intermediate_size / vision.hidden_size,
    hidden_size: vision.out_hidden_size,
  }),
};

/** The keys of one kind of tower beside those that all share, and the way from them to `VisionConfig`. */
export interface TowerConfig {
  readonly model_type: string;
  /** Class of transformers that `config.json` names. */
  readonly architecture: string;
  /** Key of the width after the merger. */
  readonly outWidthKey: string;
  /** Read `vision_config`. @throws CheckpointError naming file and key */
  parse(raw: unknown, file: string): VisionConfig;
  /** The keys of `vision_config` that only this tower has, as it writes them. */
  toJson(vision: VisionConfig): Record<string, unknown>;
}

/** A parsed `config.json` as a config, its tower read by `tower`. @throws CheckpointError naming file and key */
export function parseConfig(raw: unknown, file: string, tower: TowerConfig): ModelConfig {
  const root = checkJson(rootSchema, raw, file, []);
  const isNested = root.text_config !== undefined && root.text_config !== null;
  const flat = raw as Record<string, unknown>;
  if (isNested) {
    for (const key of TEXT_KEYS) {
      const top = flat[key];
      const nested = root.text_config?.[key];
      if (top !== undefined && nested !== undefined && top !== nested) {
        throw new CheckpointError(
          `${file}: ${key} is ${show(top)}, but text_config.${key} is ${show(nested)}`,
          {
            hint: 'Keep the value the weights were made with, in one of the two places.',
          },
        );
      }
    }
  }
  const textPath = isNested ? ['text_config'] : [];
  const text_config = toTextConfig(
    checkJson(textSchema, isNested ? root.text_config : flat, file, textPath),
    file,
    textPath,
  );
  const rawText = (isNested ? root.text_config : flat) as z.infer<typeof textSchema>;
  const vision_config = tower.parse(root.vision_config, file);
  const eos = (flat['eos_token_id'] ?? rawText.eos_token_id ?? []) as number | number[];
  const bos = (flat['bos_token_id'] ?? rawText.bos_token_id ?? undefined) as number | undefined;
  const config: ModelConfig = {
    model_type: tower.model_type,
    text_config,
    vision_config,
    pixel_unit: vision_config.patch_size * vision_config.spatial_merge_size,
    image_token_id: root.image_token_id,
    video_token_id: root.video_token_id,
    vision_start_token_id: root.vision_start_token_id,
    vision_end_token_id: root.vision_end_token_id,
    bos_token_id: bos,
    eos_token_ids: typeof eos === 'number' ? [eos] : eos,
    // transformers before 5 put the flag inside text_config; either place counts, as in transformers 5.
    tie_word_embeddings: root.tie_word_embeddings === true || rawText.tie_word_embeddings === true,
    dtype: toStoredDType(root.dtype ?? root.torch_dtype ?? undefined, file),
  };
  checkTogether(config, file, tower.outWidthKey);
  return config;
}

/** The content of `config.json` in the published (flat) style; `parseConfig` gives the same config back. */
export function writeConfig(config: ModelConfig, tower: TowerConfig): Record<string, unknown> {
  const { text_config: text, vision_config: vision } = config;
  return {
    architectures: [tower.architecture],
    attention_dropout: 0,
    ...(config.bos_token_id === undefined ? {} : { bos_token_id: config.bos_token_id }),
    ...(config.eos_token_ids.length === 0
      ? {}
      : {
          eos_token_id:
            config.eos_token_ids.length === 1 ? config.eos_token_ids[0] : [...config.eos_token_ids],
        }),
    hidden_act: text.hidden_act,
    hidden_size: text.hidden_size,
    image_token_id: config.image_token_id,
    intermediate_size: text.intermediate_size,
    max_position_embeddings: text.max_position_embeddings,
    model_type: config.model_type,
    num_attention_heads: text.num_attention_heads,
    num_hidden_layers: text.num_hidden_layers,
    num_key_value_heads: text.num_key_value_heads,
    rms_norm_eps: text.rms_norm_eps,
    rope_scaling: { mrope_section: [...text.mrope_section], type: 'mrope' },
    rope_theta: text.rope_theta,
    tie_word_embeddings: config.tie_word_embeddings,
    ...(config.dtype === undefined ? {} : { torch_dtype: config.dtype }),
    use_cache: true,
    use_sliding_window: false,
    video_token_id: config.video_token_id,
    vision_config: {
      depth: vision.depth,
      hidden_act: vision.hidden_act,
      ...tower.toJson(vision),
      in_chans: vision.in_channels,
      model_type: config.model_type,
      num_heads: vision.num_heads,
      patch_size: vision.patch_size,
      spatial_merge_size: vision.spatial_merge_size,
      spatial_patch_size: vision.patch_size,
      temporal_patch_size: vision.temporal_patch_size,
    },
    vision_end_token_id: config.vision_end_token_id,
    vision_start_token_id: config.vision_start_token_id,
    vocab_size: text.vocab_size,
  };
}

function toTextConfig(raw: z.output<typeof textSchema>, file: string, path: readonly string[]): TextConfig {
  const at = (key: string) => `${file}: ${[...path, key].join('.')}`;
  const ropeKey = raw.rope_parameters ? 'rope_parameters' : 'rope_scaling';
  const rope = raw.rope_parameters ?? raw.rope_scaling;
  if (!rope)
    throw new CheckpointError(
      `${at('rope_scaling')}: missing; expected {type: "mrope", mrope_section: [t, h, w]}`,
    );
  for (const key of ['type', 'rope_type'] as const) {
    const type = rope[key];
    if (type !== undefined && type !== 'mrope' && type !== 'default') {
      throw new CheckpointError(`${at(`${ropeKey}.${key}`)} is ${show(type)}; supported: "mrope", "default"`);
    }
  }
  const rope_theta = rope.rope_theta ?? raw.rope_theta;
  if (rope_theta === undefined) throw new CheckpointError(`${at('rope_theta')}: missing`);
  if (raw.rope_theta !== undefined && raw.rope_theta !== rope_theta) {
    throw new CheckpointError(
      `${at('rope_theta')} is ${raw.rope_theta}, but ${ropeKey}.rope_theta is ${rope.rope_theta}`,
    );
  }
  const { hidden_size, num_attention_heads: heads, num_key_value_heads: kvHeads } = raw;
  if (hidden_size % heads !== 0) {
    throw new CheckpointError(
      `${at('hidden_size')} ${hidden_size} is not a multiple of num_attention_heads ${heads}`,
    );
  }
  const head_dim = hidden_size / heads;
  if (raw.head_dim != null && raw.head_dim !== head_dim) {
    throw new CheckpointError(
      `${at('head_dim')} is ${raw.head_dim}, but hidden_size / num_attention_heads is ${head_dim}`,
    );
  }
  if (heads % kvHeads !== 0) {
    throw new CheckpointError(
      `${at('num_attention_heads')} ${heads} is not a multiple of num_key_value_heads ${kvHeads}`,
    );
  }
  const pairs = rope.mrope_section.reduce((a, b) => a + b, 0);
  if (pairs * 2 !== head_dim) {
    throw new CheckpointError(
      `${at(`${ropeKey}.mrope_section`)} ${show(rope.mrope_section)} sums to ${pairs}; expected half the head size, ${head_dim / 2}`,
    );
  }
  return {
    vocab_size: raw.vocab_size,
    hidden_size,
    intermediate_size: raw.intermediate_size,
    num_hidden_layers: raw.num_hidden_layers,
    num_attention_heads: heads,
    num_key_value_heads: kvHeads,
    head_dim,
    hidden_act: raw.hidden_act,
    max_position_embeddings: raw.max_position_embeddings,
    rms_norm_eps: raw.rms_norm_eps,
    rope_theta,
    mrope_section: rope.mrope_section,
  };
}

/** The settings that all towers share: channel and patch keys under their two spellings. */
export function visionCommon(raw: z.output<z.ZodObject<typeof visionShared>>, file: string) {
  const { in_channels, in_chans, patch_size, spatial_patch_size } = raw;
  if (in_channels !== undefined && in_chans !== undefined && in_channels !== in_chans) {
    throw new CheckpointError(
      `${file}: vision_config.in_channels is ${in_channels}, but in_chans is ${in_chans}`,
    );
  }
  if (spatial_patch_size !== undefined && spatial_patch_size !== patch_size) {
    throw new CheckpointError(
      `${file}: vision_config.patch_size is ${patch_size}, but spatial_patch_size is ${spatial_patch_size}`,
    );
  }
  return {
    depth: raw.depth,
    num_heads: raw.num_heads,
    in_channels: in_channels ?? in_chans ?? 3,
    patch_size,
    spatial_merge_size: raw.spatial_merge_size,
    temporal_patch_size: raw.temporal_patch_size,
  };
}

function toVision(raw: z.output<typeof visionSchema>, file: string): VisionConfig {
  return {
    ...visionCommon(raw, file),
    hidden_size: raw.embed_dim,
    intermediate_size: Math.trunc(raw.embed_dim * raw.mlp_ratio),
    out_hidden_size: raw.hidden_size,
    hidden_act: raw.hidden_act,
    window_size: undefined,
    fullatt_block_indexes: Array.from({ length: raw.depth }, (_, index) => index),
    tokens_per_second: undefined,
  };
}

function toStoredDType(name: string | undefined, file: string): StoredDType | undefined {
  if (name === undefined) return undefined;
  const bare = name.replace(/^torch\./, '');
  if (bare === 'float32' || bare === 'bfloat16' || bare === 'float16') return bare;
  throw new CheckpointError(`${file}: dtype is ${show(name)}; supported: "float32", "bfloat16", "float16"`);
}

function checkTogether(config: ModelConfig, file: string, outWidthKey: string): void {
  const { vision_config: vision, text_config: text } = config;
  if (vision.out_hidden_size !== text.hidden_size) {
    throw new CheckpointError(
      `${file}: vision_config.${outWidthKey} is ${vision.out_hidden_size}, but the text model's hidden_size is ${text.hidden_size}`,
    );
  }
  if (vision.hidden_size % vision.num_heads !== 0 || (vision.hidden_size / vision.num_heads) % 4 !== 0) {
    throw new CheckpointError(
      `${file}: vision_config.num_heads ${vision.num_heads} does not split the tower's width ${vision.hidden_size} into heads whose size is a multiple of 4`,
    );
  }
  const ids = {
    image_token_id: config.image_token_id,
    video_token_id: config.video_token_id,
    vision_start_token_id: config.vision_start_token_id,
    vision_end_token_id: config.vision_end_token_id,
  };
  const seen = new Map<number, string>();
  for (const [key, id] of Object.entries(ids)) {
    if (id >= text.vocab_size) {
      throw new CheckpointError(`${file}: ${key} ${id} lies outside the vocabulary of ${text.vocab_size}`);
    }
    const other = seen.get(id);
    if (other !== undefined) throw new CheckpointError(`${file}: ${key} and ${other} are both ${id}`);
    seen.set(id, key);
  }
}

export function show(value: unknown): string {
  return JSON.stringify(value);
}
