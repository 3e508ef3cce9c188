/** Which tokens end a completion, and which are never drawn: read once from a model folder, used alike by every caller. */
import type { GenerationConfig, ModelConfig, Processor } from '../models/index.ts';

/** Ids that end a completion: those of `generation_config.json` and of `config.json`. */
export function stopTokenIds(generation: GenerationConfig, config: ModelConfig): number[] {
  return [...new Set([...generation.eos_token_ids, ...config.eos_token_ids])];
}

/** Placeholders and markers of images and videos: in text they mean nothing, and a later pass would misread them. */
export function visionTokenIds(config: ModelConfig): number[] {
  return [
    config.image_token_id,
    config.video_token_id,
    config.vision_start_token_id,
    config.vision_end_token_id,
  ];
}

/**
 * Everything a completion must not hold: vision tokens (`<|vision_pad|>` too, which only the tokenizer knows), padding, and
 * rows of the embedding that no token has. Stop tokens are never among them.
 */
export function bannedTokenIds(
  { config, tokenizer }: Pick<Processor, 'config' | 'tokenizer'>,
  generation: GenerationConfig,
): number[] {
  const { vocab_size } = config.text_config;
  const unused = Array.from({ length: vocab_size - tokenizer.size }, (_, i) => tokenizer.size + i);
  const special = [tokenizer.addedTokens.get('<|vision_pad|>'), generation.pad_token_id];
  const stops = new Set(stopTokenIds(generation, config));
  const all = [...visionTokenIds(config), ...special.filter((id) => id !== undefined), ...unused];
  return [...new Set(all)].filter((id) => !stops.has(id));
}
