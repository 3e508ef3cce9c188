/** Qwen2.5-VL-7B at its real size, without computing: bytes and launches of each phase. */
import { generateGroup } from '../../../src/rollout/index.ts';
import { Generator, keep, noGrad, scope, setNumThreads } from '../../../src/tensor/index.ts';
import {
  grpoConfig,
  makeModel,
  makeOptimizer,
  Phases,
  QWEN_7B,
  trainOnGroup,
  videoPrompt,
} from './made-model.ts';
import { type Attention, answer, argument, strict } from './strict.ts';

export interface DryCase {
  readonly name: string;
  /** Absent: all of the decoder trains. */
  readonly lora_r?: number;
  /** Tokens of each of 8 completions. */
  readonly length: number;
  readonly attention: Attention;
}

/** Operators on more bytes are left out. */
const DRY_ABOVE = 2 ** 20;

setNumThreads(1);
const { lora_r, length, attention } = argument<DryCase>();
strict.configure(DRY_ABOVE, attention);
const phases = new Phases();
const model = makeModel(QWEN_7B, lora_r);
phases.mark('weights');
const config = grpoConfig({ num_generations: 8, max_completion_length: length });
const optimizer = makeOptimizer(model, config);
phases.mark('gradients and optimizer');
// 16 frames of 280 x 364 pixels: 1040 features, with text 1125 tokens.
const inputs = videoPrompt(model, [8, 20, 26], 85);
const prompt = keep(scope(() => noGrad(() => model.encodePrompt(inputs))));
phases.mark('encode');
await generateGroup(model, prompt, {
  num_generations: 8,
  max_completion_length: 4,
  stop_token_ids: [],
  banned_token_ids: [1, 2, 3],
  generator: new Generator(1),
});
phases.mark('generate 4 tokens');
prompt.dispose();
trainOnGroup(model, inputs, { config, length, optimizer, phases });
answer(phases.all);
