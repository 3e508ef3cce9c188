/**
 * What `config.json` may contain, key by key, in both styles on disk: the keys that Qwen2-VL shares with its successors, and its own
 * tower. Unknown keys pass; `config.ts` brings the styles together, fills in what a file leaves out, and holds the values
 * against each other.
 */
import { z } from 'zod';

/** A width, a side or a count of heads: far above any model, and far below what a loop or an array of it would choke on. */
export const positive = z
  .number()
  .int()
  .positive()
  .max(2 ** 22);
/** Layers are walked one by one, before the weights are looked at. */
const layers = z.number().int().positive().max(2000);
const tokenId = z.number().int().nonnegative();
const tokenIds = z.union([tokenId, z.array(tokenId).min(1)]);

const ropeSchema = z.looseObject({
  type: z.string().optional(),
  rope_type: z.string().optional(),
  rope_theta: z.number().positive().optional(),
  mrope_section: z.tuple([positive, positive, positive]).nullish(),
});

export const textSchema = z.looseObject({
  vocab_size: positive,
  hidden_size: positive,
  intermediate_size: positive,
  num_hidden_layers: layers,
  num_attention_heads: positive,
  /** Null means as many as `num_attention_heads`. */
  num_key_value_heads: positive.nullable(),
  head_dim: positive.nullish(),
  hidden_act: z.literal('silu').default('silu'),
  max_position_embeddings: positive,
  rms_norm_eps: z.number().positive(),
  rope_theta: z.number().positive().optional(),
  rope_scaling: ropeSchema.nullish(),
  rope_parameters: ropeSchema.nullish(),
  use_sliding_window: z.literal(false, 'sliding-window attention is not supported').nullish(),
  layer_types: z
    .array(z.literal('full_attention', 'only full_attention is supported, sliding-window attention is not'))
    .nullish(),
  attention_dropout: z.literal(0, 'attention dropout is not supported').nullish(),
  bos_token_id: tokenId.nullish(),
  eos_token_id: tokenIds.nullish(),
});

export const visionShared = {
  depth: layers,
  num_heads: positive,
  in_channels: positive.optional(),
  in_chans: positive.optional(),
  patch_size: positive,
  spatial_patch_size: positive.optional(),
  spatial_merge_size: positive,
  temporal_patch_size: positive,
  // transformers 5 writes it; the tower's rotary base has never been another.
  rope_parameters: z
    .looseObject({ rope_theta: z.literal(10_000, 'only 10000 is supported').optional() })
    .nullish(),
};

export const visionSchema = z.looseObject({
  ...visionShared,
  embed_dim: positive,
  hidden_size: positive,
  mlp_ratio: z.number().positive(),
  hidden_act: z.literal('quick_gelu').default('quick_gelu'),
});

export const rootSchema = z.looseObject({
  text_config: z.looseObject({ tie_word_embeddings: z.boolean().nullish() }).nullish(),
  vision_config: z.looseObject({}).nullish(),
  image_token_id: tokenId,
  video_token_id: tokenId,
  vision_start_token_id: tokenId,
  vision_end_token_id: tokenId,
  tie_word_embeddings: z.boolean().nullish(),
  torch_dtype: z.string().nullish(),
  dtype: z.string().nullish(),
  // Some writers state its absence.
  quantization_config: z
    .null({
      error: ({ input }) =>
        `quantized checkpoints are not supported (${JSON.stringify((input as Record<string, unknown>)?.['quant_method'] ?? input)}): use the unquantized folder`,
    })
    .optional(),
});
