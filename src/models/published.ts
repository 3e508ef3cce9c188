/** Published models by the family and the size that their configuration shows. */
import type { ModelConfig } from './config.ts';

/** From the `config.json` of the model on the hub. */
const PUBLISHED = [
  { name: 'Qwen2.5-VL-7B', model_type: 'qwen2_5_vl', num_hidden_layers: 28, hidden_size: 3584 },
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
