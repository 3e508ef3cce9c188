/** Published models at their real size, without computing: bytes and launches of each phase. */

import { generateGroup } from '../../../src/rollout/index.ts';
import { Generator, keep, noGrad, scope, setNumThreads } from '../../../src/tensor/index.ts';
import { QWEN_3B, QWEN_7B, QWEN_72B, QWEN3_4B } from '../../support/published-sizes.ts';
import { grpoConfig, makeModel, makeOptimizer, Phases, trainOnGroup, videoPrompt } from './made-model.ts';
import { type Attention, answer, argument, strict } from './strict.ts';

export interface DryCase {
  readonly name: string;
  /** @default 7B */
  readonly size?: keyof typeof SIZES;
  /** Absent: all of the decoder trains. */
  readonly lora_r?: number;
  /** Tokens of each completion. */
  readonly length: number;
  /** Completions of a prompt. @default 8 */
  readonly group?: number;
  /** Slices, rows and columns of patches of the video. @default 16 frames of 280 x 364 pixels, 1040 features */
  readonly grid?: readonly [number, number, number];
  /** The tower and its merger train too. @default false */
  readonly trains_vision?: boolean;
  /** @default false */
  readonly offload_optimizer?: boolean;
  /** Layers of the decoder. @default as published */
  readonly layers?: number;
  /** Size of the vocabulary. @default as published */
  readonly vocab_size?: number;
  /** @default true */
  readonly gradient_checkpointing?: boolean;
  /** @default that of the configuration */
  readonly logits_chunk_mib?: number;
  readonly attention: Attention;
}

const SIZES = { '3B': QWEN_3B, '7B': QWEN_7B, '72B': QWEN_72B, 'Qwen3-VL-4B': QWEN3_4B } as const;

/** Operators on more bytes are left out. */
const DRY_ABOVE = 2 ** 20;

setNumThreads(1);
const { size = '7B', lora_r, length, group = 8, grid = [8, 20, 26], attention, ...one } = argument<DryCase>();
strict.configure(DRY_ABOVE, attention);
const phases = new Phases();
const sizes = {
  ...SIZES[size],
  ...(one.layers === undefined ? {} : { num_hidden_layers: one.layers }),
  ...(one.vocab_size === undefined ? {} : { vocab_size: one.vocab_size }),
};
const model = makeModel(sizes, lora_r, one.trains_vision);
phases.mark('weights');
const { gradient_checkpointing = true, logits_chunk_mib } = one;
const config = grpoConfig({
  num_generations: group,
  max_completion_length: length,
  gradient_checkpointing,
  offload_optimizer: one.offload_optimizer ?? false,
  ...(logits_chunk_mib === undefined ? {} : { logits_chunk_mib }),
});
const optimizer = makeOptimizer(model, config);
phases.mark('gradients and optimizer');
// With 85 tokens of text a prompt of 1125 tokens.
const inputs = videoPrompt(model, grid, 85);
const prompt = keep(scope(() => noGrad(() => model.encodePrompt(inputs))));
phases.mark('encode');
await generateGroup(model, prompt, {
  num_generations: group,
  max_completion_length: 4,
  stop_token_ids: [],
  banned_token_ids: [1, 2, 3],
  generator: new Generator(1),
});
phases.mark('generate 4 tokens');
prompt.dispose();
trainOnGroup(model, inputs, { config, length, optimizer, phases });
answer(phases.all);
