import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { PythonRandom } from './python-random.ts';

interface Case {
  readonly seed: string;
  readonly random: number[];
  readonly getrandbits: number[];
  readonly randrange: number[];
  readonly randint: number[];
  readonly choice: string[];
  readonly sample: { n: number; k: number; drawn: number[] }[];
  readonly shuffle: number[];
  readonly later: number;
}

const { cases } = JSON.parse(
  readFileSync(new URL('../../../tests/goldens/qai/python-random.json', import.meta.url), 'utf8'),
) as { cases: Case[] };

describe('PythonRandom', () => {
  it.each(cases)('seed $seed gives the numbers of CPython, bit for bit', (golden) => {
    const draw = new PythonRandom(BigInt(golden.seed));
    expect(golden.random.map(() => draw.random())).toEqual(golden.random);
    expect([1, 2, 7, 31, 32].map((bits) => draw.getrandbits(bits))).toEqual(golden.getrandbits);
    expect([1, 2, 3, 5, 1000, 2 ** 31, 2 ** 32 - 1].map((n) => draw.randrange(n))).toEqual(golden.randrange);
    expect(golden.randint.map(() => draw.randint(1, 4))).toEqual(golden.randint);
    expect(golden.choice.map(() => draw.choice([...'abcdefg']))).toEqual(golden.choice);
    for (const { n, k, drawn } of golden.sample)
      expect(
        draw.sample(
          Array.from({ length: n }, (_, i) => i),
          k,
        ),
      ).toEqual(drawn);
    const shuffled = Array.from({ length: 11 }, (_, i) => i);
    draw.shuffle(shuffled);
    expect(shuffled).toEqual(golden.shuffle);
    for (let skipped = 0; skipped < 3000; skipped++) draw.random();
    expect(draw.random()).toBe(golden.later);
  });

  it('takes plain numbers as seeds, and refuses fractions and numbers that lost digits', () => {
    expect(new PythonRandom(42).random()).toBe(new PythonRandom(42n).random());
    expect(() => new PythonRandom(0.5)).toThrow(/whole number/);
    expect(() => new PythonRandom(2 ** 60)).toThrow(/whole number/);
  });
});
