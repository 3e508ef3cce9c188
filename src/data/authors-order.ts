/**
 * Which items the authors' run draws and in which order it visits them: the shuffle of Hugging Face `datasets` (numpy's
 * PCG64 and its permutation) and the sampler that transformers and accelerate make of `torch.randperm`, number for number.
 *
 * Source: numpy `random/bit_generator.pyx` (SeedSequence), `src/pcg64`, `_generator.pyx` (shuffle), `distributions.c`
 * (random_interval); PyTorch `aten/src/ATen/native/TensorFactories.cpp` (randperm_cpu); accelerate
 * `data_loader.py` (SeedableRandomSampler); longmalongma/TW-GRPO `src/open_r1/grpo.py`.
 */
import { DataError } from '../base/index.ts';
import { mersenneStream, stateOfSeed } from './mersenne.ts';

/** Their `shuffle(seed=42)` does not follow `--data_seed`. */
const DRAW_SEED = 42;

/** The first `count` of the shuffled items, in that order; all in file order where there are not more. */
export function drawLikeAuthors(length: number, count: number): number[] {
  if (count >= length) return Array.from({ length }, (_, index) => index);
  return numpyPermutation(length, DRAW_SEED).slice(0, count);
}

/**
 * `numpy.random.default_rng(seed).permutation(length)`.
 * @param seed a whole number from 0
 */
export function numpyPermutation(length: number, seed: number): number[] {
  checkArguments(length, seed);
  const next = pcg64Stream(seed);
  const order = Array.from({ length }, (_, index) => index);
  for (let end = length - 1; end > 0; end--) {
    const other = uniformUpTo(next, end);
    [order[end], order[other]] = [order[other]!, order[end]!];
  }
  return order;
}

/**
 * `torch.randperm(length, generator=torch.Generator().manual_seed(seed))`; seeds count modulo 2^32, as in PyTorch on a CPU.
 * @param seed a whole number from 0
 */
export function torchPermutation(length: number, seed: number): number[] {
  checkArguments(length, seed);
  const next = mersenneStream(stateOfSeed(Number(BigInt.asUintN(32, BigInt(seed)))));
  const order = Array.from({ length }, (_, index) => index);
  for (let begin = 0; begin < length - 1; begin++) {
    const other = begin + (next() % (length - begin));
    [order[begin], order[other]] = [order[other]!, order[begin]!];
  }
  return order;
}

function checkArguments(length: number, seed: number): void {
  // From 2^32 / 20 items on PyTorch draws otherwise.
  if (!Number.isInteger(length) || length < 0 || length >= 2 ** 32 / 20)
    throw new DataError(`internal: expected 0 to ${Math.floor(2 ** 32 / 20)} items, got ${length}`);
  if (!Number.isSafeInteger(seed) || seed < 0)
    throw new DataError(`expected a whole number from 0 as seed, got ${seed}`);
}

/** Uniform in 0 … most, by drawing again what is too large under the smallest mask: numpy's `random_interval`. */
function uniformUpTo(next: () => number, most: number): number {
  const shift = Math.clz32(most);
  for (;;) {
    const value = (next() << shift) >>> shift;
    if (value <= most) return value;
  }
}

const MASK_32 = 0xffff_ffffn;
const PCG_MULTIPLIER = 0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645n;

/** 32-bit numbers of `PCG64(seed)`: the low half of each 64-bit number, then its high half. */
function pcg64Stream(seed: number): () => number {
  const [high, low, incHigh, incLow] = seedWords(seed);
  const increment = BigInt.asUintN(128, (((incHigh << 64n) | incLow) << 1n) | 1n);
  const step = (state: bigint): bigint => BigInt.asUintN(128, state * PCG_MULTIPLIER + increment);
  let state = step(BigInt.asUintN(128, step(0n) + ((high << 64n) | low)));
  let waiting: number | undefined;
  return () => {
    if (waiting !== undefined) {
      const value = waiting;
      waiting = undefined;
      return value;
    }
    state = step(state);
    // XSL RR: the halves are xored, then rotated by the top six bits.
    const folded = BigInt.asUintN(64, (state >> 64n) ^ state);
    const turn = state >> 122n;
    const value = BigInt.asUintN(64, (folded >> turn) | (folded << ((64n - turn) & 63n)));
    waiting = Number(value >> 32n);
    return Number(value & MASK_32);
  };
}

/** `SeedSequence(seed).generate_state(4, uint64)`. */
function seedWords(seed: number): readonly [bigint, bigint, bigint, bigint] {
  const entropy = [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0, 0, 0];
  let factor = 0x43b0_d7e5;
  const hashed = (value: number): number => {
    const mixed = value ^ factor;
    factor = Math.imul(factor, 0x931e_8875);
    const product = Math.imul(mixed, factor);
    return product ^ (product >>> 16);
  };
  const pool = entropy.map(hashed);
  for (let from = 0; from < 4; from++)
    for (let to = 0; to < 4; to++) {
      if (from === to) continue;
      const mixed = Math.imul(0xca01_f9dd, pool[to]!) - Math.imul(0x4973_f715, hashed(pool[from]!));
      pool[to] = (mixed | 0) ^ ((mixed | 0) >>> 16);
    }
  let outFactor = 0x8b51_f9dd;
  const words = Array.from({ length: 8 }, (_, index) => {
    const mixed = pool[index % 4]! ^ outFactor;
    outFactor = Math.imul(outFactor, 0x58f3_8ded);
    const product = Math.imul(mixed, outFactor);
    return BigInt((product ^ (product >>> 16)) >>> 0);
  });
  const wide = (index: number): bigint => words[2 * index]! | (words[2 * index + 1]! << 32n);
  return [wide(0), wide(1), wide(2), wide(3)];
}
