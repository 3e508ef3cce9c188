/** Time of a step by phase, from rates that are stated, not measured: what the arithmetic and the traffic of each phase take at them. */
import type { ModelConfig } from '../models/index.ts';
import type { MemoryPlan, PromptSize } from './memory.ts';

export interface Rates {
  /** Products, in floating-point operations a second. */
  readonly flops: number;
  /** Memory traffic, in bytes a second. */
  readonly bandwidth: number;
  /** Between two devices, in bytes a second each way. */
  readonly link: number;
}

/** Of a host with `offload_optimizer`, in bytes a second: copies that are not pinned, and the memory of a server. */
const HOST = { copies: 12e9, bandwidth: 100e9 };

/** 40 % of the products and 60 % of the bandwidth that an H100 SXM names (989 TFLOP/s bfloat16, 3.35 TB/s), and 60 % of its NVLink (450 GB/s each way). */
export const H100: Rates = { flops: 0.4 * 989e12, bandwidth: 0.6 * 3.35e12, link: 0.6 * 450e9 };

/** Seconds of one step, by phase of the trainer's clock. */
export interface TimePlan {
  readonly encode: number;
  readonly generate: number;
  readonly forward: number;
  readonly backward: number;
  readonly optim: number;
  /** Of gradients and weights between devices, as if nothing of it went on beside the rest. */
  readonly travel: number;
  readonly total: number;
}

/**
 * A product of a weight takes two operations a token; on the way back two products, or one where the weight itself does not train;
 * checkpointing computes the layers once more. Decoding reads the decoder once a token for all rows together; AdamW reads and
 * writes 28 bytes a weight, on the host with two copies of 2 bytes a weight. Over N devices each sends (N - 1) / N of the gradients and as
 * much of the weights (arXiv 1910.02054, section 7); with zero_stage 3 the weights once for a rollout and twice for each prompt. Attention, sampling and the loss are left out.
 *
 * @param numText numbers in the decoder and the head, the embedding's rows aside
 * @param numVision numbers in the tower
 */
export function planTime(
  plan: MemoryPlan,
  sizes: { readonly numText: number; readonly numVision: number },
  keys: {
    readonly prompts_per_step: number;
    readonly max_completion_length: number;
    readonly gradient_checkpointing: boolean;
    readonly isLora: boolean;
    readonly offload_optimizer: boolean;
    readonly num_ranks: number;
    readonly zero_stage: number;
  },
  prompt: PromptSize,
  rates: Rates,
): TimePlan {
  const { numText, numVision } = sizes;
  const prompts = keys.prompts_per_step;
  const products = (numbers: number, tokens: number): number => (2 * numbers * tokens) / rates.flops;
  const encode = prompts * products(numVision, prompt.patches);
  const generate =
    prompts * products(numText, prompt.tokens) +
    keys.max_completion_length * ((2 * numText) / rates.bandwidth);
  const forward = prompts * products(numText, plan.num_tokens);
  const backward = forward * ((keys.isLora ? 1 : 2) + (keys.gradient_checkpointing ? 1 : 0));
  const { num_ranks } = keys;
  const stage = num_ranks > 1 ? keys.zero_stage : 0;
  const num_trained =
    stage > 0 && !(stage === 3 && keys.isLora) ? plan.num_trained / num_ranks : plan.num_trained;
  const optim = keys.offload_optimizer
    ? (4 * num_trained) / HOST.copies + (28 * num_trained) / HOST.bandwidth
    : (28 * num_trained) / rates.bandwidth;
  const width = keys.isLora ? 4 : 2;
  const sent = (numbers: number, bytes: number): number =>
    (((num_ranks - 1) / num_ranks) * numbers * bytes) / rates.link;
  const travel =
    stage === 3
      ? sent(numText + numVision, 2) * (1 + 2 * prompts) +
        sent(plan.num_trained, width) * (keys.isLora ? 2 : prompts)
      : sent(plan.num_trained, width) * (stage === 2 ? prompts + 1 : 2);
  return {
    encode,
    generate,
    forward,
    backward,
    optim,
    travel,
    total: encode + generate + forward + backward + optim + travel,
  };
}

/** Numbers that a pass multiplies by: the decoder with its head, and the tower. */
export function passSizes(config: ModelConfig, shapes: ReadonlyMap<string, readonly number[]>) {
  let [numText, numVision] = [0, 0];
  for (const [name, shape] of shapes) {
    const size = shape.reduce((all, n) => all * n, 1);
    if (name.startsWith('visual.')) numVision += size;
    else if (name !== 'model.embed_tokens.weight' || config.tie_word_embeddings) numText += size;
  }
  return { numText, numVision };
}
