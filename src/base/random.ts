/**
 * The random streams of a run, all from the one seed of its configuration. A stream is named by what it is for and where it
 * is used (step, prompt, item), so that adding a stream never shifts another, and a resumed run draws the same numbers
 * without saved state. `Random` draws here; `deriveSeed` and `promptSeed` give seeds to PyTorch's generators.
 */
import { createHash } from 'node:crypto';
import { DataError } from './errors.ts';

/** Four unsigned 32-bit integers, not all zero. */
export type RandomState = readonly [number, number, number, number];

/** A name in parts, from the general to the particular: `'shuffle', step, prompt`. */
type StreamName = readonly (string | number)[];

/**
 * Numbers that are the same on every machine: xoshiro128** (Blackman and Vigna, 2018), 32-bit integers only.
 * Source: https://prng.di.unimi.it/xoshiro128starstar.c
 */
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
  static stream(seed: number, ...name: StreamName): Random {
    if (!Number.isSafeInteger(seed)) throw new DataError(`expected a whole number as seed, got ${seed}`);
    const digest = createHash('sha256')
      .update([seed, ...name].join('/'))
      .digest();
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

/** A seed in [0, 2^63) for one stream; the same name always gives the same seed. */
export function deriveSeed(seed: number, ...name: StreamName): bigint {
  // The finalizer of SplitMix64 behind FNV-1a, so that neighbours differ in all bits.
  let hash = fnv1a([seed, ...name].join('\u0000'));
  hash = BigInt.asUintN(64, (hash ^ (hash >> 30n)) * 0xbf58476d1ce4e5b9n);
  hash = BigInt.asUintN(64, (hash ^ (hash >> 27n)) * 0x94d049bb133111ebn);
  return BigInt.asUintN(63, hash ^ (hash >> 31n));
}

/** A seed in [0, 2^63) for the one answer to a prompt, FNV-1a of seed and id: the answers of earlier evaluations repeat. */
export function promptSeed(seed: number, id: string): bigint {
  return BigInt.asUintN(63, fnv1a(id, FNV_BASIS ^ BigInt(seed)));
}

const FNV_BASIS = 0xcbf29ce484222325n;

/** The 64-bit hash FNV-1a of a text in UTF-8. Source: http://www.isthe.com/chongo/tech/comp/fnv/ */
function fnv1a(text: string, basis = FNV_BASIS): bigint {
  let hash = basis;
  for (const byte of Buffer.from(text, 'utf8'))
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash;
}
