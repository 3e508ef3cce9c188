import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DataError } from '../base/index.ts';
import { drawSubset, EpochSampler } from './sampler.ts';

const take = (sampler: EpochSampler, count: number): number[] =>
  Array.from({ length: count }, () => sampler.next());

describe('sampler', () => {
  it('visits every item once an epoch, in another order each time', () => {
    const sampler = new EpochSampler({ length: 20, seed: 1 });
    const [first, second] = [take(sampler, 20), take(sampler, 20)];
    const all = Array.from({ length: 20 }, (_, i) => i);
    expect([...first].sort((a, b) => a - b)).toEqual(all);
    expect([...second].sort((a, b) => a - b)).toEqual(all);
    expect(first).not.toEqual(second);
    expect(sampler.epoch).toBe(2);
    expect(take(new EpochSampler({ length: 20, seed: 1 }), 20)).toEqual(first);
    expect(take(new EpochSampler({ length: 20, seed: 2 }), 20)).not.toEqual(first);
    expect(take(new EpochSampler({ length: 4, seed: 1, shuffle: false }), 6)).toEqual([0, 1, 2, 3, 0, 1]);
  });

  it('continues exactly from any saved position', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 0, max: 40 }), (length, before) => {
        const options = { length, seed: 9, fingerprint: 'abc' };
        const sampler = new EpochSampler(options);
        take(sampler, before);
        const state = JSON.parse(JSON.stringify(sampler.state())) as Record<string, unknown>;
        const other = new EpochSampler(options);
        other.loadState(state);
        expect(other.epoch).toBe(sampler.epoch);
        expect(take(other, 30)).toEqual(take(sampler, 30));
      }),
    );
  });

  it('refuses a position of other data, and no data', () => {
    const state = new EpochSampler({ length: 5, seed: 1, fingerprint: 'a' }).state();
    for (const change of [
      { length: 6 },
      { seed: 2 },
      { fingerprint: 'b' },
      { shuffle: false },
      { order: 'authors' as const },
    ]) {
      const other = new EpochSampler({ length: 5, seed: 1, fingerprint: 'a', ...change });
      expect(() => other.loadState(state)).toThrow(/position is of other data/);
    }
    const same = new EpochSampler({ length: 5, seed: 1, fingerprint: 'a' });
    for (const broken of [{ epoch: -1 }, { position: 6 }, { position: 1.5 }, { epoch: 'x' }]) {
      expect(() => same.loadState({ ...state, ...broken })).toThrow(/position is damaged/);
    }
    expect(() => new EpochSampler({ length: 0, seed: 1 })).toThrow(DataError);
  });

  it('draws subsets without repeats, in order', () => {
    const subset = drawSubset(100, 10, 3);
    expect(new Set(subset).size).toBe(10);
    expect([...subset].sort((a, b) => a - b)).toEqual(subset);
    expect(drawSubset(100, 10, 3)).toEqual(subset);
    expect(drawSubset(3, 10, 3)).toEqual([0, 1, 2]);
  });
});
