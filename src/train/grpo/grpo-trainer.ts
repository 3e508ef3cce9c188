/**
 * One GRPO step: take prompts, roll out groups, score them, update the policy, write down what happened.
 *
 * A step is `prompts_per_micro_batch * gradient_accumulation_steps` prompts with `num_generations` completions
 * each. All groups of a step are rolled out before the update, because the loss may be normalised by all their tokens.
 * With `num_iterations` above 1 the step makes that many updates at one learning rate.
 *
 * Source: arXiv 2402.03300 (GRPO), 2505.24718 (TW-GRPO).
 */

import type { Logger } from '../../base/index.ts';
import type { VideoLanguageModel } from '../../models/index.ts';
import type { ReadyPrompt } from '../../prompt/index.ts';
import type { ChunkedLoss, LossScale, NamedReward } from '../../rl/index.ts';
import {
  type ReadOptions,
  type Rollout,
  type RolloutGroup,
  type RolloutPrompt,
  rollOut,
  rollOutShuffled,
  score,
} from '../../rollout/index.ts';
import { last, type MetricAccumulator, sum } from '../../run/index.ts';
import { dispose, keep, liveTensors, noGrad, scope, type Tensor } from '../../tensor/index.ts';
import type { GrpoConfig } from '../config/config.ts';
import type { StepOutcome, StepReport, Trainer, TrainerParts } from '../loop/run-loop.ts';
import { scheduledAt } from '../optim/schedule.ts';
import type { UpdateOptions } from '../optim/update.ts';
import { addExperienceMetrics, addSamplingGap, addUpdateMetrics } from './grpo-metrics.ts';
import { accumulateGroupGradient, type FixedLogps, scoreCompletions } from './policy-update.ts';

/** Gives prompts in the order of training; waits for decoding where it must. */
export interface PromptSource {
  /** The next `count` prompts. The caller disposes them. */
  next(count: number): Promise<ReadyPrompt[]>;
  /** Begins to load the `count` prompts after those, without waiting. */
  prefetch(count: number): void;
}

export interface GrpoTrainerParts extends TrainerParts {
  readonly config: GrpoConfig;
  /** A frozen copy of the start, for `beta > 0` without an adapter. */
  readonly reference?: VideoLanguageModel | undefined;
  readonly prompts: PromptSource;
  /** Frames that stay in memory between steps. */
  readonly frames: { readonly numKept: number };
  readonly rewards: readonly NamedReward[];
  readonly stop_token_ids: readonly number[];
  readonly banned_token_ids: readonly number[];
  readonly tokenizer: ReadOptions['tokenizer'];
  readonly logger: Logger;
  /** Called with the scored groups of every step, before the update. */
  readonly onExperience?: ((groups: readonly RolloutGroup[]) => void) | undefined;
}

export interface GrpoStepReport extends StepReport {
  /** What the step learned from; every rollout has its `update`. */
  readonly groups: readonly RolloutGroup[];
}

export class GrpoTrainer implements Trainer<Pick<GrpoStepReport, 'groups'>> {
  readonly #parts: GrpoTrainerParts;

  constructor(parts: GrpoTrainerParts) {
    this.#parts = parts;
  }

  /** One step: `num_iterations` updates on fresh completions. */
  async trainStep(
    step: number,
    metrics: MetricAccumulator,
  ): Promise<StepOutcome<Pick<GrpoStepReport, 'groups'>>> {
    const { config, rewards, clock, length, onExperience } = this.#parts;
    const { experience, newTokens, release } = await this.#collect(step, metrics);
    try {
      clock.enter('metrics');
      const names = rewards.map(({ name }) => name);
      addExperienceMetrics(metrics, experience, names, config);
      onExperience?.(experience);
      const learning_rate = scheduledAt(config.learning_rate, length.position(step), config);
      metrics.add('learning_rate', last(learning_rate));
      const groups = await this.#update(experience, { step: step + 1, rates: { learning_rate }, metrics });
      return { counts: { tokens: newTokens }, details: { groups } };
    } finally {
      release();
    }
  }

