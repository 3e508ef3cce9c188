/** @file The strict device itself: what it refuses, counts and defers. A device that let everything pass would prove nothing. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { BUILD_TIMEOUT_MS, buildDevice, runOnDevice, skipReason, titled } from './strict-device.ts';

interface Rules {
  readonly freedMemory: number;
  readonly mixedDevices: readonly string[];
  readonly counting: { readonly launches: number; readonly waits: number };
  readonly memory: { readonly live: number; readonly peak: number };
  readonly earlyReuse: string;
  readonly rightReuse: readonly unknown[];
  readonly earlyRead: readonly unknown[];
  readonly graphs: Readonly<Record<'captured' | 'once' | 'twice' | 'launches', unknown>>;
  readonly capturedRefusals: readonly string[];
}

describe.skipIf(skipReason)(titled('strict device'), () => {
  let rules: Rules;
  beforeAll(async () => {
    rules = await runOnDevice<Rules>('rules-run.ts');
  }, BUILD_TIMEOUT_MS);

  it('ends a program that reads its memory from the host', async () => {
    const file = (name: string) => fileURLToPath(new URL(name, import.meta.url));
    const args = [
      '--import',
      file('../../scripts/typescript/loader.mjs'),
      file('processes/host-read-run.ts'),
      '{}',
    ];
    const env = { ...process.env, STRICT_DEVICE: await buildDevice() };
    const signal = await new Promise((resolve) =>
      execFile(process.execPath, args, { env }, (error) => resolve(error?.signal)),
    );
    expect(signal).toBe('SIGSEGV');
  });

  it('fills freed memory with NaN', () => {
    expect(rules.freedMemory).toBe(1);
  });

  it('refuses operators on tensors of the CPU beside its own, numbers without dimensions aside', () => {
    const [add, cat, select, foreach, number] = rules.mixedDevices;
    expect(add).toContain('strict:0 and cpu');
    expect(cat).toContain(`aten::cat got a tensor of the CPU as argument 'tensors'`);
    expect(select).toContain(`aten::index_select got a tensor of the CPU as argument 'index'`);
    expect(foreach).toContain('strict:0 and cpu');
    expect(number).toBe('2,2,2');
  });

  it('counts launches, waits and bytes', () => {
    expect(rules.counting).toEqual({ launches: 3, waits: 3 });
    expect(rules.memory).toEqual({ live: 0, peak: 3 * 256 * 4 });
  });

  it('finds a pinned buffer that is written before its copy is waited for', () => {
    expect(rules.earlyReuse).toContain(
      'a pinned buffer of 16 bytes, shape [4], was written between its non-blocking copy to the device and the wait',
    );
    expect(rules.rightReuse).toEqual([4, [1, 1, 1, 1], [2, 2, 2, 2]]);
  });

  it('gives a copy to the host its bytes at the wait, as they were when it was queued', () => {
    const hole = [null, null, null, null]; // NaN in JSON
    expect(rules.earlyRead).toEqual([hole, [0, 1, 2, 3]]);
  });

  it('captures without computing, and replays in one launch over the same memory', () => {
    const { captured, once, twice, launches } = rules.graphs;
    expect(captured).toEqual([[0, 0, 0, 0], 1]);
    // total = 1, softmax of equal values = 1/4.
    expect(once).toEqual([
      [1, 1, 1, 1],
      [2, 2, 2, 2],
    ]);
    expect(twice).toEqual([
      [6, 6, 6, 6],
      [7, 7, 7, 7],
    ]);
    expect(launches).toBe(1);
  });

  it('refuses in a capture what a graph cannot hold', () => {
    const [item, nonzero, upload, shape, resize, replay, after] = rules.capturedRefusals;
    for (const wait of [item, nonzero, upload]) expect(wait).toContain('waits for the device');
    expect(shape).toContain('aten::add gives a result another shape');
    expect(resize).toContain('resize_ gives memory another size');
    expect(replay).toContain(`a graph can't be replayed while one is captured`);
    expect(after).toBe('8');
  });
});
