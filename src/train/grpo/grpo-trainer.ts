/**
 * The GRPO loop: take prompts, roll out groups, score them, update the policy, write down what happened.
 *
 * A step is `per_device_train_batch_size * gradient_accumulation_steps` prompts with `num_generations` completions
 * each. All groups of a step are rolled out before the update, because the loss may be normalised by all their tokens.
 * With `num_iterations` above 1 the step makes that many updates at one learning rate.
 *
 * Source: arXiv 2402.03300 (GRPO), 2505.24718 (TW-GRPO).
 */

import type { Logger } from '../../base/index.ts';
import type { VideoLanguageModel } from '../../models/index.ts';
import type { ReadyPrompt } from '../../prompt/index.ts';
import type { LossScale, NamedReward } from '../../rl/index.ts';
import { type ExperienceGroup, type PromptEntry, rollOut, score } from '../../rollout/index.ts';
import { last, MetricAccumulator, type MetricsRow, max, PhaseClock, sum } from '../../run/index.ts';
import { dispose, keep, liveTensors, noGrad, scope, type Tensor } from '../../tensor/index.ts';
import type { GrpoConfig } from '../config/config.ts';
import type { RunLength } from '../loop/run-length.ts';
import { AdamW, clipGradNorm } from '../optim/optimizer.ts';
import { learningRateAt } from '../optim/schedule.ts';
import { addExperienceMetrics, addSamplingGap, addUpdateMetrics } from './grpo-metrics.ts';
import { accumulateGroupGradient, type FixedLogps, type GroupUpdate, scoreGroup } from './policy-update.ts';

/** Gives prompts in the order of training; waits for decoding where it must. */
export interface PromptSource {
  /** The next `count` prompts. The caller disposes them. */
  next(count: number): Promise<ReadyPrompt[]>;
  /** Begins to load the `count` prompts after those, without waiting. */
  prefetch(count: number): void;
  /** Passes over the data so far, for the `epoch` metric. */
  readonly epoch: number;
}

export interface GrpoTrainerParts {
  readonly config: GrpoConfig;
  readonly model: VideoLanguageModel;
  /** A frozen copy of the start, for `beta > 0` without an adapter. */
  readonly reference?: VideoLanguageModel | undefined;
  readonly prompts: PromptSource;
  readonly rewards: readonly NamedReward[];
  readonly stop_token_ids: readonly number[];
  readonly banned_token_ids: readonly number[];
  readonly decode: (ids: readonly number[]) => string;
  readonly length: RunLength;
  readonly logger: Logger;
  /** Called with the scored groups of every step, before the update. */
  readonly onExperience?: ((groups: readonly ExperienceGroup[]) => void) | undefined;
}

/** Figures of one completion's tokens, each as long as the completion. */
export interface TokenFigures {
  /** Weight in the loss; 1 where weighting is off. */
  readonly weights: Float32Array;
  /** Of the distribution before the update (nats). */
  readonly entropy: Float32Array;
  /** Under the policy before the update (nats). */
  readonly logps: Float32Array;
}

/** What one step leaves for the run directory. */
export interface StepReport {
  readonly step: number;
  readonly metrics: MetricsRow;
  readonly groups: readonly ExperienceGroup[];
  /** By group, then by completion. */
  readonly tokens: readonly (readonly TokenFigures[])[];
}

interface Counters {
  /** Tokens of prompts and completions so far, those of resampled groups included. */
  numTokens: number;
  badStepsInARow: number;
}

export class GrpoTrainer {
  readonly #parts: GrpoTrainerParts;
  readonly #optimizer: AdamW;
  readonly #trainable: ReadonlyMap<string, Tensor>;
  readonly #clock = new PhaseClock();
  #step = 0;
  #counters: Counters = { numTokens: 0, badStepsInARow: 0 };
  #isUpdating = false;

  constructor(parts: GrpoTrainerParts) {
    this.#parts = parts;
    this.#trainable = new Map([...parts.model.parameters()].filter(([, weight]) => weight.requires_grad));
    this.#optimizer = new AdamW(this.#trainable, parts.config);
    // Gradients exist from the start: what does not fit shows before the first rollout, and a resumed run counts alike.
    this.#optimizer.zeroGrad();
  }

  /** Steps done so far. */
  get step(): number {
    return this.#step;
  }

  /** Refused steps since the last good one; at `max_bad_steps` it is time to stop. */
  get badStepsInARow(): number {
    return this.#counters.badStepsInARow;
  }

  /** True when an error interrupted an update, so that the weights belong to no whole step and must not be saved. */
  get isTorn(): boolean {
    return this.#isUpdating;
  }

