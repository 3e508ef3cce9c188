/**
 * The GRPO loop: take prompts, roll out groups, score them, update the policy, write down what happened.
 *
 * A step is `per_device_train_batch_size * gradient_accumulation_steps` prompts with `num_generations` completions
 * each. All groups of a step are rolled out before the update, because the loss may be normalised by all their tokens.
 *
 * Source: arXiv 2402.03300 (GRPO), 2505.24718 (TW-GRPO).
 */
import type { EncodedPrompt, Qwen2_5VL } from '../models/index.ts';
import type { LossScale, NamedReward } from '../rl/index.ts';
import type { ReadyPrompt } from '../rollout/index.ts';
import {
  type Logger,
  last,
  MetricAccumulator,
  type MetricsRow,
  max,
  sum,
  TwgrpoError,
} from '../run/index.ts';
import { dispose, keep, liveTensors, noGrad, scope, type Tensor } from '../tensor/index.ts';
import type { GrpoConfig } from './config.ts';
import { type ExperienceGroup, rollOut, score } from './experience.ts';
import { addExperienceMetrics, addUpdateMetrics, PhaseClock } from './grpo-metrics.ts';
import { AdamW, clipGradNorm } from './optimizer.ts';
import { accumulateGroupGradient, type FixedLogps, type GroupUpdate, scoreGroup } from './policy-update.ts';
import { learningRateAt } from './schedule.ts';

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
  readonly model: Qwen2_5VL;
  /** A frozen copy of the start, for `beta > 0` without an adapter. */
  readonly reference?: Qwen2_5VL | undefined;
  readonly prompts: PromptSource;
  readonly rewards: readonly NamedReward[];
  readonly stop_token_ids: readonly number[];
  readonly banned_token_ids: readonly number[];
  readonly decode: (ids: readonly number[]) => string;
  readonly maxSteps: number;
  readonly logger: Logger;
}

/** What one step leaves for the run directory. */
export interface StepReport {
  readonly step: number;
  readonly metrics: MetricsRow;
  readonly groups: readonly ExperienceGroup[];
  /** Token weights, entropies and log-probabilities of each group, (G, T) as rows of each completion's own length. */
  readonly tokens: readonly {
    readonly weights: number[][];
    readonly entropy: number[][];
    readonly logps: number[][];
  }[];
}

interface Counters {
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

  constructor(parts: GrpoTrainerParts) {
    this.#parts = parts;
    this.#trainable = new Map([...parts.model.parameters()].filter(([, weight]) => weight.requires_grad));
    this.#optimizer = new AdamW(this.#trainable, parts.config);
  }

