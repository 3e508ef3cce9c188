/** @file Targets that break in the ways the fuzzer has to notice; its own test runs them. */
import type { FuzzTarget } from './target.ts';

const base = {
  wanted: 50,
  isGuided: false,
  seeds: () => [Uint8Array.of(1)],
  mutate: (random, input) => Uint8Array.of(input[0]!, random.below(256)),
} satisfies Partial<FuzzTarget>;

export const SELF_TESTS: readonly FuzzTarget[] = [
  {
    ...base,
    name: 'self-throws',
    run: () => {
      throw new TypeError('x is not a function');
    },
  },
  {
    ...base,
    name: 'self-dies',
    wanted: 1,
    run: () => {
      process.abort();
    },
  },
  {
    ...base,
    name: 'self-hangs',
    wanted: 1,
    limitS: 0.5,
    run: () => {
      for (;;);
    },
  },
  {
    ...base,
    name: 'self-fills',
    wanted: 1,
    run: () => {
      const all: Uint8Array[] = [];
      for (;;) all.push(new Uint8Array(2 ** 22).fill(1));
    },
  },
  {
    ...base,
    name: 'self-pollutes',
    wanted: 1,
    run: () => {
      Object.assign(Object.prototype, { polluted: 1 });
      return true;
    },
  },
];
