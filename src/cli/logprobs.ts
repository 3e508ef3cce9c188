/**
 * `twgrpo logprobs`: the numbers behind an answer, for people and for a comparison with transformers: what the prompt became and the
 * log-probability of every token of a given completion.
 */

import type { Output } from '../base/index.ts';
import {
  type EncodedPrompt,
  type GenerationConfig,
  openModelFolder,
  type VideoLanguageModel,
} from '../models/index.ts';
import { generateGroup } from '../rollout/index.ts';
import { Generator } from '../tensor/index.ts';
import type { CommandDefinition } from './command.ts';
import { locateChoice } from './locate.ts';
import { seconds } from './model-options.ts';
import { wholeNumber } from './numbers.ts';
import { PRESETS_HELP, type PromptChoice, promptOptions, withPrompt } from './prompt-options.ts';

interface Options extends PromptChoice {
  readonly video: string;
  readonly completion: string;
  readonly greedy?: number;
}

const HELP = `
The prompt is one user turn, the video before the text, put through the folder's chat template with its default system
text. The completion is followed by the token that ends a turn, whose log-probability is the last one. --greedy adds what transformers'
generate(do_sample=False, max_new_tokens=N) adds: the repetition penalty and the end tokens of generation_config.json
hold, an end token is kept and ends it, nothing is banned.

With --json: {"prompt_tokens": 983, "grid_thw": [[t, h, w]], "resized": [height, width], "frame_indices": [...],
"frame_times": [seconds, ...], "completion_ids": [...], "completion_logprobs": [...], "greedy_ids": [...]}; greedy_ids only with --greedy.`;

export const logprobs: CommandDefinition = {
  examples: [
    'twgrpo logprobs --model models/Qwen2.5-VL-3B-Instruct --video clip.mp4 --prompt "What happens?" --completion "The cube falls." --json',
    'twgrpo logprobs --model models/a --video clip.mp4 --prompt "Why?" --completion "A" --dtype float32 --second-per-grid 1.0 --greedy 16 --json',
  ],
  configure: (command) => {
    command
      .requiredOption('--video <file>', 'a video, or a folder of frames')
      .requiredOption('--prompt <text>', 'the question')
      .requiredOption('--completion <text>', 'the answer to score')
      .option('--greedy <n>', 'also the n likeliest tokens, one after another', wholeNumber(1));
    promptOptions(command).addHelpText('after', `${HELP}\n${PRESETS_HELP}`);
  },
  run: async ({ options, out }) => {
    const given = options<Options>();
    const { at } = await locateChoice(given, out);
    const folder = openModelFolder(at.model, { notice: (text) => out.warn(text) });
    const { processor, generation } = folder;
    const { tokenizer } = processor;
    const ids = [...tokenizer.encode(given.completion), processor.endOfTurn.id];
    const request = { text: given.prompt, videos: [given.video] };
    const note = `, completion of ${ids.length}`;
    await withPrompt(folder, at, request, note, out, async ({ model, inputs, prompt, begin }) => {
      const [logps = []] = model.completionLogps(prompt, [ids]);
      const greedy_ids = given.greedy && (await greedyIds(model, prompt, generation, given.greedy));
      out.status(`computed in ${seconds(begin)}`);
      const token = (id: number) =>
        id < tokenizer.size ? JSON.stringify(tokenizer.decode([id])) : '(no token)';
      printTable(ids, logps, token, out);
      if (greedy_ids) out.print(`greedy  ${greedy_ids.map(token).join(' ')}`);
      out.json({
        prompt_tokens: inputs.input_ids.length,
        grid_thw: inputs.video_grid_thw,
        resized: inputs.resized[0],
        frame_indices: inputs.frame_indices[0],
        frame_times: inputs.frame_times[0],
        completion_ids: ids,
        completion_logprobs: logps,
        ...(greedy_ids ? { greedy_ids } : {}),
      });
    });
  },
};

/** What transformers' `generate(do_sample=False, max_new_tokens=count)` gives. */
async function greedyIds(
  model: VideoLanguageModel,
  prompt: EncodedPrompt,
  { eos_token_ids, repetition_penalty }: GenerationConfig,
  count: number,
): Promise<readonly number[]> {
  const [completion] = await generateGroup(model, prompt, {
    num_generations: 1,
    max_completion_length: count,
    stop_token_ids: eos_token_ids,
    banned_token_ids: [],
    greedy: true,
    repetition_penalty,
    generator: new Generator(0),
  });
  return completion?.ids ?? [];
}

function printTable(
  ids: readonly number[],
  logps: readonly number[],
  token: (id: number) => string,
  out: Output,
): void {
  out.print(out.bold('    id     log p        p  token'));
  for (const [index, id] of ids.entries()) {
    const logp = logps[index] ?? Number.NaN;
    const share = Math.exp(logp);
    out.print(
      `${String(id).padStart(6)}  ${logp.toFixed(4).padStart(8)}  ${share.toFixed(4).padStart(7)}  ${token(id)}`,
    );
  }
  const sum = logps.reduce((total, logp) => total + logp, 0);
  out.print(
    out.dim(
      `   sum  ${sum.toFixed(4).padStart(8)}  over ${ids.length} tokens, mean ${(sum / ids.length).toFixed(4)}`,
    ),
  );
}
