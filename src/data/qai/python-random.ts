/**
 * Python's `random` module, number for number, for a whole-number seed: the authors' scripts draw from it, so their data
 * can only be made again with the same stream. The Mersenne Twister comes from the library pure-rand; here stand CPython's
 * seeding (`init_by_array` over the seed's 32-bit digits) and the methods it derives from the raw 32-bit numbers.
 *
 * Source: CPython 3.11 `Modules/_randommodule.c` (seeding, random, getrandbits) and `Lib/random.py` (the rest).
 * Differs in one place: a seed must be a whole number; Python also accepts texts, bytes and floats.
 */
import { mersenneFromState } from 'pure-rand/generator/mersenne';
import { DataError } from '../../base/index.ts';

const STATE_LENGTH = 624;

export class PythonRandom {
  readonly #generator: ReturnType<typeof mersenneFromState>;

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
    this.#generator = mersenneFromState([0, ...initByArray(digitsOf(BigInt(seed)))]);
    // The library advances each word as it hands it out; one round brings the seeded state to where CPython begins.
    for (let word = 0; word < STATE_LENGTH; word++) this.#generator.next();
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

  #uint32(): number {
    return this.#generator.next() >>> 0;
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

/** Matsumoto and Nishimura's `init_by_array` (mt19937ar.c, 2002). */
function initByArray(key: readonly number[]): number[] {
  const state = [19_650_218];
  for (let word = 1; word < STATE_LENGTH; word++) {
    const previous = state[word - 1]!;
    state.push((Math.imul(1_812_433_253, previous ^ (previous >>> 30)) + word) | 0);
  }
  let word = 1;
  let digit = 0;
  const advance = (): void => {
    word++;
    if (word < STATE_LENGTH) return;
    state[0] = state[STATE_LENGTH - 1]!;
    word = 1;
  };
  const mixed = (factor: number): number => {
    const previous = state[word - 1]!;
    return state[word]! ^ Math.imul(previous ^ (previous >>> 30), factor);
  };
  for (let round = Math.max(STATE_LENGTH, key.length); round > 0; round--) {
    state[word] = (mixed(1_664_525) + key[digit]! + digit) | 0;
    digit = (digit + 1) % key.length;
    advance();
  }
  for (let round = STATE_LENGTH - 1; round > 0; round--) {
    state[word] = (mixed(1_566_083_941) - word) | 0;
    advance();
  }
  state[0] = 0x8000_0000 | 0;
  return state;
}