  get optimizer(): AdamW {
    return this.#optimizer;
  }

  /** What a resumed run must start from, beside weights and optimizer. */
  state(): { readonly step: number } & Counters {
    return { step: this.#step, ...this.#counters };
  }

  loadState({ step, ...counters }: ReturnType<GrpoTrainer['state']>): void {
    this.#step = step;
    this.#counters = { ...counters };
  }

  /** One step: `num_iterations` updates on fresh completions. An update whose numbers are not finite is refused and counted. */
  async trainStep(): Promise<StepReport> {
    const started = performance.now();
    const { config, prompts, rewards } = this.#parts;
    const metrics = new MetricAccumulator();
    this.#clock.take();
    const { experience, newTokens, release } = await this.#collect(metrics);
    try {
      this.#clock.enter('metrics');
      const names = rewards.map(({ name }) => name);
      addExperienceMetrics(metrics, experience, names, config);
      this.#parts.onExperience?.(experience);
      const { done, total } = this.#parts.length.position(this.#step);
      const learningRate = learningRateAt(done, {
        ...config,
        max_steps: total,
        warmup_steps: Math.ceil(config.warmup_ratio * total),
      });
      const tokens = this.#update(experience, learningRate, metrics);
      this.#step += 1;
      this.#counters.numTokens += newTokens;
      this.#clock.enter(undefined);
      for (const [phase, seconds] of this.#clock.take()) metrics.add(`time/${phase}`, sum(seconds));
      const seconds = (performance.now() - started) / 1000;
      metrics.add('num_tokens', last(this.#counters.numTokens));
      metrics.add('tokens_per_second', last(newTokens / seconds));
      metrics.add('learning_rate', last(learningRate));
      metrics.add('epoch', last(prompts.epoch));
      metrics.add('step_time', sum(seconds));
      return {
        step: this.#step,
        metrics: { step: this.#step, ...metrics.reduce() },
        groups: experience,
        tokens,
      };
    } finally {
      release();
    }
  }

  /** Prompts and their scored completions; groups without signal are replaced where the configuration asks for it. */
  async #collect(metrics: MetricAccumulator) {
    const { config, prompts, model, logger } = this.#parts;
    const wanted = config.per_device_train_batch_size * config.gradient_accumulation_steps;
    const experience: ExperienceGroup[] = [];
    const owned = new Set<PromptEntry>();
    const free = (entry: PromptEntry) => {
      entry.encoded.dispose();
      entry.ready.dispose();
      owned.delete(entry);
    };
    const release = () => [...owned].forEach(free);
    let numStreams = 0;
    let newTokens = 0;
    let resampled = 0;
    const tries = config.dynamic_sampling ? config.max_resample_times : 0;
    const options = { ...this.#parts, step: this.#step };
    try {
      for (let attempt = 0; experience.length < wanted && attempt <= tries; attempt++) {
        this.#clock.enter('data');
        const ready = await prompts.next(wanted - experience.length);
        // Here no prompt is half loaded, so the count depends on nothing but the step.
        if (attempt === 0) metrics.add('live_tensors', last(liveTensors()));
        // Decoded by other processes while this step generates, which yields after every token.
        if (!this.#parts.length.isOver(this.#step + 1)) prompts.prefetch(wanted);
        this.#clock.enter('encode');
        const entries = ready.map((prompt): PromptEntry => {
          const encoded = model.encode(prompt.inputs);
          const entry = { ready: prompt, encoded, stream: numStreams++ };
          owned.add(entry);
          return entry;
        });
        this.#clock.enter('generate');
        const rollouts = await rollOut(model, entries, options);
        this.#clock.enter('reward');
        const groups = await score(entries, rollouts, options);
        for (const [i, group] of groups.entries()) {
          newTokens += group.prompt.input_ids.length;
          for (const { ids } of [...rollouts[i]!.completions, ...(rollouts[i]!.shuffled ?? [])])
            newTokens += ids.length;
          if (!group.is_zero_std || attempt === tries) {
            experience.push(group);
          } else {
            resampled += 1;
            free(entries[i]!);
          }
        }
      }
    } catch (error) {
      release();
      throw error;
    }
    if (config.dynamic_sampling) metrics.add('resampled_groups', sum(resampled));
    if (experience.every(({ is_zero_std }) => is_zero_std))
      logger.debug({ step: this.#step + 1 }, 'no group of this step has a signal: all rewards are equal');
    return { experience, newTokens, release };
  }

  /** `num_iterations` optimizer steps on the experience. @returns token figures of the first iteration */
  #update(
    groups: readonly ExperienceGroup[],
    learningRate: number,
    metrics: MetricAccumulator,
  ): StepReport['tokens'] {
    const { config, model } = this.#parts;
    const fixed = this.#fixedLogps(groups);
    const tokens: TokenFigures[][] = [];
    try {
      for (let iteration = 0; iteration < config.num_iterations; iteration++) {
        this.#clock.enter('optimizer');
        this.#optimizer.zeroGrad();
        let loss = 0;
        groups.forEach((group, i) => {
          const scale = this.#scaleOf(groups, i);
          const update = accumulateGroupGradient(model, group, fixed[i]!, config, scale, this.#clock);
          this.#clock.enter('metrics');
          loss += update.loss;
          addUpdateMetrics(metrics, update, 1 / config.num_iterations);
          if (iteration === 0) {
            const figures = tokenFigures(update, group);
            tokens.push(figures);
            addSamplingGap(
              metrics,
              group.scored.map(({ logps }) => logps),
              figures.map(({ logps }) => logps),
            );
          }
          if (iteration === 0 && config.num_iterations > 1)
            fixed[i] = { ...fixed[i], old_logps_GT: update.logps_GT };
          else update.logps_GT.dispose();
          update.weights_GT.dispose();
          update.entropy_GT.dispose();
        });
        this.#clock.enter('optimizer');
        this.#isUpdating = true;
        this.#apply(loss, learningRate, metrics);
      }
      this.#isUpdating = false;
    } finally {
      dispose(fixed);
    }
    return tokens;
  }

  /** Clips and steps, or refuses the update when a number is not finite. */
  #apply(loss: number, learningRate: number, metrics: MetricAccumulator): void {
    const { config, logger } = this.#parts;
    const norm = clipGradNorm(this.#trainable.values(), config.max_grad_norm);
    const isGood = Number.isFinite(loss) && Number.isFinite(norm);
    metrics.add('bad_steps', sum(isGood ? 0 : 1));
    if (isGood) {
      metrics.add('grad_norm', max(norm));
      this.#optimizer.step(learningRate);
      this.#counters.badStepsInARow = 0;
      return;
    }
    this.#counters.badStepsInARow += 1;
    logger.warn(
      { step: this.#step + 1, loss, grad_norm: norm },
      'step refused: loss or gradient is not finite',
    );
  }

  /** Log-probabilities under the reference policy, where the loss needs them. */
  #fixedLogps(groups: readonly ExperienceGroup[]): FixedLogps[] {
    const { config, model, reference } = this.#parts;
    if (config.beta === 0) return groups.map(() => ({}));
    this.#clock.enter('reference');
    const withOwnFeatures = (policy: VideoLanguageModel, group: ExperienceGroup): FixedLogps =>
      scope('reference', () => {
        const prompt = noGrad(() => policy.encodePrompt(group.inputs));
        return { ref_logps_GT: keep(scoreGroup(policy, { ...group, prompt }, config)) };
      });
    return groups.map((group) => {
      if (model.adapter !== undefined)
        return model.withoutAdapter(() =>
          // With an adapter in the tower the features of generation are not those of the bare model.
          model.trainsVision()
            ? withOwnFeatures(model, group)
            : { ref_logps_GT: keep(scoreGroup(model, group, config)) },
        );
      if (reference === undefined) throw new Error('internal: beta > 0 needs a reference model');
      return withOwnFeatures(reference, group);
    });
  }

  /** What the loss of group `i` is divided by. */
  #scaleOf(groups: readonly ExperienceGroup[], i: number): LossScale {
    const { config } = this.#parts;
    const countTokens = (some: readonly ExperienceGroup[]) =>
      some
        .flatMap(({ scored }) => scored)
        .filter(({ truncated }) => !(truncated && config.mask_truncated_completions))
        .reduce((total, { ids }) => total + ids.length, 0);
    const size = config.per_device_train_batch_size;
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

  dispose(): void {
    this.#optimizer.dispose();
  }
}

/** (G, T) tensors as one row of numbers a completion, without the padding. */
function tokenFigures(update: GroupUpdate, group: ExperienceGroup): TokenFigures[] {
  const longest = update.logps_GT.shape[1]!;
  const flat = (values: Tensor) =>
    scope(() => values.to({ dtype: 'float32' }).toTypedArray()) as Float32Array;
  const [weights, entropy, logps] = [flat(update.weights_GT), flat(update.entropy_GT), flat(update.logps_GT)];
  return group.completions.map(({ length }, g) => {
    const own = (values: Float32Array) => values.slice(g * longest, g * longest + length);
    return { weights: own(weights), entropy: own(entropy), logps: own(logps) };
  });
}
