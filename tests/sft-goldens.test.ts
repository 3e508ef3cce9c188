/** @file Muon against torch.optim.Muon, and the supervised loss against transformers: goldens of `tests/goldens/sft`. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { dispose, fromTypedArray, keep, scope, type Tensor } from '../src/tensor/index.ts';
import { Muon, orthogonal } from '../src/train/optim/muon.ts';
import { accumulateSftGradient, sftLoss } from '../src/train/sft/sft-update.ts';
import { hashedNoise, hashedPixels, loadGoldenModel } from './support/model-goldens.ts';

const read = (name: string) =>
  JSON.parse(readFileSync(join(import.meta.dirname, 'goldens/sft', name), 'utf8'));

interface MuonGolden {
  readonly orthogonal: number[];
  readonly param: number[];
  readonly momentum: number[];
}

const noise = (seed: number, [rows, columns]: readonly [number, number]): Tensor =>
  fromTypedArray(Float32Array.from(hashedNoise(seed, rows * columns)), [rows, columns]);
const flat = (x: Tensor): number[] => [...(x.detach().contiguous().toTypedArray() as Float32Array)];

describe('Muon', () => {
  const golden = read('muon.json');
  const { lr, momentum, weight_decay } = golden.options;
  const names = Object.keys(golden.shapes);

  function run(index: number): MuonGolden {
    return scope(() => {
      const shape = golden.shapes[names[index]!];
      const param = keep(noise(index, shape)).requires_grad_(true);
      const optimizer = new Muon(new Map([['w', param]]), { momentum, weight_decay });
      for (let step = 0; step < golden.steps; step++) {
        param.grad = noise(100 + 10 * step + index, shape);
        optimizer.step(lr);
      }
      const result = {
        orthogonal: flat(orthogonal(noise(100 + index, shape))),
        param: flat(param),
        momentum: flat(optimizer.state().get('momentum.w')!),
      };
      optimizer.dispose();
      dispose(param);
      return result;
    });
  }

  it.each(names)('is torch.optim.Muon with Newton-Schulz in float32: ten steps of a %s matrix', (name) => {
    const ours = run(names.indexOf(name));
    const theirs: MuonGolden = golden.float32[name];
    for (const key of ['orthogonal', 'param', 'momentum'] as const)
      expect(ours[key], key).toBeAllclose(theirs[key], { atol: 1e-5, rtol: 0 });
  });

  it.each(names)('stays near torch as it is, which rounds those steps to bfloat16: a %s matrix', (name) => {
    const ours = run(names.indexOf(name));
    const theirs: MuonGolden = golden.bfloat16[name];
    // Momentum never goes through the rounded steps.
    expect(ours.momentum).toBeAllclose(theirs.momentum, { atol: 1e-6, rtol: 0 });
    const apart = Math.max(...ours.orthogonal.map((value, i) => Math.abs(value - theirs.orthogonal[i]!)));
    expect(apart).toBeLessThan(2 ** -5);
    expect(apart).toBeGreaterThan(1e-5); // or the goldens are not what they say
  });
});

describe("a pack's supervised loss", () => {
  const golden = read('loss.json');

  it.each([false, true])(
    "is transformers' with the prompt masked, row by row; recomputed layers: %s",
    (recomputed) => {
      const model = loadGoldenModel('qwen2-5-vl');
      model.freeze({});
      scope(() => {
        const { grid, prefix, rows, second_per_grid } = golden;
        const { in_channels, temporal_patch_size, patch_size } = model.config.vision_config;
        const width = in_channels * temporal_patch_size * patch_size ** 2;
        const group = {
          inputs: {
            input_ids: prefix,
            video_grid_thw: [grid],
            image_grid_thw: [],
            second_per_grid_ts: [second_per_grid],
            pixel_values_videos: hashedPixels(2, grid[0] * grid[1] * grid[2], width),
          },
          rows,
        };
        const total = 7;
        const options = { gradient_checkpointing: recomputed, logits_chunk_mib: 64 };
        const update = accumulateSftGradient(model, group, 1 / total, options);
        expect(update.numTokens).toBe(total);
        expect(update.numRight).toBe(golden.num_right);
        expect(Math.abs(update.loss / total - golden.loss)).toBeLessThan(1e-5);
        expect(sftLoss(model, group, options).loss).toBeCloseTo(update.loss, 5);
        for (const [name, norm] of Object.entries(golden.grad_norms as Record<string, number>)) {
          const own = model.weights.get(name)!.grad!.norm().item() as number;
          expect(Math.abs(own / norm - 1), name).toBeLessThan(1e-5);
        }
      });
      for (const weight of model.weights.values()) weight.grad = undefined;
      model.dispose();
    },
  );
});