  /** Steps done so far. */
  get step(): number {
    return this.#step;
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

  /**
   * One optimizer step (or `num_iterations` of them on the same completions).
   * @throws TwgrpoError when too many steps in a row were refused for numbers that are not finite
   */
  async trainStep(): Promise<StepReport> {
    const started = performance.now();
    const { config, prompts, rewards } = this.#parts;
    const metrics = new MetricAccumulator();
    this.#clock.take();
    const groups = await this.#collect(metrics);
    try {
      addExperienceMetrics(
        metrics,
        groups.experience,
        rewards.map(({ name }) => name),
        config,
      );
      const learningRate = learningRateAt(this.#step, {
        ...config,
        max_steps: this.#parts.maxSteps,
        warmup_steps: Math.ceil(config.warmup_ratio * this.#parts.maxSteps),
      });
      const tokens = this.#update(groups.experience, learningRate, metrics);
      this.#step += 1;
      const promptTokens = groups.experience.reduce(
        (total, { prompt }) => total + prompt.input_ids.length,
        0,
      );
      const newTokens = groups.experience
        .flatMap(({ completions }) => completions)
        .reduce((total, ids) => total + ids.length, 0);
      this.#counters.numTokens += promptTokens + newTokens;
      this.#clock.enter(undefined);
      for (const [phase, seconds] of this.#clock.take()) metrics.add(`time/${phase}`, sum(seconds));
      const seconds = (performance.now() - started) / 1000;
      metrics.add('num_tokens', last(this.#counters.numTokens));
      metrics.add('tokens_per_second', last((promptTokens + newTokens) / seconds));
      metrics.add('learning_rate', last(learningRate));
      metrics.add('epoch', last(prompts.epoch));
      metrics.add('step_time', sum(seconds));
      metrics.add('live_tensors', last(liveTensors()));
      return {
        step: this.#step,
        metrics: { step: this.#step, ...metrics.reduce() },
        groups: groups.experience,
        tokens,
      };
    } finally {
      groups.dispose();
    }
  }

  /** Prompts and their scored completions; groups without signal are replaced where the configuration asks for it. */
  async #collect(metrics: MetricAccumulator) {
    const { config, prompts, model, logger } = this.#parts;
    const wanted = config.per_device_train_batch_size * config.gradient_accumulation_steps;
    const experience: ExperienceGroup[] = [];
    const owned: { ready: ReadyPrompt; encoded: EncodedPrompt }[] = [];
    const release = (entry: { ready: ReadyPrompt; encoded: EncodedPrompt }) => {
      dispose(entry.encoded.vision);
      entry.ready.dispose();
    };
    let resampled = 0;
    const tries = config.dynamic_sampling ? config.max_resample_times : 0;
    for (let attempt = 0; experience.length < wanted && attempt <= tries; attempt++) {
      this.#clock.enter('data');
      const ready = await prompts.next(wanted - experience.length);
      // Decoded by other processes while this step generates, which yields after every token.
      if (this.#step + 1 < this.#parts.maxSteps) prompts.prefetch(wanted);
      this.#clock.enter('encode');
      const entries = ready.map((prompt) => ({
        ready: prompt,
        encoded: keep(scope('encode', () => noGrad(() => model.encodePrompt(prompt.inputs)))),
      }));
      owned.push(...entries);
      this.#clock.enter('generate');
      const options = { ...this.#parts, step: this.#step, firstStream: owned.length - entries.length };
      const completions = await rollOut(model, entries, options);
      this.#clock.enter('reward');
      const groups = await score(entries, completions, options);
      const isLastTry = attempt === tries;
      groups.forEach((group, i) => {
        if (!group.is_zero_std || isLastTry) {
          experience.push(group);
          return;
        }
        resampled += 1;
        const entry = entries[i]!;
        release(entry);
        owned.splice(owned.indexOf(entry), 1);
      });
    }
    if (config.dynamic_sampling) metrics.add('resampled_groups', sum(resampled));
    if (experience.every(({ is_zero_std }) => is_zero_std))
      logger.debug({ step: this.#step + 1 }, 'no group of this step has a signal: all rewards are equal');
    return { experience, dispose: () => owned.forEach(release) };
  }

  /** `num_iterations` optimizer steps on the experience. @returns token figures of the first iteration */
  #update(
    groups: readonly ExperienceGroup[],
    learningRate: number,
    metrics: MetricAccumulator,
  ): StepReport['tokens'] {
    const { config } = this.#parts;
    const fixed = this.#fixedLogps(groups);
    const tokens: StepReport['tokens'][number][] = [];
    try {
      for (let iteration = 0; iteration < config.num_iterations; iteration++) {
        this.#clock.enter('train');
        this.#optimizer.zeroGrad();
        let loss = 0;
        groups.forEach((group, i) => {
          const update = accumulateGroupGradient(
            this.#parts.model,
            group,
            fixed[i]!,
            config,
            this.#scaleOf(groups, i),
          );
          loss += update.loss;
          addUpdateMetrics(metrics, update);
          if (iteration === 0) tokens.push(tokenRows(update, group));
          if (iteration === 0 && config.num_iterations > 1)
            fixed[i] = { ...fixed[i], old_logps_GT: update.logps_GT };
          else update.logps_GT.dispose();
          update.weights_GT.dispose();
          update.entropy_GT.dispose();
        });
        this.#clock.enter('optimizer');
        this.#apply(loss, learningRate, metrics);
      }
    } finally {
      dispose(fixed);
    }
    return tokens;
  }

  /** Clips and steps, or refuses the step when a number is not finite. */
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
    if (this.#counters.badStepsInARow >= config.max_bad_steps)
      throw new TwgrpoError(
        `${config.max_bad_steps} steps in a row were refused: loss or gradients are not finite`,
        {
          hint: 'lower learning_rate or max_grad_norm, and look at the last completions; weights are those of the last good step',
        },
      );
  }

  /** Log-probabilities under the reference policy, where the loss needs them. */
  #fixedLogps(groups: readonly ExperienceGroup[]): FixedLogps[] {
    const { config, model, reference } = this.#parts;
    if (config.beta === 0) return groups.map(() => ({}));
    this.#clock.enter('reference');
    return groups.map((group) => {
      if (model.adapter !== undefined)
        return { ref_logps_GT: keep(model.withoutAdapter(() => scoreGroup(model, group, config))) };
      if (reference === undefined) throw new Error('internal: beta > 0 needs a reference model');
      // The reference sees the video with its own tower, which is the policy's when that is frozen.
      const own = keep(scope(() => noGrad(() => reference.encodePrompt(group.inputs))));
      try {
        return { ref_logps_GT: keep(scoreGroup(reference, { ...group, prompt: own }, config)) };
      } finally {
        dispose(own.vision);
      }
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
function tokenRows(update: GroupUpdate, group: ExperienceGroup): StepReport['tokens'][number] {
  const rows = (values: Tensor) =>
    (values.tolist() as number[][]).map((row, g) => row.slice(0, group.completions[g]!.length));
  return { weights: rows(update.weights_GT), entropy: rows(update.entropy_GT), logps: rows(update.logps_GT) };
}
