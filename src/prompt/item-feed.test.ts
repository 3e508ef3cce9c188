import { setTimeout } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { VideoError } from '../base/index.ts';
import { EpochSampler } from '../data/index.ts';
import { ItemFeed, type Placed } from './item-feed.ts';

const items = Array.from({ length: 7 }, (_, i) => ({ id: `q${i}` }));

/** A feed whose items load in any order; those named can not be read. */
function workshop(bad: readonly string[] = [], on_bad_video: 'error' | 'skip' = 'skip') {
  const alive = new Set<string>();
  const said: unknown[] = [];
  const state = { running: 0, most: 0 };
  const sampler = () => new EpochSampler({ length: items.length, seed: 3, fingerprint: 'f' });
  const open = (saved?: Readonly<Record<string, unknown>>) => {
    const own = sampler();
    if (saved !== undefined) own.loadState(saved);
    return new ItemFeed({
      questions: items,
      sampler: own,
      load: async ({ id }) => {
        state.running += 1;
        state.most = Math.max(state.most, state.running);
        await setTimeout(Number(id.slice(1)) % 3);
        state.running -= 1;
        if (bad.includes(id)) throw new VideoError(`${id}: damaged`);
        alive.add(id);
        return { id, dispose: () => void alive.delete(id) };
      },
      on_bad_video,
      logger: { warn: (facts: unknown) => void said.push(facts) } as never,
    });
  };
  /** Ids in the sampler's order. */
  const order = (count: number): string[] => {
    const own = sampler();
    return Array.from({ length: count }, () => `q${own.next()}`);
  };
  return { alive, said, state, open, order };
}

const idsOf = (loaded: readonly Placed<{ readonly id: string }>[]) => loaded.map(({ ready }) => ready.id);

describe('the feed of items', () => {
  it('hands out in the order of the sampler, whatever loads first, however much is loaded ahead', async () => {
    const { open, order } = workshop();
    const [plain, ahead] = [open(), open()];
    ahead.prefetch(5);
    const seen: string[][] = [[], []];
    for (const count of [2, 3, 4]) {
      seen[0]!.push(...idsOf(await plain.next(count)));
      seen[1]!.push(...idsOf(await ahead.next(count)));
      ahead.prefetch(4);
    }
    expect(seen).toEqual([order(9), order(9)]);
    expect(ahead.epoch).toBe(plain.epoch);
    await ahead.dispose();
  });

  it('loads no more at once than it was asked for', async () => {
    const { open, state } = workshop();
    const feed = open();
    await feed.next(2);
    feed.prefetch(3);
    feed.prefetch(3);
    await feed.next(3);
    expect(state).toEqual({ running: 0, most: 3 });
  });

  it('counts and tells what it skips, and takes the next item instead', async () => {
    const { open, order, said } = workshop(['q2', 'q5']);
    const feed = open();
    const isBad = (id: string) => id === 'q2' || id === 'q5';
    const all = order(14);
    const goodAt = all.flatMap((id, at) => (isBad(id) ? [] : [at]));
    const good = goodAt.map((at) => all[at]);
    expect(idsOf(await feed.next(4))).toEqual(good.slice(0, 4));
    expect(idsOf(await feed.next(6))).toEqual(good.slice(4, 10));
    const skipped = all.slice(0, goodAt[9]).filter(isBad);
    expect(skipped.length).toBeGreaterThanOrEqual(2);
    expect(said).toMatchObject(skipped.map((item) => ({ item })));
    expect(feed.skipped).toBe(skipped.length);
  });

  it('goes on from the position of what was handed out, not of what was loaded ahead', async () => {
    const { open, order } = workshop(['q1']);
    const feed = open();
    await feed.next(3);
    feed.prefetch(4);
    const state = feed.state();
    const rest = idsOf(await feed.next(3));
    expect(idsOf(await open(state).next(3))).toEqual(rest);
    expect(rest).toEqual(
      order(9)
        .filter((id) => id !== 'q1')
        .slice(3, 6),
    );
    await feed.dispose();
  });

  it('stops at the first video that can not be read where it must, and lets go of the others', async () => {
    const { open, order, alive } = workshop(['q4'], 'error');
    const feed = open();
    await expect(feed.next(items.length)).rejects.toThrow('q4: damaged');
    await feed.dispose();
    expect(order(items.length)).toContain('q4');
    expect(alive.size).toBe(0);
  });

  it('gives up when no item at all can be read', async () => {
    const { open } = workshop(items.map(({ id }) => id));
    await expect(open().next(1)).rejects.toThrow('none of the 7 items has a readable video');
  });
});
