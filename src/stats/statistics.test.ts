import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bootstrapMean,
  type ConfidenceLevel,
  mcnemar,
  signFlipTest,
  studentMean,
  wilsonInterval,
} from './statistics.ts';

interface Goldens {
  readonly wilson: readonly {
    successes: number;
    n: number;
    level: ConfidenceLevel;
    low: number;
    high: number;
  }[];
  readonly mcnemar: readonly { b: number; c: number; p_exact: number; p_mid: number }[];
  readonly bootstrap: readonly {
    name: string;
    values: number[];
    low: number;
    high: number;
    standard_error: number;
  }[];
  readonly runs: readonly { values: number[]; low: number; high: number; p: number }[];
}

const goldens = JSON.parse(
  readFileSync(new URL('../../tests/goldens/eval/statistics.json', import.meta.url), 'utf8'),
) as Goldens;

function pairs(b: number, c: number, both = 0): (readonly [boolean, boolean])[] {
  return [
    ...Array.from({ length: b }, () => [true, false] as const),
    ...Array.from({ length: c }, () => [false, true] as const),
    ...Array.from({ length: both }, () => [true, true] as const),
  ];
}

describe('wilsonInterval', () => {
  it.each(goldens.wilson)(
    '$successes of $n at $level as SciPy, to 1e-12',
    ({ successes, n, level, low, high }) => {
      const interval = wilsonInterval(successes, n, level);
      expect(Math.abs(interval.low - low)).toBeLessThan(1e-12);
      expect(Math.abs(interval.high - high)).toBeLessThan(1e-12);
    },
  );

  it('holds the share, stays within 0 and 1, and mirrors failures', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20_000 }), fc.nat(), (n, pick) => {
        const successes = pick % (n + 1);
        const { low, high } = wilsonInterval(successes, n);
        const mirrored = wilsonInterval(n - successes, n);
        expect(low).toBeGreaterThanOrEqual(0);
        expect(high).toBeLessThanOrEqual(1);
        expect(low).toBeLessThanOrEqual(successes / n);
        expect(high).toBeGreaterThanOrEqual(successes / n);
        expect(Math.abs(mirrored.low - (1 - high))).toBeLessThan(1e-12);
      }),
    );
  });

  it.each([
    [1, 0],
    [2, 1],
    [-1, 3],
    [0.5, 3],
  ])('refuses %d of %d', (successes, n) => {
    expect(() => wilsonInterval(successes, n)).toThrow(/0 <= successes <= n/);
  });
});

describe('mcnemar', () => {
  it.each(goldens.mcnemar)('$b against $c as SciPy, to a relative 1e-9', ({ b, c, p_exact, p_mid }) => {
    const test = mcnemar(pairs(b, c, 7));
    expect(test).toMatchObject({ n: b + c + 7, only_first: b, only_second: c });
    expect(Math.abs(test.p_exact - p_exact)).toBeLessThanOrEqual(1e-9 * p_exact);
    expect(Math.abs(test.p_mid - p_mid)).toBeLessThanOrEqual(1e-9 * p_mid);
  });

  it('does not mind which run comes first, and mid-p is never the larger', () => {
    fc.assert(
      fc.property(fc.nat(300), fc.nat(300), (b, c) => {
        const one = mcnemar(pairs(b, c));
        const other = mcnemar(pairs(c, b));
        expect(one.p_exact).toBe(other.p_exact);
        expect(one.p_mid).toBe(other.p_mid);
        expect(one.p_mid).toBeLessThanOrEqual(one.p_exact);
        expect(one.p_mid).toBeGreaterThan(0);
      }),
    );
  });
});

describe('bootstrapMean', () => {
  it.each(goldens.bootstrap)('$name: ends within 0.15 standard errors of SciPy', (golden) => {
    const found = bootstrapMean(golden.values, { seed: 3, num_resamples: 4000 });
    expect(Math.abs(found.low - golden.low)).toBeLessThan(0.15 * golden.standard_error);
    expect(Math.abs(found.high - golden.high)).toBeLessThan(0.15 * golden.standard_error);
  });

  it('is the same for the same seed, and another for another', () => {
    const values = [0, 0.5, 1, 1, 0.25, 0.75];
    expect(bootstrapMean(values, { seed: 1 })).toEqual(bootstrapMean(values, { seed: 1 }));
    expect(bootstrapMean(values, { seed: 1 })).not.toEqual(bootstrapMean(values, { seed: 2 }));
    expect(bootstrapMean([0.4, 0.4], { seed: 1 })).toEqual({ low: 0.4, high: 0.4 });
    expect(() => bootstrapMean([], { seed: 1 })).toThrow(/at least one value/);
  });
});

describe('studentMean', () => {
  it.each(goldens.runs)('of $values.length values as SciPy, to 1e-6', ({ values, low, high }) => {
    const found = studentMean(values);
    expect(found.low).toBeCloseTo(low, 6);
    expect(found.high).toBeCloseTo(high, 6);
  });

  it('refuses no values', () => {
    expect(() => studentMean([])).toThrow(/at least one value/);
  });
});

describe('signFlipTest', () => {
  // SciPy tries all signs up to 20 values, ours up to 16; beyond, both draw.
  it.each(goldens.runs)('of $values.length differences as SciPy', ({ values, p }) => {
    expect(Math.abs(signFlipTest(values) - p)).toBeLessThan(values.length <= 16 ? 1e-12 : 0.005);
  });

  it('is 1 where nothing differs, and the least possible where all differ alike', () => {
    expect(signFlipTest([0, 0, 0])).toBe(1);
    expect(signFlipTest([1, 2, 3, 4, 5])).toBe(2 / 32);
  });

  it('refuses no differences', () => {
    expect(() => signFlipTest([])).toThrow(/at least one difference/);
  });
});
