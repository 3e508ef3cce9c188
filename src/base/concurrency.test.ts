import { setTimeout } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { forEachConcurrently, limitConcurrency } from './concurrency.ts';

function busy() {
  let running = 0;
  const seen = { most: 0, begun: [] as number[] };
  const work = async (item: number) => {
    seen.begun.push(item);
    running += 1;
    seen.most = Math.max(seen.most, running);
    await setTimeout(item % 3);
    running -= 1;
    if (item === 5) throw new RangeError('five');
    return item * 2;
  };
  return { seen, work };
}

const items = Array.from({ length: 20 }, (_, i) => i);

describe('concurrency', () => {
  it('runs so many at once, begins them in order, and gives each its own result', async () => {
    const { seen, work } = busy();
    const limit = limitConcurrency(3);
    const results = await Promise.allSettled(items.map((item) => limit(() => work(item))));
    expect(seen).toEqual({ most: 3, begun: items });
    expect(results.map((one) => (one.status === 'fulfilled' ? one.value : String(one.reason)))).toEqual(
      items.map((item) => (item === 5 ? 'RangeError: five' : item * 2)),
    );
  });

  it('begins nothing after a failure, and ends what is under way before it is thrown', async () => {
    const { seen, work } = busy();
    let ended = 0;
    const all = forEachConcurrently(items, 2, async (item) => {
      await work(item).finally(() => (ended += 1));
    });
    await expect(all).rejects.toThrow('five');
    expect(seen.most).toBe(2);
    expect(ended).toBe(seen.begun.length);
    expect(seen.begun.length).toBeLessThan(10);
    await forEachConcurrently([], 2, () => Promise.reject(new Error('never')));
  });
});
