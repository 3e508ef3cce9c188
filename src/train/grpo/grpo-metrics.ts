/**
 * What is logged of a GRPO step, under TRL's keys where TRL has one
 * (huggingface/trl `docs/source/grpo_trainer.md`, "Logged metrics"). The table in docs/training.md says what each means.
 */
import { answerStatistics } from '../../answers/index.ts';
import { itemTask } from '../../data/index.ts';
import { type ChunkedLoss, rewardStatistics } from '../../rl/index.ts';
import type { Rollout } from '../../rollout/index.ts';
import { type MetricAccumulator, max, mean, min, sum } from '../../run/index.ts';
import type { GrpoConfig } from '../config/config.ts';
import type { LearnedGroup } from './learned-group.ts';

/** Figures of the completions and their rewards. */
export function addExperienceMetrics(
  metrics: MetricAccumulator,
  groups: readonly LearnedGroup[],
  rewardNames: readonly string[],
  config: Pick<GrpoConfig, 'scale_rewards'>,
): void {
  const completions = groups.flatMap(({ rollouts }) => rollouts);
  const lengths = completions.map(({ ids }) => ids.length);
  const isCut = completions.map(({ finish_reason }) => finish_reason === 'length');
  const finished = lengths.filter((_, i) => !isCut[i]);
  metrics.add('completions/mean_length', mean(lengths));
  metrics.add('completions/min_length', min(lengths));
  metrics.add('completions/max_length', max(lengths));
  metrics.add('completions/clipped_ratio', mean(isCut.map(Number)));
  if (finished.length > 0) {
    metrics.add('completions/mean_terminated_length', mean(finished));
    metrics.add('completions/min_terminated_length', min(finished));
    metrics.add('completions/max_terminated_length', max(finished));
  }
  metrics.add(
    'completions/unique_ratio',
    mean(
      groups.map(({ rollouts }) => new Set(rollouts.map(({ ids }) => ids.join(' '))).size / rollouts.length),
    ),
  );

  const rewards = completions.map(({ reward }) => reward).filter((reward) => !Number.isNaN(reward));
  metrics.add('reward', mean(rewards));
  // As TRL: the deviation that advantages are divided by, or would be.
  metrics.add(
    'reward_std',
    config.scale_rewards === 'batch'
      ? mean(rewardStatistics(rewards).std)
      : mean(groups.map(({ reward_std }) => reward_std)),
  );
  metrics.add('frac_reward_zero_std', mean(groups.map(({ is_zero_std }) => (is_zero_std ? 1 : 0))));
  rewardNames.forEach((name, f) => {
    const statistics = rewardStatistics(completions.map((completion) => completion.rewards[f]!));
    if (!Number.isNaN(statistics.mean)) {
      metrics.add(`rewards/${name}/mean`, mean(statistics.mean));
      metrics.add(`rewards/${name}/std`, mean(statistics.std));
    }
    const unjudged = completions.filter(({ rewards }) => Number.isNaN(rewards[f]!)).length;
    if (unjudged > 0) metrics.add(`rewards/${name}/unjudged`, sum(unjudged));
  });

  addTaskMetrics(metrics, groups, rewardNames);
  const choices = groups.filter(({ prompt }) => prompt.question.options.length > 0);
  const answers = answerStatistics(
    choices.flatMap(({ rollouts }) => rollouts.map(({ answer }) => answer)),
    choices.flatMap(({ prompt, rollouts }) => rollouts.map(() => prompt.question.item.answer)),
  );
  for (const [key, value] of Object.entries(answers))
    if (!Number.isNaN(value)) metrics.add(`answers/${key}`, mean(value));

  for (const { contrast, rollouts } of groups) {
    if (contrast === undefined) continue;
    metrics.add('temporal_contrast/passed', mean(contrast.is_temporal ? 1 : 0));
    metrics.add('temporal_contrast/ordered', mean(contrast.ordered));
    metrics.add('temporal_contrast/shuffled', mean(contrast.shuffled));
    metrics.add('temporal_contrast/bonus', mean(rollouts.map(({ temporal_bonus = 0 }) => temporal_bonus)));
  }
}

/** Means of the reward by kind of question, and of the whole by the items' `data_source`. */
function addTaskMetrics(
  metrics: MetricAccumulator,
  groups: readonly LearnedGroup[],
  rewardNames: readonly string[],
): void {
  const add = (key: string, values: readonly number[]): void => {
    const judged = values.filter((value) => !Number.isNaN(value));
    if (judged.length > 0) metrics.add(key, mean(judged));
  };
  const f = rewardNames.indexOf('task');
  const tasks = new Set(f < 0 ? [] : groups.map(({ prompt }) => itemTask(prompt.question.item)));
  for (const task of tasks) {
    const own = groups.filter(({ prompt }) => itemTask(prompt.question.item) === task);
    add(
      `rewards/task/${task.replaceAll(' ', '_')}/mean`,
      own.flatMap(({ rollouts }) => rollouts.map(({ rewards }) => rewards[f]!)),
    );
  }
  const sourceOf = ({ prompt }: LearnedGroup): unknown => prompt.question.item.provenance['data_source'];
  const sources = new Set(groups.map(sourceOf).filter((name) => typeof name === 'string' && name !== ''));
  for (const source of sources) {
    const own = groups.filter((group) => sourceOf(group) === source);
    add(
      `reward/source/${source}`,
      own.flatMap(({ rollouts }) => rollouts.map(({ reward }) => reward)),
    );
  }
}

/** Keys whose value over groups and iterations is their extreme, not their mean. */
const EXTREMES: Readonly<Record<string, typeof max | typeof min>> = {
  'ratio/max': max,
  'clip_ratio/low_min': min,
  'clip_ratio/high_max': max,
};

/**
 * Figures of the loss of one group; means are weighted by its tokens.
 * @param share of this update in the step: 1 / num_iterations, so that `loss` is the mean over iterations
 */
export function addUpdateMetrics(
  metrics: MetricAccumulator,
  update: Pick<ChunkedLoss, 'loss' | 'metrics'>,
  share: number,
): void {
  const { weights, num_loss_tokens, entropy, ...policy } = update.metrics;
  const weight = Math.max(num_loss_tokens, 1);
  metrics.add('loss', sum(update.loss * share));
  metrics.add('entropy', mean(entropy, weight));
  for (const [key, value] of Object.entries(policy)) {
    if (Number.isNaN(value)) continue;
    metrics.add(key, EXTREMES[key]?.(value) ?? mean(value, weight));
  }
  metrics.add('token_weight/mean', mean(weights.mean));
  metrics.add('token_weight/max', max(weights.max));
  metrics.add('token_weight/tokens_all_alive', mean(weights.tokens_all_alive));
  metrics.add('token_weight/weight_all_alive', mean(weights.weight_all_alive));
  if (!Number.isNaN(weights.excess_all_alive))
    metrics.add('token_weight/excess_all_alive', mean(weights.excess_all_alive));
}

/** How far the log-probabilities of sampling lie from those of scoring: rounding only, else something is wrong. */
export function addSamplingGap(
  metrics: MetricAccumulator,
  rollouts: readonly Pick<Rollout, 'logps' | 'update'>[],
): void {
  const gaps = rollouts.flatMap(({ logps, update }) =>
    update === undefined ? [] : Array.from(logps, (value, t) => Math.abs(value - update.logps[t]!)),
  );
  metrics.add('sampling/sampling_logp_difference/mean', mean(gaps));
  metrics.add('sampling/sampling_logp_difference/max', max(gaps.reduce((a, b) => Math.max(a, b), 0)));
}
