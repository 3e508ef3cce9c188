/**
 * From prompts to experience: G completions of each prompt, their texts, rewards and advantages.
 */

import { deriveSeed, TwgrpoError } from '../base/index.ts';
import type { Question } from '../data/index.ts';
import type { EncodedPrompt, PromptInputs, VideoLanguageModel } from '../models/index.ts';
import type { ReadyPrompt } from '../prompt/index.ts';
import {
  combineRewards,
  computeAdvantages,
  type NamedReward,
  type RewardInput,
  type ScaleRewards,
  scoreRewards,
  temporalContrast,
} from '../rl/index.ts';
import { Generator, scope } from '../tensor/index.ts';
import { type Completion, generateGroups } from './generate.ts';
import type { SamplingOptions } from './sampler.ts';
import { hasVideo, shuffleFrames } from './temporal-shuffle.ts';

/** One prompt with its scored completions: what the update learns from. */
export interface PolicyGroup {
  /** Vision features are constants here; `inputs` gives them a gradient where the tower trains. */
  readonly prompt: EncodedPrompt;
  readonly inputs: PromptInputs;
  readonly completions: readonly (readonly number[])[];
  readonly truncated: readonly boolean[];
  readonly advantages: readonly number[];
}

/** What of a run's configuration decides over its rollouts; the keys of docs/training.md. */
export interface RolloutConfig extends SamplingOptions {
  readonly num_generations: number;
  readonly max_completion_length: number;
  readonly seed: number;
  readonly reward_weights?: readonly number[] | undefined;
  readonly scale_rewards: ScaleRewards;
  readonly temporal_contrast: boolean;
  readonly temporal_contrast_bonus: number;
}

/** One completion with all that is known of it. */
export interface ScoredCompletion {
  readonly ids: readonly number[];
  readonly text: string;
  readonly truncated: boolean;
  /** Under the policy that sampled it. */
  readonly logps: Float32Array;
  /** In the order of `reward_funcs`; NaN where a function could not judge. */
  readonly rewards: readonly number[];
  /** Weighted sum of `rewards`, with the bonus of temporal contrast. */
  readonly reward: number;
  readonly advantage: number;
}

/** How the group did against its frames in random order. */
export interface ContrastResult {
  readonly is_temporal: boolean;
  /** Mean of the first reward function, frames in order and shuffled. */
  readonly ordered: number;
  readonly shuffled: number;
  /** Added to each completion's reward. */
  readonly bonuses: readonly number[];
}

export interface ExperienceGroup extends PolicyGroup {
  readonly question: Question;
  readonly scored: readonly ScoredCompletion[];
  readonly reward_mean: number;
  readonly reward_std: number;
  readonly is_zero_std: boolean;
  /** Absent without `temporal_contrast`, and for prompts without a video. */
  readonly contrast?: ContrastResult | undefined;
}

/** A prompt on its way through a step. */
export interface PromptEntry {
  readonly ready: ReadyPrompt;
  readonly encoded: EncodedPrompt;
  /** Differs from that of every other prompt of the step; names its random streams. */
  readonly stream: number;
}

export interface ExperienceOptions {
  readonly config: RolloutConfig;
  readonly rewards: readonly NamedReward[];
  readonly stop_token_ids: readonly number[];
  readonly banned_token_ids: readonly number[];
  readonly decode: (ids: readonly number[]) => string;
  /** Step of the run, which names the random streams. */
  readonly step: number;
}

/** Completions of one prompt with its frames in order and, for temporal contrast, shuffled. */
export interface Rollout {
  readonly completions: readonly Completion[];
  readonly shuffled?: readonly Completion[] | undefined;
}

/** Completions of every prompt, not scored yet. */
export async function rollOut(
  model: VideoLanguageModel,
  entries: readonly PromptEntry[],
  options: ExperienceOptions,
): Promise<Rollout[]> {
  const { config } = options;
  const ordered = await generate(model, entries, options, 'rollout', config.num_generations);
  if (!config.temporal_contrast) return ordered.map((completions) => ({ completions }));

  const withVideo = entries.filter(({ ready }) => hasVideo(ready.inputs));
  const twins = withVideo.map(({ ready, stream }) => ({
    stream,
    encoded: scope('shuffled prompt', () => {
      const seed = deriveSeed(config.seed, 'shuffle', options.step, stream);
      return model.encode(shuffleFrames(ready.inputs, model.config, seed));
    }),
  }));
  try {
    // Video-R1 takes half as many completions for the comparison.
    const half = Math.max(1, Math.floor(config.num_generations / 2));
    const shuffled = await generate(model, twins, options, 'rollout-shuffled', half);
    const ofStream = new Map(twins.map(({ stream }, i) => [stream, shuffled[i]!]));
    return ordered.map((completions, i) => ({ completions, shuffled: ofStream.get(entries[i]!.stream) }));
  } finally {
    for (const { encoded } of twins) encoded.dispose();
  }
}

