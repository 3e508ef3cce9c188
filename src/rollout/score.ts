/** Rewards and advantages of completions that were rolled out together, one group a prompt. */
import type { AnswerParser } from '../answers/index.ts';
import { itemTask, solutionText, truthOf } from '../data/index.ts';
import {
  combineRewards,
  computeAdvantages,
  type NamedReward,
  type RewardInput,
  type ScaleRewards,
  scoreRewards,
  temporalContrast,
} from '../rl/index.ts';
import { type ReadOptions, readCompletion } from './read-completion.ts';
import type { Completion, Rollout, RolloutGroup, RolloutPrompt } from './types.ts';

export interface ScoreOptions {
  /** Keys of docs/training.md. */
  readonly config: {
    readonly answer_parser: AnswerParser;
    readonly reward_weights?: readonly number[] | undefined;
    readonly scale_rewards: ScaleRewards;
    readonly temporal_contrast_bonus: number;
  };
  readonly rewards: readonly NamedReward[];
  readonly tokenizer: ReadOptions['tokenizer'];
  readonly opening?: ReadOptions['opening'];
  /** The rewards of all ranks that score prompts of this batch. @default those of these prompts */
  readonly rewardsOfBatch?: ((own: readonly number[]) => Promise<readonly number[]>) | undefined;
}

/**
 * @param drawn completions of each prompt, [P][G]
 * @param shuffled completions with the frames in random order, by the prompt's `stream`; empty without temporal contrast
 * @throws TwgrpoError for what a reward function returned
 */
export async function score(
  prompts: readonly RolloutPrompt[],
  drawn: readonly (readonly Completion[])[],
  shuffled: ReadonlyMap<number, readonly Completion[]>,
  { config, rewards, tokenizer, opening, rewardsOfBatch }: ScoreOptions,
): Promise<RolloutGroup[]> {
  const { answer_parser, reward_weights, scale_rewards, temporal_contrast_bonus: bonus } = config;
  const read = (prompt: RolloutPrompt, completions: readonly Completion[] = []) =>
    completions.map((one) => ({
      ...one,
      ...readCompletion(one, prompt.question, { tokenizer, answer_parser, opening }),
    }));
  const read_PG = prompts.map((prompt, p) => read(prompt, drawn[p]));
  const rewards_PGF = await scoreRewards(rewards, inputsOf(prompts, read_PG));
  // On the first of `reward_funcs`, as in Video-R1.
  const shuffled_PG = prompts.map((prompt) => read(prompt, shuffled.get(prompt.stream)));
  const shuffledRewards_PGF = await scoreRewards(rewards.slice(0, 1), inputsOf(prompts, shuffled_PG));
  const contrasts = prompts.map((_, p) => {
    const firsts = (group: readonly (readonly number[])[]) => group.map(([first = Number.NaN]) => first);
    return temporalContrast(firsts(rewards_PGF[p]!), firsts(shuffledRewards_PGF[p]!), { bonus });
  });
  const totals_PG = rewards_PGF.map((group, p) =>
    group.map((rewards_F, g) => combineRewards(rewards_F, reward_weights) + (contrasts[p]?.bonuses[g] ?? 0)),
  );
  const batch = scale_rewards === 'batch' ? await rewardsOfBatch?.(totals_PG.flat()) : undefined;
  const statistics = computeAdvantages(totals_PG, { scale_rewards, batch });
  return prompts.map((prompt, p) => {
    const { advantages, std, is_zero_std } = statistics[p]!;
    const contrast = contrasts[p];
    return {
      prompt,
      rollouts: read_PG[p]!.map((one, g) => ({
        ...one,
        rewards: rewards_PGF[p]![g]!,
        temporal_bonus: contrast?.bonuses[g],
        reward: totals_PG[p]![g]!,
        advantage: advantages[g]!,
      })),
      reward_std: std,
      is_zero_std,
      contrast,
    };
  });
}

/** What reward functions see of a rollout. */
type Judged = Pick<Rollout, 'text' | 'answer' | 'ids' | 'finish_reason'>;

function inputsOf(
  prompts: readonly RolloutPrompt[],
  read_PG: readonly (readonly Judged[])[],
): RewardInput[][] {
  return prompts.map((prompt, p) => read_PG[p]!.map((one) => rewardInput(prompt, one)));
}

function rewardInput({ question, text: prompt }: RolloutPrompt, one: Judged): RewardInput {
  const { item, options } = question;
  return {
    completion: one.text,
    prompt,
    solution: solutionText(truthOf(item)),
    task: itemTask(item),
    options,
    answer: one.answer,
    truth: item.answer,
    completion_ids: one.ids,
    truncated: one.finish_reason === 'length',
    item,
  };
}
