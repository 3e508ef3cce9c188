/**
 * From prompts to experience: G completions of each prompt, their texts, rewards and advantages.
 */
import type { EncodedPrompt, Qwen2_5VL } from '../models/index.ts';
import {
  combineRewards,
  computeAdvantages,
  type NamedReward,
  type RewardInput,
  scoreRewards,
} from '../rl/index.ts';
import { generateGroups, type Question, type ReadyPrompt } from '../rollout/index.ts';
import { Generator } from '../tensor/index.ts';
import type { GrpoConfig } from './config.ts';
import type { PolicyGroup } from './policy-update.ts';
import { deriveSeed } from './seeds.ts';

/** One completion with all that is known of it. */
export interface ScoredCompletion {
  readonly ids: readonly number[];
  readonly text: string;
  readonly truncated: boolean;
  /** Under the policy that sampled it. */
  readonly logps: Float32Array;
  /** In the order of `reward_funcs`; NaN where a function could not judge. */
  readonly rewards: readonly number[];
  readonly reward: number;
  readonly advantage: number;
}

export interface ExperienceGroup extends PolicyGroup {
  readonly question: Question;
  readonly scored: readonly ScoredCompletion[];
  readonly reward_mean: number;
  readonly reward_std: number;
  readonly is_zero_std: boolean;
}

export interface ExperienceOptions {
  readonly config: GrpoConfig;
  readonly rewards: readonly NamedReward[];
  readonly stop_token_ids: readonly number[];
  readonly banned_token_ids: readonly number[];
  readonly decode: (ids: readonly number[]) => string;
  /** Names the random streams: `step` of the run and a number that differs within it. */
  readonly step: number;
  readonly firstStream: number;
}

/** Completions of every prompt, not scored yet. */
export async function rollOut(
  model: Qwen2_5VL,
  prompts: readonly { readonly ready: ReadyPrompt; readonly encoded: EncodedPrompt }[],
  options: ExperienceOptions,
) {
  const { config, step, firstStream } = options;
  return await generateGroups(
    model,
    prompts.map(({ encoded }) => encoded),
    {
      num_generations: config.num_generations,
      max_completion_length: config.max_completion_length,
      temperature: config.temperature,
      top_k: config.top_k,
      top_p: config.top_p,
      min_p: config.min_p,
      repetition_penalty: config.repetition_penalty,
      stop_token_ids: options.stop_token_ids,
      banned_token_ids: options.banned_token_ids,
      generators: prompts.map(
        (_, i) => new Generator(deriveSeed(config.seed, 'rollout', step, firstStream + i)),
      ),
    },
  );
}

/** Rewards and advantages of completions that were rolled out together. */
export async function score(
  prompts: readonly { readonly ready: ReadyPrompt; readonly encoded: EncodedPrompt }[],
  completions: Awaited<ReturnType<typeof rollOut>>,
  { config, rewards, decode }: ExperienceOptions,
): Promise<ExperienceGroup[]> {
  const texts = completions.map((group) => group.map(({ ids }) => decode(ids)));
  const inputs: RewardInput[] = prompts.flatMap(({ ready: { question } }, p) =>
    completions[p]!.map((completion, g) => ({
      completion: texts[p]![g]!,
      prompt: question.problem,
      solution: question.solution,
      options: question.options,
      completion_ids: completion.ids,
      truncated: completion.finish_reason === 'length',
      item: question.item,
    })),
  );
  const rewards_FN = await scoreRewards(rewards, inputs);
  const totals = combineRewards(rewards_FN, config.reward_weights);
  const { num_generations, scale_rewards } = config;
  const { advantages, group_means, group_stds, is_zero_std } = computeAdvantages(totals, {
    num_generations,
    scale_rewards,
  });
  return prompts.map(({ ready, encoded }, p) => {
    const scored = completions[p]!.map((completion, g): ScoredCompletion => {
      const n = p * num_generations + g;
      return {
        ids: completion.ids,
        text: texts[p]![g]!,
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
    };
  });
}
