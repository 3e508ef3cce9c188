/** @file Memory of a device: the allocator's account, and what V8 is told. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { MemoryNumbers } from './processes/memory-run.ts';
import { BUILD_TIMEOUT_MS, runOnDevice, skipReason, titled } from './strict-device.ts';

describe.skipIf(skipReason)(titled('memory of a device'), () => {
  const SIZE = 64 * 2 ** 20;
  let numbers: MemoryNumbers;
  beforeAll(async () => {
    numbers = await runOnDevice<MemoryNumbers>('memory-run.ts');
  }, BUILD_TIMEOUT_MS);

  it('is what its allocator counts, the peak since the last reset', () => {
    expect(numbers.account.map(({ allocated, peak }) => [allocated, peak])).toEqual([
      [SIZE, SIZE],
      [SIZE, 2 * SIZE],
      [SIZE, SIZE],
    ]);
    for (const { reserved } of numbers.account) expect(reserved).toBeGreaterThanOrEqual(SIZE);
  });

  it('is unknown on the processor', () => {
    expect(numbers.cpu).toBe(true);
  });

  it('is not told to V8, which can make room in host memory only and would collect without end', () => {
    // Other garbage may make V8 collect a few on its own.
    expect(numbers.left.device).toBeGreaterThan(90);
    expect(numbers.left.host).toBeLessThan(numbers.left.device);
  });
});