async function generate(
  model: VideoLanguageModel,
  prompts: readonly Pick<PromptEntry, 'encoded' | 'stream'>[],
  { config, step, stop_token_ids, banned_token_ids }: ExperienceOptions,
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

/** Rewards and advantages of completions that were rolled out together. */
export async function score(
  entries: readonly PromptEntry[],
  rollouts: readonly Rollout[],
  options: ExperienceOptions,
): Promise<ExperienceGroup[]> {
  const { config, rewards, decode } = options;
  const { num_generations, scale_rewards } = config;
  const inputs = entries.map(({ ready }, p) => rewardInputs(ready, rollouts[p]!.completions, decode));
  const rewards_FN = await rewardsOf(rewards, inputs.flat());
  const contrasts = await contrast(entries, rollouts, rewards_FN[0]!, options);
  const totals = combineRewards(rewards_FN, config.reward_weights).map((total, n) => {
    const bonuses = contrasts[Math.floor(n / num_generations)]?.bonuses;
    return total + (bonuses?.[n % num_generations] ?? 0);
  });
  const { advantages, group_means, group_stds, is_zero_std } = computeAdvantages(totals, {
    num_generations,
    scale_rewards,
  });
  return entries.map(({ ready, encoded }, p) => {
    const scored = rollouts[p]!.completions.map((completion, g): ScoredCompletion => {
      const n = p * num_generations + g;
      return {
        ids: completion.ids,
        text: inputs[p]![g]!.completion,
        truncated: completion.finish_reason === 'length',
        logps: completion.logps,
        rewards: rewards_FN.map((row) => row[n]!),
        reward: totals[n]!,
        advantage: advantages[n]!,
      };
    });
    return {
      question: ready.question,
      inputs: ready.inputs,
      prompt: encoded,
      completions: scored.map(({ ids }) => ids),
      truncated: scored.map(({ truncated }) => truncated),
      advantages: scored.map(({ advantage }) => advantage),
      scored,
      reward_mean: group_means[p]!,
      reward_std: group_stds[p]!,
      is_zero_std: is_zero_std[p]!,
      contrast: contrasts[p],
    };
  });
}

function rewardInputs(
  { question }: ReadyPrompt,
  completions: readonly Completion[],
  decode: ExperienceOptions['decode'],
): RewardInput[] {
  return completions.map(({ ids, finish_reason }) => ({
    completion: decode(ids),
    prompt: question.problem,
    solution: question.solution,
    options: question.options,
    completion_ids: ids,
    truncated: finish_reason === 'length',
    item: question.item,
  }));
}

/**
 * T-GRPO's comparison for each prompt that was also rolled out with shuffled frames, on the first of `reward_funcs` as in
 * Video-R1. Completions it could not judge take no part and earn no bonus.
 */
async function contrast(
  entries: readonly PromptEntry[],
  rollouts: readonly Rollout[],
  accuracy_N: readonly number[],
  { config, rewards, decode }: ExperienceOptions,
): Promise<(ContrastResult | undefined)[]> {
  const inputs = entries.map(({ ready }, p) => rewardInputs(ready, rollouts[p]!.shuffled ?? [], decode));
  const flat = inputs.flat();
  if (flat.length === 0) return entries.map(() => undefined);
  const [shuffled_N = []] = await rewardsOf(rewards.slice(0, 1), flat);
  let at = 0;
  return inputs.map((own, p) => {
    const judged = (values: readonly number[]) => values.filter((value) => !Number.isNaN(value));
    const G = config.num_generations;
    const ordered = accuracy_N.slice(p * G, (p + 1) * G);
    const shuffled = judged(shuffled_N.slice(at, at + own.length));
    at += own.length;
    const right = judged(ordered);
    if (right.length === 0 || shuffled.length === 0) return undefined;
    const { bonuses, is_temporal } = temporalContrast(right, shuffled, {
      bonus: config.temporal_contrast_bonus,
    });
    const rest = [...bonuses];
    return {
      is_temporal,
      ordered: average(right),
      shuffled: average(shuffled),
      bonuses: ordered.map((value) => (Number.isNaN(value) ? 0 : rest.shift()!)),
    };
  });
}

/** Rewards in rows of functions; what a function returned wrongly is an error of the run, not of our code. */
async function rewardsOf(rewards: readonly NamedReward[], inputs: readonly RewardInput[]) {
  try {
    return await scoreRewards(rewards, inputs);
  } catch (error) {
    if (!(error instanceof TwgrpoError)) throw error;
    throw new TwgrpoError(error.message, { hint: error.hint, cause: error });
  }
}

function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
