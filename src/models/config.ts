/**
 * The configuration of a Qwen2-VL / Qwen2.5-VL folder: `config.json` and `generation_config.json`, checked once and
 * brought to one form. Both styles on disk are read: the flat one of the published folders (`rope_scaling`,
 * `rope_theta`, text keys at the top) and the nested one of transformers 5 (`text_config`, `rope_parameters`).
 * What we write is the published style. Keys we do not know are tolerated; keys we need are required: a guessed default
 * would silently be another model.
 *
 * Source: transformers `models/qwen2_5_vl/configuration_qwen2_5_vl.py`, `models/qwen2_vl/configuration_qwen2_vl.py`.
 */
import { join } from 'node:path';
import type { z } from 'zod';
import { CheckpointError, checkJson, readJsonFile } from '../base/index.ts';
import { generationSchema, rootSchema, textSchema, vision2Schema, vision25Schema } from './config-schema.ts';

export type ModelType = 'qwen2_vl' | 'qwen2_5_vl';

/** The decoder. Names as in Hugging Face's `text_config`. */
export interface TextConfig {
  readonly vocab_size: number;
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly num_key_value_heads: number;
  /** `hidden_size / num_attention_heads`. */
  readonly head_dim: number;
  readonly hidden_act: 'silu';
  readonly max_position_embeddings: number;
  readonly rms_norm_eps: number;
  readonly rope_theta: number;
  /** How many frequency pairs turn with time, height and width; the sum is `head_dim / 2`. */
  readonly mrope_section: readonly [number, number, number];
}

/**
 * The vision tower. Names as in Qwen2.5-VL; Qwen2-VL's own spelling (`embed_dim` for the width, `hidden_size` for the
 * output width, `mlp_ratio`) is translated on reading and on writing.
 */
export interface VisionConfig {
  readonly depth: number;
  /** Width of the tower (Qwen2-VL calls it `embed_dim`). */
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_heads: number;
  readonly in_channels: number;
  /** Width after the merger, equal to the decoder's `hidden_size`. */
  readonly out_hidden_size: number;
  readonly patch_size: number;
  readonly spatial_merge_size: number;
  readonly temporal_patch_size: number;
  readonly hidden_act: 'silu' | 'quick_gelu';
  /** Side of an attention window in pixels; undefined for Qwen2-VL, whose blocks all attend over a whole slice. */
  readonly window_size: number | undefined;
  /** Blocks that attend over a whole temporal slice. Every block for Qwen2-VL. */
  readonly fullatt_block_indexes: readonly number[];
  /** Temporal positions in a second of video; undefined for Qwen2-VL, which counts slices. */
  readonly tokens_per_second: number | undefined;
}

export type StoredDType = 'float32' | 'bfloat16' | 'float16';

export interface ModelConfig {
  readonly model_type: ModelType;
  readonly text_config: TextConfig;
  readonly vision_config: VisionConfig;
  /** Pixels along one side of a merged patch, `patch_size * spatial_merge_size`: sides of frames are multiples of it. */
  readonly pixel_unit: number;
  readonly image_token_id: number;
  readonly video_token_id: number;
  readonly vision_start_token_id: number;
  readonly vision_end_token_id: number;
  readonly bos_token_id: number | undefined;
  /** Stop ids of `config.json`; `generation_config.json` may name more. */
  readonly eos_token_ids: readonly number[];
  readonly tie_word_embeddings: boolean;
  /** The dtype the weights were saved in, where the file says so. */
  readonly dtype: StoredDType | undefined;
}

/** Sampling defaults a folder carries. Only what the file says: undefined means the file is silent. */
export interface GenerationConfig {
  readonly eos_token_ids: readonly number[];
  readonly pad_token_id: number | undefined;
  readonly do_sample: boolean | undefined;
  readonly temperature: number | undefined;
  readonly top_k: number | undefined;
  readonly top_p: number | undefined;
  readonly repetition_penalty: number | undefined;
}

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

/**
 * Read and check `config.json` of a model folder.
 * @throws CheckpointError naming file and key: file missing, broken JSON, key missing, of the wrong type or in
 *   contradiction with another, or a model of another family.
 */
