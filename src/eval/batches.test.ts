import { setTimeout } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ToldError, TwgrpoError } from '../base/index.ts';
import { type Processes, SINGLE_PROCESS } from '../dist/index.ts';
import { type BatchOptions, inBatches } from './batches.ts';

class NoMemory extends Error {}
class NoVideo extends Error {}

/** Prompts that know whether they were let go. */
function workshop() {
  const alive = new Set<number>();
  let loading = 0;
  let mostLoading = 0;
  const load = async (task: number) => {
    loading++;
    mostLoading = Math.max(mostLoading, loading);
    await setTimeout(0);
    loading--;
    if (task % 7 === 5) throw new NoVideo(`no video ${task}`);
    alive.add(task);
    return { task, dispose: () => void alive.delete(task) };
  };
  return { alive, load, mostLoading: () => mostLoading };
}

type Ready = { readonly task: number; dispose(): void };

function options(
  changes: Partial<BatchOptions<number, Ready, string>> & Pick<BatchOptions<number, Ready, string>, 'load'>,
): BatchOptions<number, Ready, string> & { readonly rows: [number, string][]; readonly skipped: number[] } {
  const rows: [number, string][] = [];
  const skipped: number[] = [];
  return {
    tasks: Array.from({ length: 20 }, (_, i) => i),
    batch_size: 4,
    num_loaders: 2,
    answer: async (ready) => ready.map(({ task }) => `answer ${task}`),
    isSkippable: (error) => error instanceof NoVideo,
    isOutOfMemory: (error) => error instanceof NoMemory,
    onBatch: (batch) => {
      rows.push(...batch.answered.map(({ task, result }): [number, string] => [task, result]));
      skipped.push(...batch.skipped.map(({ task }) => task));
    },
    onSmaller: () => {},
    ...changes,
    rows,
    skipped,
  };
}

describe('working in batches', () => {
  it('answers every task once, in order, and leaves out what cannot be loaded', async () => {
    const { alive, load, mostLoading } = workshop();
    const run = options({ load });
    expect(await inBatches(run)).toBeUndefined();
    expect(run.skipped).toEqual([5, 12, 19]);
    expect(run.rows.map(([task]) => task)).toEqual(run.tasks.filter((task) => task % 7 !== 5));
    expect(run.rows.every(([task, answer]) => answer === `answer ${task}`)).toBe(true);
    expect([alive.size, mostLoading()]).toEqual([0, 2]);
  });

  it('loads the next batch while this one is being answered', async () => {
    const { alive, load } = workshop();
    const seen: number[][] = [];
    const run = options({
      load,
      answer: async (ready) => {
        await setTimeout(50);
        seen.push([...alive]);
        return ready.map(() => '');
      },
    });
    await inBatches(run);
    expect(seen[0]).toEqual([0, 1, 2, 3, 4, 6, 7]);
    expect(seen[4]).toEqual([16, 17, 18]);
  });

  it('halves the batch when memory runs out, without doing anything twice', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 24 }),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 9 }),
        fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 4 }),
        async (count, batchSize, fits, failingCalls) => {
          const { alive, load } = workshop();
          const sizes: number[] = [];
          let calls = 0;
          const run = options({
            load,
            tasks: Array.from({ length: count }, (_, i) => i),
            batch_size: batchSize,
            answer: async (ready) => {
              // At a fixed size, and now and then: but never for one alone, which ends the run.
              if (ready.length > fits || (ready.length > 1 && failingCalls.includes(calls++)))
                throw new NoMemory();
              return ready.map(({ task }) => `answer ${task}`);
            },
            onSmaller: (size) => sizes.push(size),
          });
          expect(await inBatches(run)).toBeUndefined();
          const done = [...run.rows.map(([task]) => task), ...run.skipped].sort((a, b) => a - b);
          expect(done).toEqual(run.tasks);
          expect(sizes).toEqual([...sizes].sort((a, b) => b - a));
          expect(alive.size).toBe(0);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('gives up when memory does not suffice for one, and lets everything go', async () => {
    const { alive, load } = workshop();
    const run = options({ load, answer: () => Promise.reject(new NoMemory('2 GB')) });
    await expect(inBatches(run)).rejects.toThrow(TwgrpoError);
    await expect(inBatches(run)).rejects.toThrow(/memory ran out with one prompt/);
    expect([run.rows, run.skipped, alive.size]).toEqual([[], [], 0]);
  });

  it('passes on other errors of loading and answering, and lets everything go', async () => {
    const { alive, load } = workshop();
    const broken = new Error('broken');
    const failing = async (task: number) => (task === 9 ? Promise.reject(broken) : load(task));
    const run = options({ load: failing });
    await expect(inBatches(run)).rejects.toBe(broken);
    expect(run.rows.map(([task]) => task)).toEqual([0, 1, 2, 3, 4, 6, 7]);
    await expect(inBatches(options({ load, answer: () => Promise.reject(broken) }))).rejects.toBe(broken);
    await expect(inBatches(options({ load, answer: async () => ['one too few'] }))).rejects.toThrow(
      /internal: 1 answers to 4 prompts/,
    );
    expect(alive.size).toBe(0);
  });

  it('finishes the batch at a signal, then stops', async () => {
    const { alive, load } = workshop();
    const controller = new AbortController();
    const run = options({
      load,
      signal: controller.signal,
      answer: async (ready) => {
        if (ready[0]!.task === 4) controller.abort('SIGTERM');
        return ready.map(() => '');
      },
    });
    expect(await inBatches(run)).toBe('SIGTERM');
    expect(run.rows.map(([task]) => task)).toEqual([0, 1, 2, 3, 4, 6, 7]);
    expect(alive.size).toBe(0);
  });
});

