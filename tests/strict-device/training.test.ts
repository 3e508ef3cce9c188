/** @file Training on a device that the host can't read gives the CPU's numbers, in float32. Nothing here has run on a GPU. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { Compared, TrainingTask } from './processes/training-run.ts';
import { BUILD_TIMEOUT_MS, runOnDevice, skipReason, titled } from './strict-device.ts';

/** Every token weight, every preset, and each feature that takes its own way through the device, in few runs. */
const TASK: TrainingTask = {
  grpo: [
    { name: 'tw_grpo, js, two iterations', keys: { loss_type: 'tw_grpo', num_iterations: 2 } },
    {
      name: 'grpo, weights of the authors with gradient, LoRA, KL',
      keys: {
        loss_type: 'grpo',
        token_weight: 'authors',
        token_weight_detach: false,
        lora_r: 2,
        beta: 0.1,
      },
    },
    {
      name: 'dapo, entropy weights with gradient, the tower trains',
      keys: {
        loss_type: 'dapo',
        token_weight: 'entropy',
        token_weight_detach: false,
        mask_truncated_completions: false,
        freeze_vision: false,
        freeze_merger: false,
      },
      attention: 'flash',
    },
    {
      name: 'dr_grpo, std weights, KL to a second model, temporal contrast',
      keys: { loss_type: 'dr_grpo', token_weight: 'std', beta: 0.1, temporal_contrast: true },
      attention: 'cudnn',
    },
    {
      name: 'gspo, one iteration, no checkpointing',
      keys: { loss_type: 'gspo', gradient_checkpointing: false },
    },
    {
      name: 'Qwen3-VL, its tower and mergers train',
      keys: { loss_type: 'tw_grpo', freeze_vision: false, freeze_merger: false },
      attention: 'flash',
      family: 'qwen3_vl',
    },
    { name: 'Qwen3-VL, LoRA', keys: { loss_type: 'grpo', lora_r: 2 }, family: 'qwen3_vl' },
    { name: 'whole', keys: { loss_type: 'tw_grpo', max_steps: 3 } },
    { name: 'optimizer on the host', keys: { loss_type: 'tw_grpo', max_steps: 3, offload_optimizer: true } },
    { name: 'resumed', keys: { loss_type: 'tw_grpo', max_steps: 3 }, stop_after: 1 },
  ],
  sft: ['adamw', 'muon'],
};

describe.skipIf(skipReason)(titled('training on the strict device'), () => {
  let results: ReadonlyMap<string, Compared>;
  beforeAll(async () => {
    const compared = await runOnDevice<Compared[]>('training-run.ts', TASK);
    results = new Map(compared.map((one) => [one.name, one]));
  }, BUILD_TIMEOUT_MS);

  it.each([...TASK.grpo.map(({ name }) => name), ...TASK.sft.map((name) => `sft ${name}`)])('%s', (name) => {
    const { cpu, strict, distance } = results.get(name)!;
    expect(strict.metrics.length).toBeGreaterThan(1);
    expect(strict.metrics[0]!['grad_norm']).toBeGreaterThan(0);
    expect(strict.ids).toEqual(cpu.ids);
    // Weights with a gradient divide by the span of entropies, which is small in a random model.
    const isLive = TASK.grpo.some((one) => one.name === name && one.keys['token_weight_detach'] === false);
    const gradRtol = isLive ? 2e-5 : 1e-5;
    for (const [i, row] of strict.metrics.entries()) {
      // Adam divides small gradients by their own size, so rounding grows from step to step.
      const rtol = i === 0 ? 5e-6 : 2e-5;
      if (strict.logps.length > 0) expect(strict.logps[i]).toBeAllclose(cpu.logps[i], { rtol, atol: 0 });
      const expected = cpu.metrics[i]!;
      expect(Object.keys(row)).toEqual(Object.keys(expected));
      if (expected['grad_norm'] !== undefined)
        expect(row['grad_norm']).toBeAllclose(expected['grad_norm'], { rtol: gradRtol, atol: 0 });
      // A loss is a mean of advantages that cancel.
      expect(Object.values(row)).toBeAllclose(Object.values(expected), { rtol: gradRtol, atol: 2e-7 });
    }
    expect(distance).toBeLessThan(1e-3);
  });

  it.each(['whole', 'sft adamw'])('%s: memory of each step as metrics', (name) => {
    const { cpu, strict } = results.get(name)!;
    const host = ['memory/host_rss_bytes', 'memory/host_peak_rss_bytes'];
    const device = ['memory/allocated_bytes', 'memory/peak_bytes', 'memory/reserved_bytes'];
    for (const row of cpu.memory) expect(Object.keys(row)).toEqual(host);
    for (const row of strict.memory) {
      expect(Object.keys(row)).toEqual([...host, ...device]);
      const [allocated, peak, reserved] = device.map((key) => row[key]!) as [number, number, number];
      expect(allocated).toBeGreaterThan(0);
      expect(peak).toBeGreaterThan(allocated);
      expect(reserved).toBeGreaterThanOrEqual(peak);
      expect(row['memory/host_peak_rss_bytes']).toBeGreaterThanOrEqual(row['memory/host_rss_bytes']!);
    }
    const last = strict.memory.slice(1).map((row) => row['memory/allocated_bytes']);
    expect(new Set(last).size).toBe(1);
  });

  it('a run that was stopped and resumed goes on as if it had not been', () => {
    const [whole, resumed] = [results.get('whole')!.strict, results.get('resumed')!.strict];
    expect(resumed.metrics).toEqual(whole.metrics);
    expect(resumed.ids).toEqual(whole.ids);
    expect(resumed.logps).toEqual(whole.logps);
  });
});
