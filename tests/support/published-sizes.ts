/** Configurations of published models by their sizes, and of one as narrow as it can be, without files. */
import type { TextConfig, VisionConfig } from '../../src/models/config.ts';
import { type ModelConfig, parseModelConfig } from '../../src/models/index.ts';

/** Sizes of a model, in the names of its `config.json`. */
export interface ModelSizes
  extends Pick<
    TextConfig,
    | 'vocab_size'
    | 'hidden_size'
    | 'intermediate_size'
    | 'num_hidden_layers'
    | 'num_attention_heads'
    | 'num_key_value_heads'
  > {
  /** Stated by Qwen3-VL alone: a model that has it is one. */
  readonly head_dim?: number;
  readonly mrope_section: readonly [number, number, number];
  /** The head is the embedding. @default false */
  readonly tie_word_embeddings?: boolean;
  readonly vision: Pick<
    VisionConfig,
    'depth' | 'hidden_size' | 'intermediate_size' | 'num_heads' | 'fullatt_block_indexes'
  >;
}

/** A published model of Qwen2.5-VL: its vocabulary, hidden width, MLP, layers, query heads and key/value heads; width of the tower's MLP. */
const published = (
  [vocab_size, hidden_size, intermediate_size, num_hidden_layers, num_attention_heads, num_key_value_heads]: [
    number,
    number,
    number,
    number,
    number,
    number,
  ],
  towerMlp: number,
): ModelSizes => ({
  ...{ vocab_size, hidden_size, intermediate_size },
  ...{ num_hidden_layers, num_attention_heads, num_key_value_heads },
  mrope_section: [16, 24, 24],
  vision: {
    ...{ depth: 32, hidden_size: 1280, num_heads: 16, intermediate_size: towerMlp },
    fullatt_block_indexes: [7, 15, 23, 31],
  },
});

/** From the config.json of Qwen/Qwen2.5-VL-3B-Instruct, -7B-Instruct and -72B-Instruct. */
export const QWEN_3B: ModelSizes = {
  ...published([151_936, 2048, 11_008, 36, 16, 2], 3420),
  tie_word_embeddings: true,
};
export const QWEN_7B = published([152_064, 3584, 18_944, 28, 28, 4], 3420);
export const QWEN_72B = published([152_064, 8192, 29_568, 80, 64, 8], 3456);

/** From the config.json of Qwen/Qwen3-VL-4B-Instruct. */
export const QWEN3_4B: ModelSizes = {
  ...{ vocab_size: 151_936, hidden_size: 2560, intermediate_size: 9728, num_hidden_layers: 36 },
  ...{ num_attention_heads: 32, num_key_value_heads: 8, head_dim: 128, mrope_section: [24, 20, 20] },
  tie_word_embeddings: true,
  vision: { depth: 24, hidden_size: 1024, num_heads: 16, intermediate_size: 4096, fullatt_block_indexes: [] },
};

/** The same parts, as narrow as they can be. */
export const narrow = (num_hidden_layers: number): ModelSizes => ({
  vocab_size: 200,
  hidden_size: 32,
  intermediate_size: 48,
  num_hidden_layers,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  mrope_section: [1, 1, 2],
  vision: { depth: 2, hidden_size: 32, intermediate_size: 48, num_heads: 2, fullatt_block_indexes: [1] },
});

/** The last ids of the vocabulary, as far from its end as in the published model where there is room. */
function specialTokens(vocab: number) {
  const first = Math.min(151_652, vocab - 8);
  return {
    vision_start_token_id: first,
    vision_end_token_id: first + 1,
    image_token_id: first + 3,
    video_token_id: first + 4,
  };
}

export function configOf({
  vision,
  mrope_section,
  tie_word_embeddings = false,
  ...text
}: ModelSizes): ModelConfig {
  if (text.head_dim !== undefined) {
    const { fullatt_block_indexes: _, ...tower } = vision;
    const { depth } = vision;
    return parseModelConfig({
      model_type: 'qwen3_vl',
      ...specialTokens(text.vocab_size),
      tie_word_embeddings,
      dtype: 'bfloat16',
      text_config: {
        ...text,
        ...{ bos_token_id: 1, eos_token_id: 2, max_position_embeddings: 262_144, rms_norm_eps: 1e-6 },
        rope_theta: 5_000_000,
        rope_scaling: { mrope_interleaved: true, mrope_section: [...mrope_section], rope_type: 'default' },
      },
      vision_config: {
        ...tower,
        ...{ in_channels: 3, out_hidden_size: text.hidden_size, num_position_embeddings: 2304 },
        ...{ patch_size: 16, spatial_merge_size: 2, temporal_patch_size: 2 },
        // A quarter, a half and three quarters of the way.
        deepstack_visual_indexes: [1, 2, 3].map((part) => Math.max(0, Math.floor((part * depth) / 4) - 1)),
      },
    });
  }
  return parseModelConfig({
    model_type: 'qwen2_5_vl',
    ...text,
    ...specialTokens(text.vocab_size),
    bos_token_id: 1,
    eos_token_id: 2,
    hidden_act: 'silu',
    max_position_embeddings: 128_000,
    rms_norm_eps: 1e-6,
    rope_theta: 1_000_000,
    rope_scaling: { type: 'mrope', mrope_section: [...mrope_section] },
    tie_word_embeddings,
    torch_dtype: 'bfloat16',
    vision_config: {
      ...vision,
      fullatt_block_indexes: [...vision.fullatt_block_indexes],
      hidden_act: 'silu',
      in_chans: 3,
      out_hidden_size: text.hidden_size,
      patch_size: 14,
      spatial_merge_size: 2,
      temporal_patch_size: 2,
      tokens_per_second: 2,
      window_size: 112,
    },
  });
}