  /** Prompts and their scored completions; groups without signal are replaced where the configuration asks for it. */
  async #collect(step: number, metrics: MetricAccumulator) {
    const { config, prompts, frames, model, clock, length, logger } = this.#parts;
    const wanted = config.prompts_per_micro_batch * config.gradient_accumulation_steps;
    const experience: RolloutGroup[] = [];
    const owned = new Set<RolloutPrompt>();
    const free = (prompt: RolloutPrompt) => {
      prompt.dispose();
      owned.delete(prompt);
    };
    const release = () => [...owned].forEach(free);
    // Streams are named by a prompt's place among all that the step drew, whoever computes it.
    let numDrawn = 0;
    let newTokens = 0;
    let resampled = 0;
    const tries = config.dynamic_sampling ? config.max_resample_times : 0;
    const options = { ...this.#parts, step };
    try {
      for (let attempt = 0; experience.length < wanted && attempt <= tries; attempt++) {
        clock.enter('data');
        const ready = await prompts.next(wanted - experience.length);
        // Here no prompt is half loaded, so the count depends on nothing but the step.
        if (attempt === 0) metrics.add('live_tensors', last(liveTensors() - frames.numKept));
        // Decoded by other processes while this step generates, which yields after every token.
        if (!length.isOver(step + 1)) prompts.prefetch(wanted);
        clock.enter('encode');
        const encoded = ready.map((prompt, i) => {
          const own = encodePrompt(model, prompt, numDrawn + i);
          owned.add(own);
          return own;
        });
        numDrawn += ready.length;
        clock.enter('generate');
        const drawn = await rollOut(model, encoded, options);
        const shuffled = config.temporal_contrast
          ? await rollOutShuffled(model, encoded, options)
          : new Map<number, never>();
        clock.enter('reward');
        const groups = await score(encoded, drawn, shuffled, options);
        for (const { ids } of [...drawn, ...shuffled.values()].flat()) newTokens += ids.length;
        for (const group of groups) {
          newTokens += group.prompt.inputs.input_ids.length;
          if (!group.is_zero_std || attempt === tries) {
            experience.push(group);
          } else {
            resampled += 1;
            free(group.prompt);
          }
        }
      }
    } catch (error) {
      release();
      throw error;
    }
    if (config.dynamic_sampling) metrics.add('resampled_groups', sum(resampled));
    if (experience.every(({ is_zero_std }) => is_zero_std))
      logger.debug({ step: step + 1 }, 'no group of this step has a signal: all rewards are equal');
    return { experience, newTokens, release };
  }

