/**
 * Python's `random` module, number for number, for a whole-number seed: the authors' scripts draw from it, so their data
 * can only be made again with the same stream. The numbers are the Mersenne Twister's, keyed with the seed's 32-bit digits;
 * here stand the methods that CPython derives from them.
 *
 * Source: CPython 3.11 `Modules/_randommodule.c` (seeding, random, getrandbits) and `Lib/random.py` (the rest).
 * Differs in one place: a seed must be a whole number; Python also accepts texts, bytes and floats.
 */
import { DataError } from '../../base/index.ts';
import { mersenneStream, stateOfKey } from '../mersenne.ts';

export class PythonRandom {
  readonly #uint32: () => number;

  /**
   * Same stream as `random.seed(seed)`.
   * @param seed a whole number of any size (numbers up to 2^53, above that bigint); its sign is ignored, as in Python
   * @throws DataError when the seed is no whole number
   */
  constructor(seed: number | bigint) {
    if (typeof seed === 'number' && !Number.isSafeInteger(seed)) {
      throw new DataError(`expected a whole number as seed, got ${seed}`, {
        hint: 'write numbers above 2^53 as bigint',
      });
    }
    this.#uint32 = mersenneStream(stateOfKey(digitsOf(BigInt(seed))));
  }

  /** `random.random()`: uniform in [0, 1) with 53 random bits. */
  random(): number {
    const high = this.#uint32() >>> 5;
    const low = this.#uint32() >>> 6;
    return (high * 67_108_864 + low) / 9_007_199_254_740_992;
  }

  /**
   * `random.getrandbits(k)`.
   * @param bits 1 … 32; Python has no upper bound, the methods below need no more
   */
  getrandbits(bits: number): number {
    if (!Number.isInteger(bits) || bits < 1 || bits > 32) {
      throw new DataError(`internal: expected 1 to 32 random bits, got ${bits}`);
    }
    return this.#uint32() >>> (32 - bits);
  }

  /** `random.randrange(count)`: uniform in 0 … count - 1. */
  randrange(count: number): number {
    if (!Number.isInteger(count) || count < 1 || count >= 2 ** 32) {
      throw new DataError(`internal: expected a count from 1 to 2^32 - 1, got ${count}`);
    }
    const bits = 32 - Math.clz32(count);
    for (;;) {
      const value = this.getrandbits(bits);
      if (value < count) return value;
    }
  }

  /** `random.randint(low, high)`: both ends belong to it. */
  randint(low: number, high: number): number {
    return low + this.randrange(high - low + 1);
  }

  /** `random.choice(items)`. */
  choice<T>(items: readonly T[]): T {
    return items[this.randrange(items.length)]!;
  }

  /** `random.shuffle(items)`: in place. */
  shuffle<T>(items: T[]): void {
    for (let end = items.length - 1; end > 0; end--) {
      const other = this.randrange(end + 1);
      [items[end], items[other]] = [items[other]!, items[end]!];
    }
  }

  /** `random.sample(items, count)`: `count` different places, in the order drawn. */
  sample<T>(items: readonly T[], count: number): T[] {
    const n = items.length;
    if (!Number.isInteger(count) || count < 0 || count > n) {
      throw new DataError(`internal: expected a sample of 0 to ${n} items, got ${count}`);
    }
    // Python chooses between two ways by their memory use; they consume the stream differently.
    const setSize = 21 + (count > 5 ? 4 ** Math.ceil(Math.log(count * 3) / Math.log(4)) : 0);
    if (n <= setSize) {
      const pool = [...items];
      return Array.from({ length: count }, (_, drawn) => {
        const place = this.randrange(n - drawn);
        const item = pool[place]!;
        pool[place] = pool[n - drawn - 1]!;
        return item;
      });
    }
    const taken = new Set<number>();
    return Array.from({ length: count }, () => {
      let place = this.randrange(n);
      while (taken.has(place)) place = this.randrange(n);
      taken.add(place);
      return items[place]!;
    });
  }
}

/** The seed's size in digits of 32 bits, lowest first; at least one digit. */
function digitsOf(seed: bigint): number[] {
  let rest = seed < 0n ? -seed : seed;
  const digits: number[] = [];
  do {
    digits.push(Number(rest & 0xffff_ffffn));
    rest >>= 32n;
  } while (rest > 0n);
  return digits;
}
