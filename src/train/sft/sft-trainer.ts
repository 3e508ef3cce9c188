/**
 * One supervised step: the gradient of all packs of a batch, every target token counting the same, then the optimizer.
 * Packs go through the model one after another, so memory is that of the largest pack whatever the batch.
 */
import { setImmediate } from 'node:timers/promises';
import type { Logger } from '../../base/index.ts';
import type { VideoLanguageModel } from '../../models/index.ts';
import type { HeldFrames } from '../../prompt/index.ts';
import { last, MetricAccumulator, max, PhaseClock, sum } from '../../run/index.ts';
import { liveTensors, scope, type Tensor } from '../../tensor/index.ts';
import type { SftConfig } from '../config/sft-config.ts';
import { clipGradNorm } from '../optim/optimizer.ts';
import { type LearningRates, SftOptimizer } from '../optim/sft-optimizer.ts';
import type { SftEncoder, SftPack } from './sft-packs.ts';
import { accumulateSftGradient } from './sft-update.ts';

/** A pack with its frames. */
export interface ReadyPack {
  readonly pack: SftPack;
  readonly frames: HeldFrames;
  dispose(): void;
}

export interface SftTrainerParts {
  readonly config: SftConfig;
  readonly model: VideoLanguageModel;
  readonly encoder: SftEncoder;
  readonly logger: Logger;
}

export interface SftTrainerState {
  readonly step: number;
  /** Tokens that went through the model so far, vision and padding aside: prompts' text and targets. */
  readonly numTokens: number;
  /** Questions learned from so far. */
  readonly numQuestions: number;
  readonly badStepsInARow: number;
}

export class SftTrainer {
  readonly optimizer: SftOptimizer;
  readonly #parts: SftTrainerParts;
  readonly #trainable: ReadonlyMap<string, Tensor>;
  readonly #clock = new PhaseClock();
  #state: SftTrainerState = { step: 0, numTokens: 0, numQuestions: 0, badStepsInARow: 0 };
  #isUpdating = false;

  constructor(parts: SftTrainerParts) {
    this.#parts = parts;
    this.#trainable = new Map([...parts.model.parameters()].filter(([, weight]) => weight.requires_grad));
    this.optimizer = new SftOptimizer(this.#trainable, parts.config, (name) => parts.model.isHidden(name));
    this.optimizer.zeroGrad();
  }

  /** Steps done so far. */
  get step(): number {
    return this.#state.step;
  }

  get badStepsInARow(): number {
    return this.#state.badStepsInARow;
  }

  /** True when an error interrupted an update, so that the weights belong to no whole step and must not be saved. */
  get isTorn(): boolean {
    return this.#isUpdating;
  }

  /** What a resumed run must start from, beside weights and optimizer. */
  state(): SftTrainerState {
    return this.#state;
  }

  loadState(state: SftTrainerState): void {
    this.#state = state;
  }

  /** One update on a batch of packs. An update whose numbers are not finite is refused and counted. */
  async trainStep(batch: readonly ReadyPack[], rates: LearningRates): Promise<MetricAccumulator> {
    const { config, model, encoder } = this.#parts;
    const metrics = new MetricAccumulator();
    this.#clock.take();
    this.#clock.enter('encode');
    const rows = batch.map(({ pack }) => encoder.rows(pack));
    const all = rows.flat();
    const counted = all.reduce((total, { ids, lossFrom }) => total + ids.length - lossFrom, 0);
    this.#clock.enter('gradient');
    this.optimizer.zeroGrad();
    let [loss, numRight] = [0, 0];
    for (const [i, { pack, frames }] of batch.entries()) {
      // Lets the decoders of the next batch hand over what they have.
      await setImmediate();
      scope('pack', () => {
        const group = encoder.group(pack, rows[i]!, frames);
        const update = accumulateSftGradient(model, group, 1 / counted, config);
        loss += update.loss;
        numRight += update.numRight;
      });
    }
    this.#clock.enter('optimizer');
    this.#isUpdating = true;
    this.#apply(loss, rates, metrics);
    this.#isUpdating = false;
    const numTokens = all.reduce((total, { ids }) => total + ids.length, 0);
    this.#state = {
      ...this.#state,
      step: this.#state.step + 1,
      numTokens: this.#state.numTokens + numTokens,
      numQuestions: this.#state.numQuestions + all.length,
    };
    this.#clock.enter(undefined);
    for (const [phase, seconds] of this.#clock.take()) metrics.add(`time/${phase}`, sum(seconds));
    metrics.add('loss', last(loss / counted));
    metrics.add('mean_token_accuracy', last(numRight / counted));
    metrics.add('target_tokens', last(counted));
    metrics.add('num_tokens', last(this.#state.numTokens));
    metrics.add('num_questions', last(this.#state.numQuestions));
    metrics.add('learning_rate', last(rates.learning_rate));
    if (config.optimizer === 'muon') metrics.add('muon_learning_rate', last(rates.muon_learning_rate));
    metrics.add('live_tensors', last(liveTensors()));
    return metrics;
  }

  /** Clips and steps, or refuses the update when a number is not finite. */
  #apply(loss: number, rates: LearningRates, metrics: MetricAccumulator): void {
    const { config, logger } = this.#parts;
    const norm = clipGradNorm(this.#trainable.values(), config.max_grad_norm);
    const isGood = Number.isFinite(loss) && Number.isFinite(norm);
    metrics.add('bad_steps', sum(isGood ? 0 : 1));
    if (isGood) {
      metrics.add('grad_norm', max(norm));
      this.optimizer.step(rates);
    } else {
      logger.warn(
        { step: this.step + 1, loss, grad_norm: norm },
        'step refused: loss or gradient is not finite',
      );
    }
    this.#state = { ...this.#state, badStepsInARow: isGood ? 0 : this.#state.badStepsInARow + 1 };
  }

  dispose(): void {
    this.optimizer.dispose();
  }
}