  /** `num_iterations` updates on the experience. @returns the groups with what the first iteration computed of their tokens */
  async #update(groups: readonly RolloutGroup[], options: UpdateOptions): Promise<RolloutGroup[]> {
    const { config, updater } = this.#parts;
    const fixed = this.#fixedLogps(groups);
    const updated: RolloutGroup[] = [];
    try {
      for (let iteration = 0; iteration < config.num_iterations; iteration++)
        await updater.update(
          () => this.#accumulate(groups, fixed, updated, iteration, options.metrics),
          options,
        );
      updater.endStep();
    } finally {
      dispose(fixed);
    }
    return updated;
  }

  /** Adds the gradients of all groups. The first iteration fills `updated`, and `fixed` for those after it. @returns the loss */
  #accumulate(
    groups: readonly RolloutGroup[],
    fixed: FixedLogps[],
    updated: RolloutGroup[],
    iteration: number,
    metrics: MetricAccumulator,
  ): number {
    const { config, model, clock } = this.#parts;
    let loss = 0;
    groups.forEach((group, i) => {
      const scale = this.#scaleOf(groups, i);
      const update = accumulateGroupGradient(model, group, fixed[i]!, config, scale, clock);
      clock.enter('metrics');
      loss += update.loss;
      addUpdateMetrics(metrics, update, 1 / config.num_iterations);
      if (iteration === 0) {
        const rollouts = withUpdate(group.rollouts, update);
        updated.push({ ...group, rollouts });
        addSamplingGap(metrics, rollouts);
      }
      if (iteration === 0 && config.num_iterations > 1)
        fixed[i] = { ...fixed[i], old_logps_GT: update.logps_GT };
      else update.logps_GT.dispose();
      update.weights_GT.dispose();
      update.entropy_GT.dispose();
    });
    return loss;
  }

  /** Log-probabilities under the reference policy, where the loss needs them. */
  #fixedLogps(groups: readonly RolloutGroup[]): FixedLogps[] {
    const { config, model, reference, clock } = this.#parts;
    if (config.beta === 0) return groups.map(() => ({}));
    clock.enter('reference');
    const referenceLogps = (
      policy: VideoLanguageModel,
      { prompt, rollouts }: RolloutGroup,
      hasOwnFeatures: boolean,
    ): FixedLogps =>
      scope('reference', () => {
        const encoded = hasOwnFeatures ? noGrad(() => policy.encodePrompt(prompt.inputs)) : prompt.encoded;
        const completions = rollouts.map(({ ids }) => ids);
        return { ref_logps_GT: keep(scoreCompletions(policy, encoded, completions, config)) };
      });
    return groups.map((group) => {
      // With an adapter in the tower the features of generation are not those of the bare model.
      if (model.adapter !== undefined)
        return model.withoutAdapter(() => referenceLogps(model, group, model.trainsVision()));
      if (reference === undefined) throw new Error('internal: beta > 0 needs a reference model');
      return referenceLogps(reference, group, true);
    });
  }

  /** What the loss of group `i` is divided by. */
  #scaleOf(groups: readonly RolloutGroup[], i: number): LossScale {
    const { config } = this.#parts;
    const countTokens = (some: readonly RolloutGroup[]) =>
      some
        .flatMap(({ rollouts }) => rollouts)
        .filter(({ finish_reason }) => !(finish_reason === 'length' && config.mask_truncated_completions))
        .reduce((total, { ids }) => total + ids.length, 0);
    const size = config.prompts_per_micro_batch;
    const start = Math.floor(i / size) * size;
    const numMicroBatches = Math.ceil(groups.length / size);
    const tokens =
      config.loss_norm === 'token'
        ? countTokens(groups.slice(start, start + size)) * numMicroBatches
        : countTokens(groups);
    return {
      num_sequences: groups.length * config.num_generations,
      // A step whose completions were all cut off and masked has no token; any positive count gives its loss of 0.
      num_tokens: Math.max(tokens, 1),
      max_completion_length: config.max_completion_length,
    };
  }
}

/** The prompt with its vision features, which its `dispose` frees too. */
function encodePrompt(model: VideoLanguageModel, prompt: ReadyPrompt, stream: number): RolloutPrompt {
  const encoded = model.encode(prompt.inputs);
  const dispose = () => {
    encoded.dispose();
    prompt.dispose();
  };
  return { ...prompt, encoded, stream, dispose };
}

/** The rollouts with what the update computed of their tokens: (G, T) tensors as an array a completion, without the padding. */
function withUpdate(
  rollouts: readonly Rollout[],
  { logps_GT, entropy_GT, weights_GT }: Pick<ChunkedLoss, 'logps_GT' | 'entropy_GT' | 'weights_GT'>,
): Rollout[] {
  const longest = logps_GT.shape[1]!;
  const flat = (values: Tensor) =>
    scope(() => values.to({ dtype: 'float32' }).toTypedArray()) as Float32Array;
  const [logps, entropy, weights] = [flat(logps_GT), flat(entropy_GT), flat(weights_GT)];
  return rollouts.map((rollout, g) => {
    const own = (values: Float32Array) => values.slice(g * longest, g * longest + rollout.ids.length);
    return { ...rollout, update: { logps: own(logps), entropy: own(entropy), weights: own(weights) } };
  });
}
