/**
 * The stages of a supervised run: which items are learned now, and when the next ones begin. Without a curriculum there is one
 * stage of all items that never ends by itself.
 */
import type { DataItem } from '../../data/index.ts';
import type { CurriculumStage } from '../config/sft-config.ts';
import type { LearningRates } from '../optim/optimizer.ts';

/** A position in the curriculum, as a checkpoint keeps it. */
export interface CurriculumState {
  /** Index of the present stage, from 0; the number of stages once the last one has ended. */
  readonly stage: number;
  /** Steps done in this stage. */
  readonly stage_steps: number;
}

export class Curriculum {
  readonly #stages: readonly CurriculumStage[];
  #stage = 0;
  #steps = 0;

  constructor(stages: readonly CurriculumStage[] = [{ where: {} }]) {
    this.#stages = stages;
  }

  /** The present stage; the last one when all have ended. */
  get current(): CurriculumStage {
    return this.#stages[Math.min(this.#stage, this.#stages.length - 1)]!;
  }

  get isFinished(): boolean {
    return this.#stage >= this.#stages.length;
  }

  /** Whether the stage has had all its steps. */
  get isAtLimit(): boolean {
    return this.#steps >= (this.current.max_steps ?? Number.POSITIVE_INFINITY);
  }

  /** Counts one more step of the present stage. */
  countStep(): void {
    this.#steps += 1;
  }

  /**
   * Goes to the next stage when this one is done.
   * @param strict share of the stage's held-out questions answered rightly, when they were asked at this step
   * @returns why the stage ended, or undefined while it goes on
   */
  settle(strict: number | undefined): 'until' | 'max_steps' | undefined {
    if (this.isFinished) return undefined;
    const { until } = this.current;
    const isReached = until !== undefined && strict !== undefined && strict >= until;
    if (!isReached && !this.isAtLimit) return undefined;
    this.#stage += 1;
    this.#steps = 0;
    return isReached ? 'until' : 'max_steps';
  }

  /** The stage's own learning rates where it has them. */
  rates(general: Required<LearningRates>): Record<keyof LearningRates, number> {
    const { learning_rate, muon_learning_rate } = this.current;
    return {
      learning_rate: learning_rate ?? general.learning_rate,
      muon_learning_rate: muon_learning_rate ?? general.muon_learning_rate,
    };
  }

  state(): CurriculumState {
    return { stage: this.#stage, stage_steps: this.#steps };
  }

  loadState({ stage, stage_steps }: CurriculumState): void {
    this.#stage = stage;
    this.#steps = stage_steps;
  }
}

/** Whether an item has, for each named dimension, one of the named values. */
export function isWhere({ dims }: Pick<DataItem, 'dims'>, where: CurriculumStage['where']): boolean {
  return Object.entries(where).every(
    ([name, values]) => dims[name] !== undefined && values.includes(dims[name]),
  );
}

/** The condition in words, for messages: `kind presence or region`. */
export function whereText(where: CurriculumStage['where']): string {
  const parts = Object.entries(where).map(([name, values]) => `${name} ${values.join(' or ')}`);
  return parts.length === 0 ? 'all items' : parts.join(', ');
}
