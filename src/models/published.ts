/** Published models by the family and the size that their configuration shows. */
import type { ModelConfig } from './config.ts';

/** From the `config.json` of the model on the hub. */
const PUBLISHED = [
  { name: 'Qwen2.5-VL-7B', model_type: 'qwen2_5_vl', num_hidden_layers: 28, hidden_size: 3584 },
  { name: 'Qwen3-VL-2B', model_type: 'qwen3_vl', num_hidden_layers: 28, hidden_size: 2048 },
  { name: 'Qwen3-VL-4B', model_type: 'qwen3_vl', num_hidden_layers: 36, hidden_size: 2560 },
  { name: 'Qwen3-VL-8B', model_type: 'qwen3_vl', num_hidden_layers: 36, hidden_size: 4096 },
  { name: 'Qwen3-VL-32B', model_type: 'qwen3_vl', num_hidden_layers: 64, hidden_size: 5120 },
] as const;

/** The name of the published model that has this family and size; undefined for one not listed here. */
export function publishedSize({ model_type, text_config }: ModelConfig): string | undefined {
  return PUBLISHED.find(
    (one) =>
      one.model_type === model_type &&
      one.num_hidden_layers === text_config.num_hidden_layers &&
      one.hidden_size === text_config.hidden_size,
  )?.name;
}
