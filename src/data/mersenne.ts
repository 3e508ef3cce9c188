/**
 * The Mersenne Twister with its two ways of seeding (Matsumoto and Nishimura, mt19937ar.c, 2002): PyTorch's and Python's
 * streams are made of it. The generator itself comes from the library pure-rand.
 */
import { mersenneFromState } from 'pure-rand/generator/mersenne';

const STATE_LENGTH = 624;

/** `init_genrand`: the state of a 32-bit seed. */
export function stateOfSeed(seed: number): number[] {
  const state = [seed | 0];
  for (let word = 1; word < STATE_LENGTH; word++) {
    const previous = state[word - 1]!;
    state.push((Math.imul(1_812_433_253, previous ^ (previous >>> 30)) + word) | 0);
  }
  return state;
}

/** `init_by_array`: the state of a key of 32-bit digits. */
export function stateOfKey(key: readonly number[]): number[] {
  const state = stateOfSeed(19_650_218);
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

/** A function that gives the next number of the stream, 0 … 2^32 - 1. */
export function mersenneStream(state: readonly number[]): () => number {
  const generator = mersenneFromState([0, ...state]);
  // The library advances each word as it hands it out; one round brings a seeded state to where the stream begins.
  for (let word = 0; word < STATE_LENGTH; word++) generator.next();
  return () => generator.next() >>> 0;
}
