/**
 * Random numbers that are the same on every machine: xoshiro128** (Blackman and Vigna, 2018), 32-bit integers only.
 * Streams are made by name from one seed, so that adding a stream never shifts another, and the state of each can be saved.
 * Source: https://prng.di.unimi.it/xoshiro128starstar.c
 */
import { createHash } from 'node:crypto';
import { DataError } from './errors.ts';

/** Four unsigned 32-bit integers, not all zero. */
export type RandomState = readonly [number, number, number, number];

export class Random {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  private constructor(state: RandomState) {
    [this.#a, this.#b, this.#c, this.#d] = state;
  }

  /**
   * A stream of its own for each name under one seed.
   * @param seed any whole number up to 2^53 in size
   */
  static stream(seed: number, name: string): Random {
    if (!Number.isSafeInteger(seed)) throw new DataError(`expected a whole number as seed, got ${seed}`);
    const digest = createHash('sha256').update(`${seed}/${name}`).digest();
    return Random.fromState([0, 4, 8, 12].map((at) => digest.readUInt32LE(at)) as unknown as RandomState);
  }

  static fromState(state: RandomState): Random {
    const isValid =
      state.length === 4 && state.every((part) => Number.isInteger(part) && part >= 0 && part < 2 ** 32);
    if (!isValid || state.every((part) => part === 0)) {
      throw new DataError(
        `expected a random state of four unsigned 32-bit numbers, got ${JSON.stringify(state)}`,
      );
    }
    return new Random(state);
  }

  get state(): RandomState {
    return [this.#a >>> 0, this.#b >>> 0, this.#c >>> 0, this.#d >>> 0];
  }

  /** Uniform in 0 … 2^32 - 1. */
  uint32(): number {
    const product = Math.imul(this.#b, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    const shifted = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= shifted;
    this.#d = (this.#d << 11) | (this.#d >>> 21);
    return result;
  }

  /** Uniform in [0, 1) with 53 random bits. */
  float(): number {
    const high = this.uint32() >>> 5;
    const low = this.uint32() >>> 6;
    return (high * 2 ** 26 + low) / 2 ** 53;
  }

  /** Uniform in [from, to). */
  between(from: number, to: number): number {
    return from + (to - from) * this.float();
  }

  /** Uniform in 0 … count - 1, without bias. */
  below(count: number): number {
    if (!Number.isInteger(count) || count < 1 || count > 2 ** 32) {
      throw new DataError(`internal: expected a count from 1 to 2^32, got ${count}`);
    }
    const limit = 2 ** 32 - (2 ** 32 % count);
    for (;;) {
      const value = this.uint32();
      if (value < limit) return value % count;
    }
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  /** A shuffled copy (Fisher and Yates). */
  shuffled<T>(items: readonly T[]): T[] {
    const copy = [...items];
    for (let end = copy.length - 1; end > 0; end--) {
      const other = this.below(end + 1);
      [copy[end], copy[other]] = [copy[other]!, copy[end]!];
    }
    return copy;
  }

  /** `count` different items in random order. */
  sample<T>(items: readonly T[], count: number): T[] {
    return this.shuffled(items).slice(0, count);
  }
}
