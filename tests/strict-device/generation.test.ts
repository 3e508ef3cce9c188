/** @file Scoring, generation and evaluation on a device that the host can't read give the CPU's numbers, in float32. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { GenerationNumbers } from './processes/generation-run.ts';
import { BUILD_TIMEOUT_MS, runOnDevice, skipReason, titled } from './strict-device.ts';

describe.skipIf(skipReason)(titled('generation on the strict device'), () => {
  let cpu: GenerationNumbers;
  let strict: GenerationNumbers;
  beforeAll(async () => {
    ({ cpu, strict } = await runOnDevice<{ cpu: GenerationNumbers; strict: GenerationNumbers }>(
      'generation-run.ts',
    ));
  }, BUILD_TIMEOUT_MS);

  it('the likeliest tokens of eight prompts', () => {
    expect(strict.greedy).toHaveLength(8);
    expect(strict.greedy).toEqual(cpu.greedy);
  });

  it('drawn tokens of two prompts, and their log-probabilities', () => {
    expect(strict.sampled).toHaveLength(6);
    expect(strict.sampled).toEqual(cpu.sampled);
    expect(strict.sampled_logps).toBeAllclose(cpu.sampled_logps, { rtol: 1e-6, atol: 0 });
  });

  it.each(['logps', 'lora_logps', 'merged_logps'] as const)('scores: %s', (key) => {
    expect(strict[key]).toBeAllclose(cpu[key], { rtol: 1e-6, atol: 0 });
  });

  it('an adapter and its merged weights mean the same', () => {
    expect(strict.lora_logps).not.toEqual(strict.logps);
    expect(strict.merged_logps).toBeAllclose(strict.lora_logps, { rtol: 1e-5, atol: 0 });
  });

  it('answers of an evaluation over videos', () => {
    expect(strict.answers).toHaveLength(3);
    expect(strict.answers).toEqual(cpu.answers);
  });
});