export function readModelConfig(dir: string): ModelConfig {
  const file = join(dir, 'config.json');
  return parseModelConfig(readJsonFile(file), file);
}

/** Check a parsed `config.json`; `file` is only used in messages. See `readModelConfig`. */
export function parseModelConfig(raw: unknown, file = 'config.json'): ModelConfig {
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
  const vision_config =
    root.model_type === 'qwen2_5_vl'
      ? toVision25(checkJson(vision25Schema, root.vision_config, file, ['vision_config']), file)
      : toVision2(checkJson(vision2Schema, root.vision_config, file, ['vision_config']), file);
  const eos = (flat['eos_token_id'] ?? rawText.eos_token_id ?? []) as number | number[];
  const bos = (flat['bos_token_id'] ?? rawText.bos_token_id ?? undefined) as number | undefined;
  const config: ModelConfig = {
    model_type: root.model_type,
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
  checkTogether(config, file);
  return config;
}

/**
 * Read `generation_config.json`; where the folder has none, the stop ids of `config.json` alone.
 * @throws CheckpointError naming file and key.
 */
export function readGenerationConfig(dir: string, config: ModelConfig): GenerationConfig {
  const file = join(dir, 'generation_config.json');
  const raw = readJsonFile(file, { optional: true }) ?? {};
  const parsed = checkJson(generationSchema, raw, file, []);
  const eos = parsed.eos_token_id ?? config.eos_token_ids;
  return {
    eos_token_ids: typeof eos === 'number' ? [eos] : [...eos],
    pad_token_id: parsed.pad_token_id ?? undefined,
    do_sample: parsed.do_sample ?? undefined,
    temperature: parsed.temperature ?? undefined,
    top_k: parsed.top_k ?? undefined,
    top_p: parsed.top_p ?? undefined,
    repetition_penalty: parsed.repetition_penalty ?? undefined,
  };
}

/** The content of `config.json` in the published (flat) style; `parseModelConfig` gives the same config back. */
export function configToJson(config: ModelConfig): Record<string, unknown> {
  const { text_config: text, vision_config: vision } = config;
  const is25 = config.model_type === 'qwen2_5_vl';
  const visionShape = is25
    ? {
        depth: vision.depth,
        hidden_act: vision.hidden_act,
        hidden_size: vision.hidden_size,
        intermediate_size: vision.intermediate_size,
        out_hidden_size: vision.out_hidden_size,
        window_size: vision.window_size,
        fullatt_block_indexes: [...vision.fullatt_block_indexes],
        tokens_per_second: vision.tokens_per_second,
      }
    : {
        depth: vision.depth,
        hidden_act: vision.hidden_act,
        embed_dim: vision.hidden_size,
        mlp_ratio: vision.intermediate_size / vision.hidden_size,
        hidden_size: vision.out_hidden_size,
      };
  return {
    architectures: [is25 ? 'Qwen2_5_VLForConditionalGeneration' : 'Qwen2VLForConditionalGeneration'],
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
      ...visionShape,
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

/** What both towers share: channel and patch keys under their two spellings. */
function visionCommon(raw: z.output<typeof vision25Schema> | z.output<typeof vision2Schema>, file: string) {
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

function toVision25(raw: z.output<typeof vision25Schema>, file: string): VisionConfig {
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
    hidden_size: raw.hidden_size,
    intermediate_size: raw.intermediate_size,
    out_hidden_size: raw.out_hidden_size,
    hidden_act: raw.hidden_act,
    window_size: raw.window_size,
    fullatt_block_indexes: raw.fullatt_block_indexes,
    tokens_per_second: raw.tokens_per_second,
  };
}

function toVision2(raw: z.output<typeof vision2Schema>, file: string): VisionConfig {
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

function checkTogether(config: ModelConfig, file: string): void {
  const { vision_config: vision, text_config: text } = config;
  if (vision.out_hidden_size !== text.hidden_size) {
    const key = config.model_type === 'qwen2_5_vl' ? 'out_hidden_size' : 'hidden_size';
    throw new CheckpointError(
      `${file}: vision_config.${key} is ${vision.out_hidden_size}, but the text model's hidden_size is ${text.hidden_size}`,
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

function show(value: unknown): string {
  return JSON.stringify(value);
}
