/**
 * One update of the weights, the same for every kind of training: gradients from 0, their norm cut, then the optimizer's step,
 * or a refusal where a number is not finite. A refused update leaves weights and optimizer as they were and is counted.
 */
import type { Logger } from '../../base/index.ts';
import type { Processes } from '../../dist/index.ts';
import { type MetricAccumulator, max, type PhaseClock, sum } from '../../run/index.ts';
import { emptyCache, isOutOfMemory } from '../../tensor/index.ts';
import { type Gradients, OwnGradients } from '../shard/gradients.ts';
import { cutGradients, gradNorm } from './grad-norm.ts';
import type { LearningRates, Optimizer } from './optimizer.ts';

/** Parts of a group in the second try. */
const NUM_PARTS = 4;

type Accumulate = (gradients: Pick<Gradients, 'round'>, numParts: number) => number | Promise<number>;

export interface UpdaterOptions {
  readonly optimizer: Optimizer;
  readonly max_grad_norm: number;
  readonly processes: Pick<Processes, 'agreeFinite'>;
  /** What several ranks do with their gradients. @default those of one process, as they are */
  readonly gradients?: Gradients | undefined;
  readonly clock: PhaseClock;
  readonly logger: Logger;
}

export interface UpdateOptions {
  /** Number of the step this update belongs to, from 1. */
  readonly step: number;
  readonly rates: LearningRates;
  /** Is told `bad_steps` and `grad_norm`. */
  readonly metrics: MetricAccumulator;
}

export class Updater {
  readonly optimizer: Optimizer;
  /** Refused updates since the last good one. */
  badStepsInARow = 0;
  readonly #options: UpdaterOptions;
  readonly #gradients: Gradients;
  #isTorn = false;

  constructor(options: UpdaterOptions) {
    this.#options = options;
    this.optimizer = options.optimizer;
    this.#gradients = options.gradients ?? new OwnGradients(() => this.optimizer.zeroGrad());
    // Gradients exist from the start: what does not fit shows before the first step, and a resumed run counts alike.
    this.#gradients.zero();
  }

  /** True from the first change of a weight until `endStep`: the weights belong to no whole step and must not be saved. */
  get isTorn(): boolean {
    return this.#isTorn;
  }

  /**
   * Clock phase: `optimizer`; what `accumulate` enters is its own.
   * @param accumulate adds gradients to `.grad` of the parameters, a round a way back, and returns this process's part of the loss.
   *   Where memory runs out it is called once more, from gradients of 0, to compute in `numParts` parts what it did at once
   */
  async update(accumulate: Accumulate, { step, rates, metrics }: UpdateOptions): Promise<void> {
    const { optimizer, max_grad_norm, processes, clock, logger } = this.#options;
    clock.enter('optimizer');
    this.#gradients.zero();
    const loss = await this.#accumulated(accumulate);
    if (this.#options.gradients !== undefined) clock.enter('reduce');
    await this.#gradients.finish();
    clock.enter('optimizer');
    const norm = await this.#gradients.wholeNorm(gradNorm(optimizer.params));
    const isGood = await processes.agreeFinite(loss, norm);
    metrics.add('bad_steps', sum(isGood ? 0 : 1));
    if (isGood) {
      metrics.add('grad_norm', max(norm));
      this.#isTorn = true;
      cutGradients(optimizer.params, norm, max_grad_norm);
      optimizer.step(rates);
      await this.#gradients.publish();
      this.badStepsInARow = 0;
      return;
    }
    this.badStepsInARow += 1;
    logger.warn({ step, loss, grad_norm: norm }, 'step refused: loss or gradient is not finite');
  }

  async #accumulated(accumulate: Accumulate): Promise<number> {
    const { optimizer, gradients, logger } = this.#options;
    try {
      return await accumulate(this.#gradients, 1);
    } catch (error) {
      // Several ranks would have to agree on it, and one may hang in a collective already.
      if (!isOutOfMemory(error) || gradients !== undefined) throw error;
      logger.warn(
        { err: error, parts: NUM_PARTS },
        'memory ran out; this update is computed once more, in parts',
      );
    }
    for (const device of new Set(optimizer.params.map((param) => param.device))) emptyCache(device);
    this.#gradients.zero();
    return await accumulate(this.#gradients, NUM_PARTS);
  }

  /** Ends the step, after its last update. */
  endStep(): void {
    this.#isTorn = false;
  }

  dispose(): void {
    this.#gradients.dispose();
    this.optimizer.dispose();
  }
}
