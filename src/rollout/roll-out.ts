/** Completions of the prompts of a step, with their frames in order and, for temporal contrast, shuffled. */
import { deriveSeed, type Logger } from '../base/index.ts';
import type { EncodedPrompt, VideoLanguageModel } from '../models/index.ts';
import { emptyCache, Generator, isOutOfMemory, scope } from '../tensor/index.ts';
import { generateGroups } from './generate.ts';
import type { SamplingOptions } from './sampler.ts';
import { hasVideo, shuffleFrames } from './temporal-shuffle.ts';
import type { Completion, RolloutPrompt } from './types.ts';

export interface RollOutOptions {
  /** Keys of docs/training.md. */
  readonly config: SamplingOptions & {
    readonly num_generations: number;
    readonly max_completion_length: number;
    readonly seed: number;
  };
  readonly stop_token_ids: readonly number[];
  readonly banned_token_ids: readonly number[];
  /** Step of the run, which names the random streams. */
  readonly step: number;
  /** Is told when prompts that did not fit together are answered one by one. */
  readonly logger?: Logger | undefined;
}

/** @returns G completions of each prompt */
export async function rollOut(
  model: VideoLanguageModel,
  prompts: readonly RolloutPrompt[],
  options: RollOutOptions,
): Promise<Completion[][]> {
  return await draw(model, prompts, options, 'rollout', options.config.num_generations);
}

/**
 * The other half of T-GRPO's comparison: half as many completions as `rollOut` gives, as in Video-R1, each prompt's frames in
 * a random order.
 * @returns completions by the prompt's `stream`; prompts without a video have none
 */
export async function rollOutShuffled(
  model: VideoLanguageModel,
  prompts: readonly RolloutPrompt[],
  options: RollOutOptions,
): Promise<Map<number, Completion[]>> {
  const { config, step } = options;
  const shuffled = prompts
    .filter(({ inputs }) => hasVideo(inputs))
    .map(({ inputs, stream }) => ({
      stream,
      encoded: scope('shuffled prompt', () => {
        const seed = deriveSeed(config.seed, 'shuffle', step, stream);
        return model.encode(shuffleFrames(inputs, model.config, seed));
      }),
    }));
  try {
    const half = Math.max(1, Math.floor(config.num_generations / 2));
    const groups = await draw(model, shuffled, options, 'rollout-shuffled', half);
    return new Map(groups.map((completions, i) => [shuffled[i]!.stream, completions]));
  } finally {
    for (const { encoded } of shuffled) encoded.dispose();
  }
}

/** A prompt that is drawn for, and the name of its random stream. */
interface DrawnPrompt {
  readonly encoded: EncodedPrompt;
  readonly stream: number;
}

/** Completions do not depend on what else is drawn with them, so prompts that do not fit together are answered one by one. */
async function draw(
  model: VideoLanguageModel,
  prompts: readonly DrawnPrompt[],
  options: RollOutOptions,
  name: string,
  num_generations: number,
): Promise<Completion[][]> {
  try {
    return await drawTogether(model, prompts, options, name, num_generations);
  } catch (error) {
    if (!isOutOfMemory(error) || prompts.length < 2) throw error;
    options.logger?.warn({ err: error }, 'memory ran out; the prompts of this step are answered one by one');
  }
  const groups: Completion[][] = [];
  for (const prompt of prompts) {
    emptyCache(model.device);
    groups.push(...(await drawTogether(model, [prompt], options, name, num_generations)));
  }
  return groups;
}

async function drawTogether(
  model: VideoLanguageModel,
  prompts: readonly DrawnPrompt[],
  { config, step, stop_token_ids, banned_token_ids }: RollOutOptions,
  name: string,
  num_generations: number,
): Promise<Completion[][]> {
  if (prompts.length === 0) return [];
  const { max_completion_length, temperature, top_k, top_p, min_p, repetition_penalty } = config;
  return await generateGroups(
    model,
    prompts.map(({ encoded }) => encoded),
    {
      num_generations,
      max_completion_length,
      temperature,
      top_k,
      top_p,
      min_p,
      repetition_penalty,
      stop_token_ids,
      banned_token_ids,
      generators: prompts.map(({ stream }) => new Generator(deriveSeed(config.seed, name, step, stream))),
    },
  );
}
