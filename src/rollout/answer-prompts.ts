/** One answer to each of several prompts that run together: held-out questions in training, and evaluation. */
import { promptSeed } from '../base/index.ts';
import type { PromptInputs, VideoLanguageModel } from '../models/index.ts';
import { Generator, scope } from '../tensor/index.ts';
import { type GenerateOptions, generateGroups } from './generate.ts';
import type { SamplingOptions } from './sampler.ts';
import type { Completion } from './types.ts';

export interface AnswerOptions
  extends Pick<GenerateOptions, 'max_completion_length' | 'stop_token_ids' | 'banned_token_ids'> {
  readonly model: VideoLanguageModel;
  readonly sampling: SamplingOptions;
  /** Used where sampling is not greedy. @default 0 */
  readonly seed?: number | undefined;
}

/**
 * @param prompts `id` names the random draws, so that an answer does not depend on its neighbours; `inputs` is called in a scope of
 *   its own, so pixels that it makes are freed once the tower has seen them
 * @returns a completion for each prompt, in order
 */
export async function answerPrompts(
  prompts: readonly { readonly id: string; readonly inputs: () => PromptInputs }[],
  { model, sampling, seed = 0, ...options }: AnswerOptions,
): Promise<Completion[]> {
  const { max_completion_length, stop_token_ids, banned_token_ids } = options;
  if (prompts.length === 0) return [];
  const encoded: ReturnType<typeof model.encode>[] = [];
  try {
    for (const { inputs } of prompts) encoded.push(scope('answer: encode', () => model.encode(inputs())));
    const groups = await generateGroups(model, encoded, {
      ...sampling,
      ...{ num_generations: 1, max_completion_length, stop_token_ids, banned_token_ids },
      generators: prompts.map(({ id }) => new Generator(promptSeed(seed, id))),
    });
    return groups.map(([completion]) => completion!);
  } finally {
    for (const prompt of encoded) prompt.dispose();
  }
}
