import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { deriveSeed, promptSeed, Random, type RandomState } from './random.ts';

const golden = JSON.parse(
  readFileSync(new URL('../../tests/goldens/data/random.json', import.meta.url), 'utf8'),
) as {
  cases: { state: RandomState; first: number[]; sum: number; after: RandomState }[];
  streams: [number, string, RandomState][];
};

describe('random numbers', () => {
  it('are those of xoshiro128**', () => {
    for (const { state, first, sum, after } of golden.cases) {
      const random = Random.fromState(state);
      const values = Array.from({ length: 200 }, () => random.uint32());
      expect(values.slice(0, 8)).toEqual(first);
      expect(values.reduce((total, value) => total + value, 0)).toBe(sum);
      expect(random.state).toEqual(after);
    }
    // As other implementations give for the state 1, 2, 3, 4.
    expect(golden.cases[0]!.first.slice(0, 3)).toEqual([11_520, 0, 5_927_040]);
  });

  it('come in independent streams by name', () => {
    for (const [seed, name, state] of golden.streams) expect(Random.stream(seed, name).state).toEqual(state);
    expect(() => Random.stream(1.5, 'x')).toThrow(/whole number as seed/);
    expect(() => Random.fromState([0, 0, 0, 0])).toThrow(/four unsigned/);
    expect(() => Random.fromState([1, 2, 3, -1])).toThrow(/four unsigned/);
  });

  it('continue from a saved state', () => {
    const random = Random.stream(3, 'a');
    random.float();
    const copy = Random.fromState(JSON.parse(JSON.stringify(random.state)) as RandomState);
    expect([copy.float(), copy.below(10), copy.pick('abc'.split(''))]).toEqual([
      random.float(),
      random.below(10),
      random.pick('abc'.split('')),
    ]);
  });

  it('are evenly spread', () => {
    const random = Random.stream(4, 'spread');
    const counts = new Array<number>(7).fill(0);
    let mean = 0;
    for (let i = 0; i < 70_000; i++) {
      counts[random.below(7)]!++;
      mean += random.float() / 70_000;
    }
    // Five standard deviations: sqrt(10000 * 6/7) = 93, and 0.29 / sqrt(70000) = 0.0011.
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(465);
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.0055);
    const order = random.shuffled([1, 2, 3, 4, 5, 6, 7, 8]);
    expect([...order].sort()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(new Set(random.sample('abcdef'.split(''), 4)).size).toBe(4);
  });
});

describe('seeds by name', () => {
  it('of prompts are FNV-1a, as its authors list it', () => {
    expect(promptSeed(0, 'foobar')).toBe(BigInt.asUintN(63, 0x85944171f73967e8n));
    expect(promptSeed(1, 'foobar')).not.toBe(promptSeed(0, 'foobar'));
  });

  it('tell the parts of a name apart, and never change', () => {
    expect(deriveSeed(1, 'shuffle', 2, 3)).toBe(6_964_886_743_578_631_232n);
    expect(deriveSeed(1, 'shuffle', 23)).not.toBe(deriveSeed(1, 'shuffle', 2, 3));
  });
});
