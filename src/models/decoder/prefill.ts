/**
 * The prompt's one pass before generation: keys and values of every layer, stored once for all rows that continue it, and
 * the hidden state that predicts the first new token.
 *
 * Shapes: P prompt tokens, K key/value heads, E head size, D hidden.
 */
import { scope, type Tensor } from '../../tensor/index.ts';
import type { ModelConfig } from '../config.ts';
import type { ModelParams } from '../layers.ts';
import type { EncodedPrompt } from '../model.ts';
import { addDeep, deepFeatures } from './deepstack.ts';
import { embedTokens, promptRotary } from './forward.ts';
import { causalAttention, decoderLayer, finalNorm, headsFirst } from './text.ts';

export interface Prefill {
  /** Hidden state (1, D) of the prompt's last token, after the final norm. */
  readonly hidden_1D: Tensor;
  /** The prompt's keys and values for each layer, (1, K, P, E), contiguous. */
  readonly layers: readonly { readonly k: Tensor; readonly v: Tensor }[];
}

/** Run inside `noGrad`; the result belongs to the caller's scope. */
export function prefill(
  params: ModelParams,
  config: ModelConfig,
  device: string,
  prompt: EncodedPrompt,
): Prefill {
  return scope('prefill', () => {
    const text = config.text_config;
    const last = text.num_hidden_layers - 1;
    const rotary = promptRotary(prompt, [], config, { dtype: params.dtype, device });
    const layers: { k: Tensor; v: Tensor }[] = [];
    const deep = deepFeatures(params, prompt, last, device);
    let x = embedTokens(params, prompt, [], device);
    for (let layer = 0; layer <= last; layer++) {
      const input = x;
      const askFrom = layer === last ? prompt.input_ids.length - 1 : 0;
      const step = scope(() => {
        let cached: { k: Tensor; v: Tensor } | undefined;
        const output = decoderLayer(
          params,
          text,
          layer,
          input,
          rotary,
          (q, k, v) => {
            cached = { k: headsFirst(k).contiguous(), v: headsFirst(v).contiguous() };
            return causalAttention(q, k, v);
          },
          askFrom,
        );
        return { output: addDeep(output, deep[layer]), cached: cached! };
      });
      input.dispose();
      x = step.output;
      layers.push(step.cached);
    }
    return { hidden_1D: finalNorm(params, text, x), layers };
  });
}
