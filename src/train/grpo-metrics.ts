/**
 * What is logged of a GRPO step, under TRL's keys where TRL has one
 * (huggingface/trl `docs/source/grpo_trainer.md`, "Logged metrics").
 */
import { answerStatistics, parseAnswer, parseSolution, rewardStatistics } from '../rl/index.ts';
import { type MetricAccumulator, max, mean, min, sum } from '../run/index.ts';
import type { GrpoConfig } from './config.ts';
import type { ExperienceGroup } from './experience.ts';
import type { GroupUpdate } from './policy-update.ts';

/** Figures of the completions and their rewards. */
export function addExperienceMetrics(
  metrics: MetricAccumulator,
  groups: readonly ExperienceGroup[],
  rewardNames: readonly string[],
  config: GrpoConfig,
): void {
  const completions = groups.flatMap((group) =>
    group.scored.map((one) => ({ ...one, question: group.question })),
  );
  const lengths = completions.map(({ ids }) => ids.length);
  const finished = completions.filter(({ truncated }) => !truncated).map(({ ids }) => ids.length);
  metrics.add('completions/mean_length', mean(lengths));
  metrics.add('completions/min_length', min(lengths));
  metrics.add('completions/max_length', max(lengths));
  metrics.add('completions/clipped_ratio', mean(completions.map(({ truncated }) => (truncated ? 1 : 0))));
  if (finished.length > 0) {
    metrics.add('completions/mean_terminated_length', mean(finished));
    metrics.add('completions/min_terminated_length', min(finished));
    metrics.add('completions/max_terminated_length', max(finished));
  }
  metrics.add(
    'completions/unique_ratio',
    mean(groups.map(({ scored }) => new Set(scored.map(({ ids }) => ids.join(' '))).size / scored.length)),
  );

  const rewards = completions.map(({ reward }) => reward).filter((reward) => !Number.isNaN(reward));
  metrics.add('reward', mean(rewards));
  metrics.add('reward_std', mean(groups.map(({ reward_std }) => reward_std)));
  metrics.add('frac_reward_zero_std', mean(groups.map(({ is_zero_std }) => (is_zero_std ? 1 : 0))));
  rewardNames.forEach((name, f) => {
    const statistics = rewardStatistics(completions.map((completion) => completion.rewards[f]!));
    if (!Number.isNaN(statistics.mean)) {
      metrics.add(`rewards/${name}/mean`, mean(statistics.mean));
      metrics.add(`rewards/${name}/std`, mean(statistics.std));
    }
  });

  const answers = answerStatistics(
    completions.map(({ text, question }) =>
      parseAnswer(text, { parser: config.answer_parser, options: question.options }),
    ),
    completions.map(({ question }) => parseSolution(question.solution)),
  );
  for (const [key, value] of Object.entries(answers))
    if (!Number.isNaN(value)) metrics.add(`answers/${key}`, mean(value));
}

/** Figures of the loss of one group; means are weighted by its tokens. */
export function addUpdateMetrics(metrics: MetricAccumulator, update: GroupUpdate): void {
  const { weights, num_loss_tokens, entropy, ...policy } = update.metrics;
  metrics.add('loss', sum(update.loss));
  metrics.add('entropy', mean(entropy, Math.max(num_loss_tokens, 1)));
  for (const [key, value] of Object.entries(policy)) {
    if (Number.isNaN(value)) continue;
    metrics.add(key, key === 'ratio/max' ? max(value) : mean(value, Math.max(num_loss_tokens, 1)));
  }
  metrics.add('token_weight/mean', mean(weights.mean));
  metrics.add('token_weight/max', max(weights.max));
  metrics.add('token_weight/tokens_all_alive', mean(weights.tokens_all_alive));
  metrics.add('token_weight/weight_all_alive', mean(weights.weight_all_alive));
  if (!Number.isNaN(weights.excess_all_alive))
    metrics.add('token_weight/excess_all_alive', mean(weights.excess_all_alive));
}

/** Wall time by phase, so that a step can say where it went. */
export class PhaseClock {
  readonly #seconds = new Map<string, number>();
  #phase: string | undefined;
  #since = 0;

  /** Ends the running phase and begins another; undefined only ends. */
  enter(phase: string | undefined): void {
    const now = performance.now();
    if (this.#phase !== undefined)
      this.#seconds.set(this.#phase, (this.#seconds.get(this.#phase) ?? 0) + (now - this.#since) / 1000);
    this.#phase = phase;
    this.#since = now;
  }

  /** Seconds of each phase since the last call. */
  take(): ReadonlyMap<string, number> {
    this.enter(this.#phase);
    const seconds = new Map(this.#seconds);
    this.#seconds.clear();
    return seconds;
  }
}
