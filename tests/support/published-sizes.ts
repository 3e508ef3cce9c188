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
