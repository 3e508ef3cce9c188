/** The tokens that end a completion, and those that are never drawn: read once from a model folder, used alike by every caller. */

import type { GenerationConfig, ModelConfig } from './config.ts';
import type { Processor } from './processor.ts';

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
 * Everything a completion must not hold: vision tokens (those only the tokenizer knows too), padding, and rows of the
 * embedding that no token has. Stop tokens are never among them.
 */
export function bannedTokenIds(
  { config, tokenizer, reservedTokenIds }: Pick<Processor, 'config' | 'tokenizer' | 'reservedTokenIds'>,
  generation: GenerationConfig,
): number[] {
  const { vocab_size } = config.text_config;
  const unused = Array.from({ length: vocab_size - tokenizer.size }, (_, i) => tokenizer.size + i);
  const padding = generation.pad_token_id === undefined ? [] : [generation.pad_token_id];
  const stops = new Set(stopTokenIds(generation, config));
  const all = [...visionTokenIds(config), ...reservedTokenIds, ...padding, ...unused];
  return [...new Set(all)].filter((id) => !stops.has(id));
}
