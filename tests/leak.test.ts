/** @file 200 training steps leave nothing behind: live tensors stay the same, resident memory does not climb. */
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

it('200 steps of forward, backward, clipping and AdamW', () => {
  const out = execFileSync(
    process.execPath,
    ['--expose-gc', '--import', file('support/typescript-loader.mjs'), file('support/leak-run.ts'), '200'],
    { encoding: 'utf8', maxBuffer: 1 << 24 },
  );
  const rows: { tensors: number; bytes: number; rssMib: number; loss: number }[] = JSON.parse(out);
  expect(rows).toHaveLength(200);
  expect(rows.at(-1)!.loss).toBeLessThan(rows[0]!.loss); // it did train
  // Parameters, and three tensors of optimizer state for each of them.
  expect(new Set(rows.map((row) => row.tensors))).toEqual(new Set([15 * 4]));
  expect(new Set(rows.map((row) => row.bytes)).size).toBe(1);
  const slopeMib = slope(rows.slice(50).map((row) => row.rssMib));
  expect(slopeMib).toBeLessThan(0.1);
});
