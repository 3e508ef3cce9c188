/**
 * @file 200 training steps leave nothing behind: live tensors stay the same, resident memory does not climb. And what
 * no scope frees does not pile up, because V8 knows how much memory hangs on its small objects.
 */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** Slope of the least-squares line through equally spaced points. */
function slope(values: readonly number[]): number {
  const middle = (values.length - 1) / 2;
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  let [covariance, variance] = [0, 0];
  for (const [i, value] of values.entries()) {
    covariance += (i - middle) * (value - mean);
    variance += (i - middle) ** 2;
  }
  return covariance / variance;
}

/** What a script of ours prints as JSON, in a process of its own: a test runner's memory moves too. */
function runScript(script: string, flags: readonly string[], args: readonly string[] = []): unknown {
  const loader = ['--import', file('../scripts/typescript/loader.mjs')];
  const out = execFileSync(process.execPath, [...flags, ...loader, file(script), ...args], {
    encoding: 'utf8',
    maxBuffer: 1 << 24,
  });
  return JSON.parse(out);
}

it('200 steps of forward, backward, clipping and AdamW', () => {
  const rows = runScript('support/leak-run.ts', ['--expose-gc'], ['200']) as {
    tensors: number;
    bytes: number;
    rssMib: number;
    loss: number;
  }[];
  expect(rows).toHaveLength(200);
  expect(rows.at(-1)!.loss).toBeLessThan(rows[0]!.loss); // it did train
  // Parameters, and three tensors of optimizer state for each of them.
  expect(new Set(rows.map((row) => row.tensors))).toEqual(new Set([15 * 4]));
  expect(new Set(rows.map((row) => row.bytes)).size).toBe(1);
  const slopeMib = slope(rows.slice(50).map((row) => row.rssMib));
  expect(slopeMib).toBeLessThan(0.1);
});

it('200 tensors of 16 MiB outside any scope are collected long before all 3200 MiB are live', () => {
  const { peak } = runScript('support/collection-run.ts', ['--max-old-space-size=512']) as { peak: number };
  // V8 collects when external memory has grown by half of the old space (256 MiB); tensors made while it marks live
  // until the next collection. JavaScript's own few kilobytes would never have made it run.
  expect(peak).toBeLessThan(800 * 2 ** 20);
});
