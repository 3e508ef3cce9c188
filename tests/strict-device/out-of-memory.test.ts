/** @file A device whose memory runs out in a training step: once more in parts, then an error that names the key to change. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { OutOfMemoryNumbers } from './processes/out-of-memory-run.ts';
import { BUILD_TIMEOUT_MS, runOnDevice, skipReason, titled } from './strict-device.ts';

describe.skipIf(skipReason)(titled('memory that runs out'), () => {
  let numbers: OutOfMemoryNumbers;
  beforeAll(async () => {
    numbers = await runOnDevice<OutOfMemoryNumbers>('out-of-memory-run.ts');
  }, BUILD_TIMEOUT_MS);

  it('in the update: the cache is emptied, parts give the same numbers', () => {
    const { whole, squeezed, emptied } = numbers.update;
    expect(emptied).toBeGreaterThan(0);
    expect(squeezed.memory[0]!['memory/peak_bytes']).toBeLessThan(whole.memory[0]!['memory/peak_bytes']!);
    expect(squeezed.ids).toEqual(whole.ids);
    expect(squeezed.logps[0]).toBeAllclose(whole.logps[0], { rtol: 1e-5, atol: 0 });
    const [found, expected] = [squeezed.metrics[0]!, whole.metrics[0]!];
    expect(Object.keys(found)).toEqual(Object.keys(expected));
    expect(found['grad_norm']).toBeGreaterThan(0);
    expect(found['grad_norm']).toBeAllclose(expected['grad_norm'], { rtol: 1e-5, atol: 0 });
    expect(Object.values(found)).toBeAllclose(Object.values(expected), { rtol: 1e-5, atol: 2e-7 });
  });

  it('where parts do not fit either: an error that names item and key, and the run is saved', () => {
    const { message, hint, cause, hasSaved } = numbers.failed;
    expect(message).toMatch(/^memory of strict:0 ran out for .+; tensors hold [\d.]+ GB, at most [\d.]+ GB$/);
    expect(hint).toMatch(/^lower \w+.*; twgrpo plan shows what fits before a run$/);
    expect(cause).toContain('out of memory');
    expect(hasSaved).toBe(true);
  });
});
