/**
 * @file `twgrpo::prefix_flash` gives what the CPU's `twgrpo::prefix_attention` gives, which is tested against plain attention with a mask. On
 * the strict device both end in the CPU's flash attention; what is proven is the merge, its gradient and the calls.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import type { PrefixFlashNumbers } from './processes/prefix-flash-run.ts';
import { BUILD_TIMEOUT_MS, runOnDevice, skipReason, titled } from './strict-device.ts';

const PARTS = ['output', 'query', 'prefix keys', 'prefix values', 'suffix keys', 'suffix values'];

describe.skipIf(skipReason)(titled('prefix_flash on the strict device'), () => {
  let numbers: PrefixFlashNumbers;
  beforeAll(async () => {
    numbers = await runOnDevice<PrefixFlashNumbers>('prefix-flash-run.ts');
  }, BUILD_TIMEOUT_MS);

  it.each([...PARTS.entries()])('%i: %s, with rows of unequal length', (index) => {
    const [received, expected] = [numbers.strict[index]!, numbers.cpu[index]!];
    expect(expected.some((value) => value !== 0)).toBe(true);
    // Relative to the largest: sums of many terms end near 0 in places.
    const atol = 1e-6 * Math.max(...expected.map(Math.abs));
    expect(received).toBeAllclose(expected, { rtol: 1e-6, atol });
  });

  it('waits for nothing and launches what it must', () => {
    expect(numbers.waits).toBe(0);
    expect(numbers.launches.forward).toBe(8);
    expect(numbers.launches.backward).toBe(6);
  });

  it('is used where PyTorch would choose flash attention, never on the CPU', () => {
    expect(numbers.usable).toEqual({ cpu: false, flash: true, math: false });
  });

  it('refuses a suffix of another length than the queries', () => {
    expect(numbers.refusal).toContain('must have the same rows and tokens');
  });
});
