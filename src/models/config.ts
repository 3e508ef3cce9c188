/**
 * What every family's `config.json` is brought to, and the sampling defaults of `generation_config.json`. The families' own styles
 * on disk are read and written in their folders; `families.ts` finds the family.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { checkJson, readJsonFile } from '../base/index.ts';

/** The decoder. Names as in Hugging Face's `text_config`. */
export interface TextConfig {
  readonly vocab_size: number;
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly num_key_value_heads: number;
  /** `hidden_size / num_attention_heads` unless the family states it apart. */
  readonly head_dim: number;
  readonly hidden_act: 'silu';
  readonly max_position_embeddings: number;
  readonly rms_norm_eps: number;
  readonly rope_theta: number;
  /** Numbers of frequency pairs that turn with time, height and width; they add up to `head_dim / 2`. */
  readonly mrope_section: readonly [number, number, number];
  /** False: the pairs of an axis follow each other. True: time, height, width in turn, and time where an axis has no more. */
  readonly mrope_interleaved: boolean;
  /** True where each head of queries and keys passes an RMSNorm before it is turned. */
  readonly qk_norm: boolean;
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
  readonly hidden_act: 'silu' | 'quick_gelu' | 'gelu_pytorch_tanh';
  /** Side of an attention window in pixels; undefined where all blocks attend over a whole slice. */
  readonly window_size: number | undefined;
  /** Blocks that attend over a whole temporal slice. */
  readonly fullatt_block_indexes: readonly number[];
  /** Temporal positions in a second of video; undefined where slices are counted, or their time is told in words. */
  readonly tokens_per_second: number | undefined;
  /** Rows of the learned position table, a square number; undefined for a tower with rotary positions alone. */
  readonly num_position_embeddings: number | undefined;
  /** Blocks whose output goes into the first decoder layers too (DeepStack, arXiv 2406.04334); empty for none. */
  readonly deepstack_visual_indexes: readonly number[];
}

export type StoredDType = 'float32' | 'bfloat16' | 'float16';

export interface ModelConfig {
  /** Name of the family, as `families.ts` lists it. */
  readonly model_type: string;
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

const tokenId = z.number().int().nonnegative();
const generationSchema = z.looseObject({
  eos_token_id: z.union([tokenId, z.array(tokenId).min(1)]).nullish(),
  pad_token_id: tokenId.nullish(),
  do_sample: z.boolean().nullish(),
  temperature: z.number().nonnegative().nullish(),
  top_k: z.number().int().nonnegative().nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  repetition_penalty: z.number().positive().nullish(),
});

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
