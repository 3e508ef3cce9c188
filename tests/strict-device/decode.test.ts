/**
 * @file Decoding as a GPU does it: kernel by kernel and as a captured graph it gives the CPU's logits, while rows leave and their
 * memory grows. That a step can be captured at all shows that it waits for nothing and has no new shape. Graphs of CUDA have not run.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import type { DecodeAnswer, DecodeTask } from './processes/decode-run.ts';
import { BUILD_TIMEOUT_MS, runOnDevice, skipReason, titled } from './strict-device.ts';

/** The room for tokens is 128 at first: the last steps are in memory that grew. */
const TASK: DecodeTask = {
  checkpoints: ['qwen2-5-vl', 'qwen2-5-vl-tied', 'qwen2-vl', 'qwen3-vl'],
  steps: 134,
};

describe.skipIf(skipReason)(titled('decoding on the strict device'), () => {
  let results: DecodeAnswer['results'];
  let fused: DecodeAnswer['fused'];
  beforeAll(async () => {
    ({ results, fused } = await runOnDevice<DecodeAnswer>('decode-run.ts', TASK));
  }, BUILD_TIMEOUT_MS);

  const CASES = TASK.checkpoints.flatMap((name) => [`${name}`, `${name}, adapted`]);

  it.each([...CASES.entries()])('%i: %s', (index, name) => {
    const { checkpoint, isAdapted, cpu, eager, captured, left } = results[index]!;
    expect(`${checkpoint}${isAdapted ? ', adapted' : ''}`).toBe(name);
    expect(cpu).toHaveLength(TASK.steps + 1);
    for (const [step, expected] of cpu.entries())
      expect(eager[step], `step ${step}`).toBeAllclose(expected, { rtol: 1e-5, atol: 3e-5 });
    expect(captured).toEqual(eager);
    expect(left).toBe(0);
  });

  it('a captured step is two launches, the ids and the graph', () => {
    for (const { costs } of results) {
      expect(costs.captured).toEqual({ launches: 2, waits: 0 });
      expect(costs.eager.waits).toBe(0);
      expect(costs.eager.launches).toBeGreaterThan(20);
    }
  });

  it('weights that another frees and fills stay where they lie', () => {
    // Weights and biases of queries with keys and values, and gate with up, in two layers.
    expect(fused).toEqual({ loaded: 6, placed: 0 });
  });
});
