/** `twgrpo generate`: asks a model about videos and images, and writes its answer as it comes. */

import type { Output } from '../base/index.ts';
import {
  type EncodedPrompt,
  type GenerationConfig,
  type ModelFolder,
  openModelFolder,
  type VideoLanguageModel,
} from '../models/index.ts';
import { type Completion, checkSampling, generateGroup, type SamplingOptions } from '../rollout/index.ts';
import { Generator } from '../tensor/index.ts';
import type { CommandDefinition } from './command.ts';
import { locateChoice } from './locate.ts';
import { seconds } from './model-options.ts';
import { collect, finiteNumber, wholeNumber } from './numbers.ts';
import { PRESETS_HELP, type PromptChoice, promptOptions, withPrompt } from './prompt-options.ts';

interface Options extends PromptChoice {
  readonly system?: string;
  readonly video?: readonly string[];
  readonly image?: readonly string[];
  readonly maxNewTokens: number;
  readonly maxCompletionLength?: number;
  readonly numGenerations: number;
  readonly greedy?: boolean;
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly repetitionPenalty?: number;
  readonly seed: number;
}

const HELP = `
The prompt is one user turn, videos first, then images, then the text, put through the folder's chat template.
Sampling not given here follows the folder's generation_config.json, as in transformers. Vision tokens, padding and
ids without a token are never drawn. Keys of TRL work as well: --max_completion_length, --num_generations, --top_k.`;

export const generate: CommandDefinition = {
  examples: [
    'twgrpo generate --model models/Qwen2.5-VL-7B-Instruct --video clip.mp4 --prompt "What happens?"',
    'twgrpo generate --model runs/a/checkpoint-500 --video clip.mp4 --prompt "Why?" --num-generations 8 --temperature 1',
    'twgrpo generate --model models/Qwen2.5-VL-3B-Instruct --adapter runs/b/checkpoint-500 --video clip.mp4 --prompt "Why?" --greedy --json',
  ],
  configure: (command) => {
    command
      .requiredOption('--prompt <text>', 'the question')
      .option('--video <file>', 'a video, or a folder of frames (may be repeated)', collect)
      .option('--image <file>', 'an image (may be repeated)', collect)
      .option('--system <text>', "system text (default: the chat template's own)")
      .option('--max-new-tokens <n>', 'tokens of an answer at most', wholeNumber(1), 512)
      .option('--max-completion-length <n>', 'the same, under the name of the training key', wholeNumber(1))
      .option(
        '--num-generations <n>',
        'answers to the same prompt, which is computed once',
        wholeNumber(1),
        1,
      )
      .option('--greedy', 'always the likeliest token')
      .option('--temperature <t>', 'above 1 more varied, below 1 less; 0 is --greedy', finiteNumber)
      .option('--top-k <k>', 'draw from the k likeliest tokens; 0: from all', finiteNumber)
      .option('--top-p <p>', 'draw from the likeliest tokens that together reach p', finiteNumber)
      .option('--min-p <p>', 'draw from tokens at least p times as likely as the likeliest', finiteNumber)
      .option('--repetition-penalty <x>', 'above 1 makes tokens seen before less likely', finiteNumber)
      .option('--seed <n>', 'the same seed gives the same answer', wholeNumber(0), 42);
    promptOptions(command)
      .option('--image-min-pixels <n>', 'least pixels of an image', wholeNumber(1))
      .option('--image-max-pixels <n>', 'most pixels of an image', wholeNumber(1))
      .addHelpText('after', `${HELP}\n${PRESETS_HELP}`);
  },
  run: async ({ options, out }) => {
    const given = options<Options>();
    const { at } = await locateChoice(given, out);
    const folder = openModelFolder(at.model, { notice: (text) => out.warn(text) });
    const { processor, generation } = folder;
    const sampling = samplingOf(given, generation);
    checkSampling(sampling);
    const request = { text: given.prompt, system: given.system, videos: given.video, images: given.image };
    const note = `; ${describe(sampling)}${sampling.greedy ? '' : `, seed ${given.seed}`}`;
    await withPrompt(folder, at, request, note, out, async ({ model, inputs, prompt, begin }) => {
      const completions = await answer(folder, model, prompt, sampling, given, out);
      const numTokens = completions.reduce((sum, { ids }) => sum + ids.length, 0);
      const numCut = completions.filter(({ finish_reason }) => finish_reason === 'length').length;
      const cut = numCut === 0 ? '' : `; ${numCut} of ${completions.length} cut at the limit`;
      out.status(`${numTokens} tokens in ${seconds(begin)}${cut}`);
      out.json({
        model: given.model,
        prompt_tokens: inputs.input_ids.length,
        grid_thw: inputs.video_grid_thw,
        resized: inputs.resized,
        frame_indices: inputs.frame_indices,
        second_per_grid_ts: inputs.second_per_grid_ts,
        sampling: { ...sampling, seed: given.seed },
        completions: completions.map(({ ids, logps, finish_reason }) => ({
          text: processor.tokenizer.decode(ids, { skip_special_tokens: true }),
          finish_reason,
          ids,
          logprobs: [...logps],
        })),
      });
    });
  },
};

/** Generate and print: one answer token by token; several would mix, so they appear whole and numbered at the end. */
async function answer(
  { processor, stop_token_ids, banned_token_ids }: ModelFolder,
  model: VideoLanguageModel,
  prompt: EncodedPrompt,
  sampling: SamplingOptions,
  given: Options,
  out: Output,
): Promise<Completion[]> {
  const { tokenizer } = processor;
  if (stop_token_ids.length === 0) out.warn(`${given.model} names no end token: answers run to their limit`);
  const isStreamed = given.numGenerations === 1;
  const stream = tokenizer.decodeStream({ skip_special_tokens: true });
  const completions = await generateGroup(model, prompt, {
    ...sampling,
    num_generations: given.numGenerations,
    max_completion_length: given.maxCompletionLength ?? given.maxNewTokens,
    stop_token_ids,
    banned_token_ids,
    generator: new Generator(given.seed),
    on_token: ({ id }) => isStreamed && out.write(stream.push(id)),
  });
  if (isStreamed) out.print(stream.end());
  else {
    for (const [index, { ids }] of completions.entries()) {
      out.print(`${out.bold(`[${index + 1}]`)} ${tokenizer.decode(ids, { skip_special_tokens: true })}`);
    }
  }
  return completions;
}

/** What was asked for, else what the folder says, else the plain distribution. */
function samplingOf(given: Options, generation: GenerationConfig): SamplingOptions {
  const isSampled = [given.temperature, given.topK, given.topP, given.minP].some(
    (value) => value !== undefined,
  );
  const temperature = given.temperature ?? generation.temperature;
  const repetition_penalty = given.repetitionPenalty ?? generation.repetition_penalty;
  const isGreedy =
    given.greedy === true || temperature === 0 || (!isSampled && generation.do_sample === false);
  if (isGreedy) return { greedy: true, repetition_penalty };
  return {
    temperature,
    top_k: given.topK ?? generation.top_k,
    top_p: given.topP ?? generation.top_p,
    min_p: given.minP,
    repetition_penalty,
  };
}

function describe({ greedy, ...sampling }: SamplingOptions): string {
  const parts = Object.entries(sampling)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key} ${value}`);
  return [greedy ? 'greedy' : 'sampling', ...parts].join(', ');
}
