/**
 * One GRPO step: take prompts, roll out groups, score them, update the policy, write down what happened.
 *
 * A step is `prompts_per_micro_batch * gradient_accumulation_steps` prompts with `num_generations` completions
 * each. All groups of a step are rolled out before the update, because the loss may be normalised by all their tokens.
 * With `num_iterations` above 1 the step makes that many updates at one learning rate.
 *
 * Several ranks share the prompts of a step. Each rolls out and scores its own; what must be known of all (which groups have a signal,
 * how many tokens the loss is divided by) they tell each other, so that the numbers are those of one process.
 *
 * Source: arXiv 2402.03300 (GRPO), 2505.24718 (TW-GRPO).
 */

import type { Logger } from '../../base/index.ts';
import { type Processes, SINGLE_PROCESS } from '../../dist/index.ts';
import type { VideoLanguageModel } from '../../models/index.ts';
import type { Placed, ReadyPrompt } from '../../prompt/index.ts';
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
import { last, MetricAccumulator, sum } from '../../run/index.ts';
import { dispose, keep, liveTensors, noGrad, scope, type Tensor } from '../../tensor/index.ts';
import type { GrpoConfig } from '../config/config.ts';
import type { StepOutcome, StepReport, Trainer, TrainerParts } from '../loop/run-loop.ts';
import { scheduledAt } from '../optim/schedule.ts';
import type { UpdateOptions } from '../optim/update.ts';
import type { Gradients } from '../shard/gradients.ts';
import { addExperienceMetrics, addSamplingGap, addUpdateMetrics } from './grpo-metrics.ts';
import type { LearnedGroup } from './learned-group.ts';
import { accumulateGroupGradient, type FixedLogps, scoreCompletions } from './policy-update.ts';

/** Gives prompts in the order of training; waits for decoding where it must. */
export interface PromptSource {
  /** The next `count` prompts: those of this rank, with their places among all. The caller disposes them. */
  next(count: number): Promise<readonly Placed<ReadyPrompt>[]>;
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
  readonly opening?: ReadOptions['opening'];
  readonly logger: Logger;
  /** Called with this rank's scored groups of every step, before the update. */
  readonly onExperience?: ((groups: readonly RolloutGroup[]) => void) | undefined;
}

export interface GrpoStepReport extends StepReport {
  /** What the step learned from, on all ranks and in the order of the data; every rollout has its `update`. */
  readonly groups: readonly LearnedGroup[];
}

/** What all ranks know of a group of the step. */
interface GroupFacts {
  readonly rank: number;
  readonly stream: number;
  readonly is_zero_std: boolean;
  /** Tokens of its completions that count in the loss. */
  readonly num_tokens: number;
}

/** Groups to learn from: this rank's own, and what is known of all, both in the order of the data. */
interface Experience {
  readonly groups: readonly RolloutGroup[];
  readonly all: readonly GroupFacts[];
}

