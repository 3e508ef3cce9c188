/** Golden orders from datasets, numpy, torch and accelerate themselves: tests/goldens/data/make_orders.py. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { drawLikeAuthors, numpyPermutation, torchPermutation } from './authors-order.ts';
import { EpochSampler } from './sampler.ts';

interface Order {
  readonly length: number;
  readonly seed: number;
  readonly epoch?: number;
  readonly first: readonly number[];
  readonly last: readonly number[];
  readonly sha256: string;
}
const golden = JSON.parse(
  readFileSync(new URL('../../tests/goldens/data/orders.json', import.meta.url), 'utf8'),
) as { readonly draws: readonly Order[]; readonly orders: readonly Order[] };

const summary = (order: readonly number[]) => ({
  first: order.slice(0, 20),
  last: order.slice(-5),
  sha256: createHash('sha256').update(order.join(',')).digest('hex').slice(0, 16),
});

describe("the authors' items and their order", () => {
  it.each(golden.draws)(
    '$length items shuffled by datasets with seed $seed',
    ({ length, seed, ...expected }) => {
      expect(summary(numpyPermutation(length, seed))).toEqual(expected);
    },
  );

  it.each(golden.orders)('$length items visited with seed $seed, epoch $epoch', (one) => {
    const { length, seed, epoch = 0, ...expected } = one;
    expect(summary(torchPermutation(length, seed + epoch))).toEqual(expected);
    const sampler = new EpochSampler({ length, seed, order: 'authors' });
    for (let skipped = 0; skipped < epoch * length; skipped++) sampler.next();
    expect(summary(Array.from({ length }, () => sampler.next()))).toEqual(expected);
  });

  it('2000 of a training file of 20313, all of a smaller one in the order of the file', () => {
    const [first] = golden.draws.filter(({ length }) => length === 20_313);
    expect(drawLikeAuthors(20_313, 2000).slice(0, 20)).toEqual(first!.first);
    expect(drawLikeAuthors(20_313, 2000)).toHaveLength(2000);
    expect(drawLikeAuthors(3, 2000)).toEqual([0, 1, 2]);
  });

  it('refuses what the libraries refuse', () => {
    expect(() => numpyPermutation(3, -1)).toThrow(/whole number from 0 as seed, got -1/);
    expect(() => torchPermutation(3, 1.5)).toThrow(/whole number from 0 as seed, got 1.5/);
  });
});
