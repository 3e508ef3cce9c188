/**
 * The order in which items are visited: each epoch a fresh permutation, made from seed and epoch alone. The position can be
 * saved and restored, and is refused for another data set.
 */
import { DataError, Random } from '../base/index.ts';
import { torchPermutation } from './authors-order.ts';

export const DATA_ORDERS = ['own', 'authors'] as const;
/** Whose permutation: ours, or the one that the authors' libraries make of the same seed. */
export type DataOrder = (typeof DATA_ORDERS)[number];

export interface SamplerOptions {
  /** Number of items. */
  readonly length: number;
  /** Whole number; the order depends on it and on the epoch, nothing else. */
  readonly seed: number;
  /** @default true */
  readonly shuffle?: boolean;
  /** @default 'own' */
  readonly order?: DataOrder;
  /** Names the data; a saved position in other data is refused. @default '' */
  readonly fingerprint?: string;
}

const IDENTITY = ['seed', 'length', 'shuffle', 'order', 'fingerprint'] as const;

/** An endless order of item indices. */
export class EpochSampler {
  readonly #options: Required<SamplerOptions>;
  #epoch = 0;
  #position = 0;
  #order: readonly number[];

  /** @throws DataError when there are no items */
  constructor(options: SamplerOptions) {
    if (!Number.isInteger(options.length) || options.length < 1) {
      throw new DataError(`expected at least one item to sample from, got ${options.length}`, {
        hint: 'check the data file and the filters on it',
      });
    }
    this.#options = { shuffle: true, order: 'own', fingerprint: '', ...options };
    this.#order = this.#orderOf(0);
  }

  /** Index of the next item; after the last one of an epoch a new epoch begins. */
  next(): number {
    if (this.#position === this.#order.length) {
      this.#epoch++;
      this.#position = 0;
      this.#order = this.#orderOf(this.#epoch);
    }
    return this.#order[this.#position++]!;
  }

  /** Epochs passed, with the finished part of the present one: 1.5 is the middle of the second. */
  get epoch(): number {
    return this.#epoch + this.#position / this.#order.length;
  }

  /** Items handed out since the first epoch began. */
  get numDrawn(): number {
    return this.#epoch * this.#options.length + this.#position;
  }

  /** Position as plain data, for a checkpoint. */
  state(): Record<string, unknown> {
    return { ...this.#options, epoch: this.#epoch, position: this.#position };
  }

  /**
   * Goes to a saved position.
   * @throws DataError when it is damaged, or belongs to other data, another seed or another order
   */
  loadState(state: Readonly<Record<string, unknown>>): void {
    for (const key of IDENTITY) {
      // Positions saved before there was a choice know no order.
      if ((key === 'order' ? (state[key] ?? 'own') : state[key]) !== this.#options[key]) {
        throw new DataError(
          `the saved sampler position is of other data: ${key} was ${JSON.stringify(state[key])}, now ${JSON.stringify(this.#options[key])}`,
          { hint: 'resume with the data and seed of the saved run, or start a new run' },
        );
      }
    }
    const { epoch, position } = state;
    if (!isCount(epoch) || !isCount(position) || position > this.#options.length) {
      throw new DataError(`the saved sampler position is damaged: ${JSON.stringify(state)}`);
    }
    this.#epoch = epoch;
    this.#position = position;
    this.#order = this.#orderOf(epoch);
  }

  #orderOf(epoch: number): readonly number[] {
    const { length, seed, shuffle, order } = this.#options;
    const inOrder = Array.from({ length }, (_, index) => index);
    if (!shuffle) return inOrder;
    return order === 'authors'
      ? torchPermutation(length, seed + epoch)
      : Random.stream(seed, 'order', `epoch-${epoch}`).shuffled(inOrder);
  }
}

/**
 * Draws `count` of `length` indices without repeats, in ascending order; all of them when there are not more.
 * The draw has a stream of its own, so the order of training does not depend on it.
 */
export function drawSubset(length: number, count: number, seed: number): number[] {
  const all = Array.from({ length }, (_, index) => index);
  if (count >= length) return all;
  return Random.stream(seed, 'subset')
    .sample(all, count)
    .sort((a, b) => a - b);
}

function isCount(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0;
}