/** Ranks of one process, which meet in its memory. */
function ranksOf(world_size: number): Processes[] {
  let told: unknown[] = [];
  let come: ((all: unknown[]) => void)[] = [];
  return Array.from({ length: world_size }, (_, rank) => ({
    ...SINGLE_PROCESS,
    ...{ rank, world_size, is_main_process: rank === 0 },
    gather: <T>(value: T) =>
      new Promise<T[]>((resolve) => {
        told[rank] = structuredClone(value);
        come.push(resolve as (all: unknown[]) => void);
        if (come.length < world_size) return;
        const [all, waiting] = [told, come];
        [told, come] = [[], []];
        for (const one of waiting) one(all);
      }),
  }));
}

describe('working in batches, several processes', () => {
  it('makes the batches of one process and tells all of them the same, whatever fits into memory', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 0, max: 24 }),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 9 }),
        async (numRanks, count, batchSize, fits) => {
          const work = async (processes: Processes, batches: number[][]) => {
            const { alive, load } = workshop();
            const sizes: number[] = [];
            const run = options({
              ...{ load, processes },
              tasks: Array.from({ length: count }, (_, i) => i),
              batch_size: batchSize,
              answer: async (ready) => {
                if (ready.length > fits) throw new NoMemory();
                const tasks = ready.map(({ task }) => task);
                batches.push(tasks);
                return tasks.map((task) => `answer ${task} of ${tasks.join(' ')}`);
              },
              onSmaller: (size) => sizes.push(size),
            });
            expect(await inBatches(run)).toBeUndefined();
            expect(alive.size).toBe(0);
            return { rows: run.rows, skipped: run.skipped, sizes };
          };
          const [batches, own]: [number[][], number[][]] = [[], []];
          const one = await work(SINGLE_PROCESS, own);
          const all = await Promise.all(ranksOf(numRanks).map((processes) => work(processes, batches)));
          for (const rank of all) expect(rank).toEqual(all[0]);
          expect(all[0]!.rows.map(([task]) => task)).toEqual(one.rows.map(([task]) => task));
          expect(all[0]!.skipped).toEqual(one.skipped);
          // Where memory never ran out, or ran out at once, even the neighbours of a task are the same.
          if (fits >= batchSize || numRanks === 1) expect(all[0]).toEqual(one);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('stops all at the signal of one, after the batches that were begun', async () => {
    const controller = new AbortController();
    const runs = ranksOf(2).map((processes) => {
      const { load } = workshop();
      return options({
        ...{ load, processes },
        signal: processes.rank === 1 ? controller.signal : undefined,
        answer: async (ready) => {
          if (processes.rank === 1) controller.abort('SIGTERM');
          return ready.map(() => '');
        },
      });
    });
    expect(await Promise.all(runs.map(inBatches))).toEqual(['SIGTERM', 'SIGTERM']);
    for (const run of runs) expect(run.rows.map(([task]) => task)).toEqual([0, 1, 2, 3, 4, 6, 7]);
  });

  it('ends all when one fails: by its error, and by one that names it', async () => {
    const runs = ranksOf(2).map((processes) => {
      const { load } = workshop();
      const failing = async (task: number) =>
        task === 6 ? Promise.reject(new TwgrpoError('a prompt is too long')) : load(task);
      return inBatches(options({ load: failing, processes }));
    });
    const [first, second] = await Promise.allSettled(runs);
    expect(second).toMatchObject({ reason: { name: 'TwgrpoError', message: 'a prompt is too long' } });
    expect(first).toMatchObject({ reason: { message: 'rank 1 can not go on: a prompt is too long' } });
    const broken = () => Promise.reject(new TwgrpoError('no answer'));
    const all = await Promise.allSettled(
      ranksOf(2).map((processes) => inBatches(options({ load: workshop().load, processes, answer: broken }))),
    );
    expect(all.map((one) => (one as PromiseRejectedResult).reason.constructor)).toEqual([
      TwgrpoError,
      ToldError,
    ]);
  });
});
