/**
 * The configuration of Qwen2-VL, and the way from `config.json` to it that its successors share. Both styles on disk are read: the
 * flat one of the published folders (`rope_scaling`, `rope_theta`, text keys at the top) and the nested one of transformers 5
 * (`text_config`, `rope_parameters`). What we write is the published style. Keys we do not know are tolerated.
 *
 * A file written by transformers may leave out what equals the defaults of its classes (`vision_config` of 4.45 to 4.50,
 * `text_config` of later ones). Those defaults are filled in with a notice, never others; the weights' shapes check them.
 * Only the activation is filled in without a word: the family has one.
 *
 * Source: transformers 5.18 `models/qwen2_vl/configuration_qwen2_vl.py` (the defaults are those of 4.49 too).
 */
import type { z } from 'zod';
import { CheckpointError, checkJson, type Notice } from '../../base/index.ts';
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

export type Json = Readonly<Record<string, unknown>>;

/** What transformers' classes take for a key of the decoder. */
const TEXT_DEFAULTS: Json = {
  vocab_size: 152_064,
  hidden_size: 8192,
  intermediate_size: 29_568,
  num_hidden_layers: 80,
  num_attention_heads: 64,
  num_key_value_heads: 8,
  max_position_embeddings: 32_768,
  rms_norm_eps: 1e-5,
};

/** The decoder that Qwen2-VL and Qwen2.5-VL share. */
export const TEXT_STYLE: TextStyle = {
  defaults: TEXT_DEFAULTS,
  rope: { rope_theta: 1_000_000, mrope_section: [16, 24, 24] },
  statesHeadDim: false,
  mrope_interleaved: false,
  qk_norm: false,
};

/** What transformers' classes take for a key beside `text_config` and `vision_config`. */
const ROOT_DEFAULTS: Json = {
  image_token_id: 151_655,
  video_token_id: 151_656,
  vision_start_token_id: 151_652,
  vision_end_token_id: 151_653,
};

/** What the decoders of the families differ in. */
export interface TextStyle {
  /** What transformers' class takes for a key of the decoder. */
  readonly defaults: Json;
  /** The same for the rotary positions. */
  readonly rope: Pick<TextConfig, 'rope_theta' | 'mrope_section'>;
  /** False where `head_dim` must be `hidden_size / num_attention_heads`. */
  readonly statesHeadDim: boolean;
  readonly mrope_interleaved: boolean;
  readonly qk_norm: boolean;
}

/** Keys of the decoder that a nested file may give at the top only. */
const SHARED_KEYS = [
  ...Object.keys(TEXT_DEFAULTS),
  'head_dim',
  'hidden_act',
  'layer_types',
  'use_sliding_window',
  'attention_dropout',
  'rope_theta',
  'rope_scaling',
  'rope_parameters',
] as const;

/** Qwen2-VL's own spelling: `embed_dim` for the tower's width, `hidden_size` for the output width, `mlp_ratio`. */
export const TOWER_CONFIG: TowerConfig = {
  model_type: 'qwen2_vl',
  architecture: 'Qwen2VLForConditionalGeneration',
  text: TEXT_STYLE,
  outWidthKey: 'hidden_size',
  defaults: {
    depth: 32,
    embed_dim: 1280,
    hidden_size: 3584,
    mlp_ratio: 4,
    num_heads: 16,
    in_channels: 3,
    patch_size: 14,
    spatial_merge_size: 2,
    temporal_patch_size: 2,
  },
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
  /** The decoder behind the tower. */
  readonly text: TextStyle;
  /** Key of the width after the merger. */
  readonly outWidthKey: string;
  /** What transformers' class takes for a key of `vision_config`. */
  readonly defaults: Readonly<Record<string, unknown>>;
  /** Read `vision_config`. @throws CheckpointError naming file and key */
  parse(raw: unknown, file: string): VisionConfig;
  /** The keys of `vision_config` that only this tower has, as it writes them. */
  toJson(vision: VisionConfig): Record<string, unknown>;
}

/**
 * A parsed `config.json` as a config, its tower read by `tower`. What the file leaves out comes from transformers' class
 * defaults, with one notice for all of it.
 * @throws CheckpointError naming file and key
 */
export function parseConfig(raw: unknown, file: string, tower: TowerConfig, notice: Notice): ModelConfig {
  const filled: string[] = [];
  const config = noting(filled, () => toConfig(raw, file, tower, filled));
  if (filled.length > 0) {
    notice(
      `${file} leaves out ${filled.join(', ')}: taken from the class defaults of transformers; the shapes of the weights are held against them`,
    );
  }
  return config;
}

function toConfig(raw: unknown, file: string, tower: TowerConfig, filled: string[]): ModelConfig {
  const flat = checkJson(rootSchema.partial(), raw, file, []) as Json;
  const root = checkJson(rootSchema, withDefaults(flat, ROOT_DEFAULTS, '', filled), file, []);
  const nested: Json | undefined = root.text_config ?? undefined;
  if (nested !== undefined) checkAgreement(flat, nested, file);
  const textPath = nested === undefined ? [] : ['text_config'];
  const given = nested === undefined ? flat : { ...pick(flat, SHARED_KEYS), ...present(nested) };
  const rawText = withDefaults(given, tower.text.defaults, textPath.map((key) => `${key}.`).join(''), filled);
  const parsedText = checkJson(textSchema, rawText, file, textPath);
  const text_config = toTextConfig(parsedText, tower.text, file, textPath, filled);
  const tower_config = root.vision_config ?? {};
  const defaults = { ...tower.defaults };
  if ('in_chans' in tower_config) delete defaults['in_channels'];
  const vision_config = tower.parse(withDefaults(tower_config, defaults, 'vision_config.', filled), file);
  const eos = (flat['eos_token_id'] ?? given['eos_token_id'] ?? []) as number | number[];
  const bos = (flat['bos_token_id'] ?? given['bos_token_id'] ?? undefined) as number | undefined;
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
    // Some versions of transformers wrote the flag inside text_config only; where both stand, the outer one is meant.
    tie_word_embeddings: root.tie_word_embeddings ?? root.text_config?.tie_word_embeddings ?? false,
    dtype: toStoredDType(root.dtype ?? root.torch_dtype ?? undefined, file),
  };
  checkTogether(config, file, tower.outWidthKey);
  return config;
}

