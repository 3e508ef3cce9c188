/** Answers to several prompts that run together: held-out questions in training, and evaluation. */
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

/** A prompt and the name of its question. */
interface AskedPrompt {
  readonly id: string;
  readonly inputs: () => PromptInputs;
}

/** One completion for each prompt, in order. See `answerGroups`. */
export async function answerPrompts(
  prompts: readonly AskedPrompt[],
  options: AnswerOptions,
): Promise<Completion[]> {
  const groups = await answerGroups(prompts, { ...options, num_generations: 1 });
  return groups.map(([completion]) => completion!);
}

/**
 * Completions of prompts that are computed once each.
 * @param prompts `id` names the random draws, so that an answer does not depend on its neighbours; `inputs` is called in a scope of
 *   its own, so pixels that it makes are freed once the tower has seen them
 * @returns a group of `num_generations` for each prompt, in order
 */
export async function answerGroups(
  prompts: readonly AskedPrompt[],
  { model, sampling, seed = 0, ...options }: AnswerOptions & Pick<GenerateOptions, 'num_generations'>,
): Promise<Completion[][]> {
  const { num_generations, max_completion_length, stop_token_ids, banned_token_ids } = options;
  if (prompts.length === 0) return [];
  const encoded: ReturnType<typeof model.encode>[] = [];
  try {
    for (const { inputs } of prompts) encoded.push(scope('answer: encode', () => model.encode(inputs())));
    return await generateGroups(model, encoded, {
      ...sampling,
      ...{ num_generations, max_completion_length, stop_token_ids, banned_token_ids },
      generators: prompts.map(({ id }) => new Generator(promptSeed(seed, id))),
    });
  } finally {
    for (const prompt of encoded) prompt.dispose();
  }
}
