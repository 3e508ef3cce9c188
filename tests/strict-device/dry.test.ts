/**
 * @file Memory of Qwen2.5-VL-7B in a training step, exact and without a GPU: our code at the model's real size on the dry device.
 *
 * 8 completions of a prompt of 1125 tokens (1040 of them video), bfloat16, checkpointing, flash attention. Bytes are what tensors ask for; a GPU adds its
 * context, workspaces of cuBLAS, and fragmentation. None of it has been measured on one.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import type { DryCase } from './processes/dry-run.ts';
import type { Phase } from './processes/made-model.ts';
import { BUILD_TIMEOUT_MS, runOnDevice, skipReason, titled } from './strict-device.ts';

/** Peaks in GB (10^9 bytes) by phase, within 1 %. Lower them when the code gets better. */
type Peaks = Readonly<Record<'rest' | 'encode' | 'generate' | 'gradient' | 'clip' | 'step', number>>;

const CASES: readonly (DryCase & { readonly peaks: Peaks })[] = [
  {
    name: 'LoRA, 512 tokens',
    lora_r: 16,
    length: 512,
    attention: 'flash',
    peaks: { rest: 17.24, encode: 18.05, generate: 17.77, gradient: 19.61, clip: 17.24, step: 17.24 },
  },
  {
    name: 'LoRA, 4096 tokens',
    lora_r: 16,
    length: 4096,
    attention: 'flash',
    peaks: { rest: 17.24, encode: 18.05, generate: 17.77, gradient: 32.73, clip: 17.24, step: 17.24 },
  },
  {
    name: 'all of the decoder, 512 tokens',
    length: 512,
    attention: 'flash',
    peaks: { rest: 123.21, encode: 124.02, generate: 123.53, gradient: 127.76, clip: 123.21, step: 125.39 },
  },
];

function peaksOf(phases: readonly Phase[]): Peaks {
  const gigabytes = (phase: string, key: 'live' | 'peak' = 'peak') =>
    phases.find((one) => one.phase === phase)![key] / 1e9;
  return {
    rest: gigabytes('step', 'live'),
    encode: gigabytes('encode'),
    generate: gigabytes('generate 4 tokens'),
    gradient: Math.max(...['forward', 'loss', 'backward'].map((phase) => gigabytes(phase))),
    clip: gigabytes('clip'),
    step: gigabytes('step'),
  };
}

describe.skipIf(skipReason)(titled('Qwen2.5-VL-7B on the dry device'), () => {
  const measured = new Map<string, Peaks>();
  beforeAll(async () => {
    for (const { peaks: _, ...one } of CASES) {
      const peaks = peaksOf(await runOnDevice<Phase[]>('dry-run.ts', one));
      measured.set(one.name, peaks);
      const columns = Object.entries(peaks).map(([phase, value]) => `${phase} ${value.toFixed(2)}`);
      process.stdout.write(`peak GB, ${one.name}: ${columns.join(', ')}\n`);
    }
  }, BUILD_TIMEOUT_MS);

  it.each(CASES)('$name', ({ name, peaks }) => {
    const found = measured.get(name)!;
    expect(Object.values(found)).toBeAllclose(Object.values(peaks), { rtol: 0.01, atol: 0 });
  });
});