/** An error met while some keys were filled in names them: one of them may be the wrong one. */
function noting<T>(filled: readonly string[], body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (!(error instanceof CheckpointError) || filled.length === 0) throw error;
    const hint = `config.json leaves out ${filled.join(', ')} (class defaults of transformers were taken): state the values that the weights have`;
    throw new CheckpointError(error.message, { hint, cause: error.cause });
  }
}

/** `given` with what it leaves out; each key filled in is noted. */
function withDefaults(given: Json, defaults: Json, path: string, filled: string[]): Json {
  const missing = Object.entries(defaults).filter(([key]) => given[key] === undefined);
  filled.push(...missing.map(([key, value]) => `${path}${key} ${show(value)}`));
  return { ...given, ...Object.fromEntries(missing) };
}

function pick(from: Json, keys: readonly string[]): Json {
  return Object.fromEntries(keys.flatMap((key) => (from[key] == null ? [] : [[key, from[key]]])));
}

/** A section without the rope keys that say nothing, so that those at the top may. */
function present(section: Json): Json {
  return Object.fromEntries(
    Object.entries(section).filter(([key, value]) => value !== null || !key.startsWith('rope_')),
  );
}

function checkAgreement(flat: Json, nested: Json, file: string): void {
  for (const key of TEXT_KEYS) {
    const [top, inner] = [flat[key], nested[key]];
    if (top === undefined || inner === undefined || top === inner) continue;
    throw new CheckpointError(`${file}: ${key} is ${show(top)}, but text_config.${key} is ${show(inner)}`, {
      hint: 'Keep the value the weights were made with, in one of the two places.',
    });
  }
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

function toTextConfig(
  raw: z.output<typeof textSchema>,
  style: TextStyle,
  file: string,
  path: readonly string[],
  filled: string[],
): TextConfig {
  const at = (key: string) => `${file}: ${[...path, key].join('.')}`;
  const ropeKey = raw.rope_parameters ? 'rope_parameters' : 'rope_scaling';
  const rope = raw.rope_parameters ?? raw.rope_scaling ?? {};
  for (const key of ['type', 'rope_type'] as const) {
    const type = rope[key];
    if (type !== undefined && type !== 'mrope' && type !== 'default') {
      throw new CheckpointError(
        `${at(`${ropeKey}.${key}`)} is ${show(type)}; supported: "mrope", "default"`,
        {
          hint: 'longer contexts by scaled rotary frequencies are not supported: take the scaling out of config.json where prompts fit max_position_embeddings',
        },
      );
    }
  }
  const fill = <T>(key: string, value: T): T => {
    filled.push(`${[...path, key].join('.')} ${show(value)}`);
    return value;
  };
  const mrope_section = rope.mrope_section ?? fill(`${ropeKey}.mrope_section`, style.rope.mrope_section);
  const rope_theta = rope.rope_theta ?? raw.rope_theta ?? fill('rope_theta', style.rope.rope_theta);
  if (raw.rope_theta !== undefined && raw.rope_theta !== rope_theta) {
    throw new CheckpointError(
      `${at('rope_theta')} is ${raw.rope_theta}, but ${ropeKey}.rope_theta is ${rope.rope_theta}`,
    );
  }
  const { hidden_size, num_attention_heads: heads, num_key_value_heads } = raw;
  const kvHeads = num_key_value_heads ?? heads;
  const head_dim = style.statesHeadDim && raw.head_dim != null ? raw.head_dim : derivedHeadDim(raw, at);
  if (heads % kvHeads !== 0) {
    throw new CheckpointError(
      `${at('num_attention_heads')} ${heads} is not a multiple of num_key_value_heads ${kvHeads}`,
    );
  }
  const pairs = mrope_section.reduce((a, b) => a + b, 0);
  if (head_dim % 2 !== 0)
    throw new CheckpointError(`${at('head_dim')} ${head_dim} is odd; rotary positions turn pairs`);
  // Interleaved sections say how far an axis reaches; what they leave out turns with time.
  if (!style.mrope_interleaved && pairs * 2 !== head_dim) {
    throw new CheckpointError(
      `${at(`${ropeKey}.mrope_section`)} ${show(mrope_section)} sums to ${pairs}; expected half the head size, ${head_dim / 2}`,
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
    mrope_section,
    mrope_interleaved: style.mrope_interleaved,
    qk_norm: style.qk_norm,
  };
}

function derivedHeadDim(raw: z.output<typeof textSchema>, at: (key: string) => string): number {
  const { hidden_size, num_attention_heads: heads } = raw;
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
  return head_dim;
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

/** What the towers of Qwen2-VL and Qwen2.5-VL do not have. */
export const PLAIN_TOWER = { num_position_embeddings: undefined, deepstack_visual_indexes: [] } as const;

function toVision(raw: z.output<typeof visionSchema>, file: string): VisionConfig {
  return {
    ...visionCommon(raw, file),
    ...PLAIN_TOWER,
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
  if (bare === 'auto') return undefined;
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