/** One call of the updater. */
interface UpdateTry {
  readonly gradients: Pick<Gradients, 'round'>;
  readonly numParts: number;
  readonly iteration: number;
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
      onExperience?.(experience.groups);
      const learning_rate = scheduledAt(config.learning_rate, length.position(step), config);
      metrics.add('learning_rate', last(learning_rate));
      // Parts of the whole that this rank has.
      const parts = new MetricAccumulator();
      const options = { step: step + 1, rates: { learning_rate }, metrics };
      const own = await this.#update(experience, parts, options);
      clock.enter('metrics');
      const groups = await this.#together(own, parts, metrics);
      addExperienceMetrics(
        metrics,
        groups,
        rewards.map(({ name }) => name),
        config,
      );
      return { counts: { tokens: newTokens }, details: { groups } };
    } finally {
      release();
    }
  }

  get #processes(): Processes {
    return this.#parts.processes ?? SINGLE_PROCESS;
  }

  /** The groups of all ranks, in the order of the data; merges the metrics of all. */
  async #together(
    own: readonly RolloutGroup[],
    parts: MetricAccumulator,
    metrics: MetricAccumulator,
  ): Promise<readonly LearnedGroup[]> {
    if (this.#processes.world_size === 1) {
      metrics.merge(parts.snapshot());
      return own;
    }
    const groups = own.map(({ prompt: { question, stream }, ...group }) => ({
      ...group,
      prompt: { question, stream },
    }));
    const all = await this.#processes.gather({ groups, parts: parts.snapshot() }, 'the records of a step');
    for (const one of all) metrics.merge(one.parts);
    return all.flatMap((one) => one.groups).sort((a, b) => a.prompt.stream - b.prompt.stream);
  }

  /** Prompts and their scored completions; groups without signal are replaced where the configuration asks for it. */
  async #collect(step: number, metrics: MetricAccumulator) {
    const { config, prompts, frames, model, clock, length, logger } = this.#parts;
    const wanted = config.prompts_per_micro_batch * config.gradient_accumulation_steps;
    const processes = this.#processes;
    const kept: RolloutGroup[] = [];
    const all: GroupFacts[] = [];
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
    const rewardsOfBatch = async (own: readonly number[]) =>
      (await processes.gather(own, 'the rewards of a batch')).flat();
    const options = { ...this.#parts, step, rewardsOfBatch };
    try {
      for (let attempt = 0; all.length < wanted && attempt <= tries; attempt++) {
        clock.enter('data');
        const numAsked = wanted - all.length;
        const ready = await prompts.next(numAsked);
        // Here no prompt is half loaded, so the count depends on nothing but the step.
        if (attempt === 0) metrics.add('live_tensors', last(liveTensors() - frames.numKept));
        // Decoded by other processes while this step generates, which yields after every token.
        if (!length.isOver(step + 1)) prompts.prefetch(wanted);
        const firstStream = numDrawn;
        numDrawn += numAsked;
        const { encoded, drawn, shuffled } = await this.#whole(async () => {
          clock.enter('encode');
          const own = ready.map(({ place, ready: prompt }) => {
            const one = encodePrompt(model, prompt, firstStream + place);
            owned.add(one);
            return one;
          });
          clock.enter('generate');
          const inOrder = await rollOut(model, own, options);
          const others = config.temporal_contrast
            ? await rollOutShuffled(model, own, options)
            : new Map<number, never>();
          return { encoded: own, drawn: inOrder, shuffled: others };
        });
        clock.enter('reward');
        const groups = await score(encoded, drawn, shuffled, options);
        const told = {
          groups: groups.map((group) => this.#factsOf(group)),
          tokens: [
            ...[...drawn, ...shuffled.values()].flat().map(({ ids }) => ids.length),
            ...groups.map(({ prompt }) => prompt.inputs.input_ids.length),
          ].reduce((total, count) => total + count, 0),
        };
        const heard = await processes.gather(told, 'agreement on the groups of a step');
        for (const { tokens } of heard) newTokens += tokens;
        const isKept = ({ is_zero_std }: Pick<GroupFacts, 'is_zero_std'>) =>
          !is_zero_std || attempt === tries;
        const facts = heard.flatMap((one) => one.groups);
        all.push(...facts.filter(isKept).sort((a, b) => a.stream - b.stream));
        resampled += facts.filter((one) => !isKept(one)).length;
        for (const group of groups) {
          if (isKept(group)) kept.push(group);
          else free(group.prompt);
        }
      }
    } catch (error) {
      release();
      throw error;
    }
    if (config.dynamic_sampling) metrics.add('resampled_groups', sum(resampled));
    if (all.every(({ is_zero_std }) => is_zero_std))
      logger.debug({ step: step + 1 }, 'no group of this step has a signal: all rewards are equal');
    const experience: Experience = { groups: kept, all };
    return { experience, newTokens, release };
  }

  /** Runs `body` with all weights in this rank's memory. */
  async #whole<T>(body: () => Promise<T> | T): Promise<T> {
    const { weights } = this.#parts;
    return weights === undefined ? await body() : await weights.whole(body);
  }

  #factsOf({ prompt: { stream }, rollouts, is_zero_std }: RolloutGroup): GroupFacts {
    const { mask_truncated_completions } = this.#parts.config;
    const counted = rollouts.filter(
      ({ finish_reason }) => !(finish_reason === 'length' && mask_truncated_completions),
    );
    const num_tokens = counted.reduce((total, { ids }) => total + ids.length, 0);
    return { rank: this.#processes.rank, stream, is_zero_std, num_tokens };
  }

  /** `num_iterations` updates on the experience. @returns the groups with what the first iteration computed of their tokens */
  async #update(
    experience: Experience,
    parts: MetricAccumulator,
    options: UpdateOptions,
  ): Promise<RolloutGroup[]> {
    const { config, updater } = this.#parts;
    const fixed =
      config.beta === 0
        ? experience.groups.map(() => ({}))
        : await this.#whole(() => this.#fixedLogps(experience.groups));
    const updated: RolloutGroup[] = [];
    try {
      for (let iteration = 0; iteration < config.num_iterations; iteration++)
        await updater.update(
          (gradients, numParts) =>
            this.#accumulate(experience, { gradients, numParts, iteration }, fixed, updated, parts),
          options,
        );
      updater.endStep();
    } finally {
      dispose(fixed);
    }
    return updated;
  }

  /**
   * Adds the gradients of own groups. The first iteration fills `updated`, and `fixed` for those after it; what fails leaves both and
   * the metrics as they were.
   * @returns their loss
   */
  async #accumulate(
    { groups, all }: Experience,
    { gradients, numParts, iteration }: UpdateTry,
    fixed: FixedLogps[],
    updated: RolloutGroup[],
    metrics: MetricAccumulator,
  ): Promise<number> {
    const { config, model, clock } = this.#parts;
    const isFirst = iteration === 0;
    const own = new MetricAccumulator();
    const learned: RolloutGroup[] = [];
    const olds: Tensor[] = [];
    let loss = 0;
    const learn = (group: RolloutGroup, i: number): void => {
      const scale = this.#scaleOf(all, group.prompt.stream);
      const update = accumulateGroupGradient(model, group, fixed[i]!, config, scale, clock, numParts);
      clock.enter('metrics');
      loss += update.loss;
      addUpdateMetrics(own, update, 1 / config.num_iterations);
      if (isFirst) {
        const rollouts = withUpdate(group.rollouts, update);
        learned.push({ ...group, rollouts });
        addSamplingGap(own, rollouts);
      }
      if (isFirst && config.num_iterations > 1) olds.push(update.logps_GT);
      else update.logps_GT.dispose();
      update.weights_GT.dispose();
      update.entropy_GT.dispose();
    };
    const counts = new Map<number, number>();
    for (const { rank } of all) counts.set(rank, (counts.get(rank) ?? 0) + 1);
    const numRounds = Math.max(...counts.values());
    try {
      for (let i = 0; i < numRounds; i++) {
        const group = groups[i];
        await gradients.round(i === numRounds - 1, () => {
          if (group !== undefined) learn(group, i);
        });
      }
    } catch (error) {
      dispose(olds);
      throw error;
    }
    updated.push(...learned);
    for (const [i, old_logps_GT] of olds.entries()) fixed[i] = { ...fixed[i], old_logps_GT };
    metrics.merge(own.snapshot());
    return loss;
  }

  /** Log-probabilities under the reference policy. */
  #fixedLogps(groups: readonly RolloutGroup[]): FixedLogps[] {
    const { config, model, reference, clock } = this.#parts;
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

  /** What the loss of the group `stream` is divided by. */
  #scaleOf(groups: readonly GroupFacts[], stream: number): LossScale {
    const { config } = this.#parts;
    const i = groups.findIndex((group) => group.stream === stream);
    const countTokens = (some: readonly GroupFacts[]) =>
      some.reduce((total, { num_tokens }) => total + num_tokens, 0);
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
