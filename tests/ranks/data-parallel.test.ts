/** @file Runs of several processes against the same run in one: losses, weights, completions, records. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src/base/index.ts';
import { createTinyCheckpoint } from '../../src/models/index.ts';
import { rowsOf } from '../../src/train/test-support.ts';
import { scratchFolder } from '../support/scratch-folder.ts';
import { hasTime, isAgreed, trainer } from './train-ranks.ts';

const folder = scratchFolder();
const { train, numbersOf, weightsApart, completionsOf } = trainer(folder);

/** Seven processes start in the first test; on a busy machine each takes seconds. */
describe('one run as several processes', { timeout: 300_000 }, () => {
  it('learns the same with 1, 2 and 4: losses, every metric, completions and weights over 20 steps', async () => {
    const keys = { gradient_accumulation_steps: 2, max_steps: 20, save_steps: 20 };
    const [one, two, four] = [
      await train('plain', 1, keys),
      await train('plain', 2, keys),
      await train('plain', 4, keys),
    ];
    for (const run of [two, four]) {
      const losses = (folder: string) => rowsOf(folder).map((row) => row['loss']);
      expect(losses(run)).toBeAllclose(losses(one), { rtol: 1e-6, atol: 3e-7 });
      expect(Object.keys(rowsOf(run)[0]!).filter(isAgreed)).toEqual(
        Object.keys(rowsOf(one)[0]!).filter(isAgreed),
      );
      expect(numbersOf(run)).toBeAllclose(numbersOf(one), { rtol: 5e-6, atol: 3e-7 });
      for (const step of [1, 20]) expect(completionsOf(run, step)).toEqual(completionsOf(one, step));
      expect(weightsApart(join(run, 'checkpoint-20'), join(one, 'checkpoint-20'))).toBeLessThan(1e-5);
    }
  });

  it('learns the same with 3, where shares are uneven, groups are drawn again, and a video can not be read', async () => {
    const rows = readFileSync(join(folder, 'questions.jsonl'), 'utf8').trim().split('\n');
    const broken = { ...(JSON.parse(rows[2]!) as JsonObject), video: join(folder, 'missing.mp4') };
    const jsonl_path = join(folder, 'with-a-bad-one.jsonl');
    writeFileSync(jsonl_path, rows.map((row, i) => (i === 2 ? JSON.stringify(broken) : row)).join('\n'));
    const keys = {
      ...{
        jsonl_path,
        on_bad_video: 'skip',
        loss_type: 'dapo',
        dynamic_sampling: true,
        scale_rewards: 'batch',
      },
      ...{ reward_funcs: ['accuracy', 'format', join(folder, 'rare.mjs')], lora_r: 2, beta: 0.1 },
      ...{ gradient_accumulation_steps: 2, max_steps: 6, num_iterations: 2, loss_norm: 'token' },
    };
    // Most groups earn 0 throughout, so that they are drawn again.
    writeFileSync(
      join(folder, 'rare.mjs'),
      `export const reward = (inputs) => inputs.map(({ completion }) => (/^[a-d]/i.test(completion) ? 1 : 0));`,
    );
    const [one, three] = [await train('uneven', 1, keys), await train('uneven', 3, keys)];
    const total = (key: string) => rowsOf(three).reduce((sum, row) => sum + Number(row[key]), 0);
    expect(total('resampled_groups')).toBeGreaterThan(0);
    expect(total('data/skipped_videos')).toBeGreaterThan(0);
    expect(numbersOf(three)).toBeAllclose(numbersOf(one), { rtol: 1e-5, atol: 1e-6 });
    for (const step of [1, 6]) expect(completionsOf(three, step)).toEqual(completionsOf(one, step));
    const adapter = (run: string) => join(run, 'checkpoint-6', 'adapter_model.safetensors');
    expect(readFileSync(adapter(three)).length).toBe(readFileSync(adapter(one)).length);
  });

  it('learns the same with 2 from a model of the form of Qwen3-VL with its tower and mergers', async () => {
    const model_name_or_path = join(folder, 'qwen3');
    createTinyCheckpoint(model_name_or_path, {
      ...{ model_type: 'qwen3_vl', seed: 5, hidden_size: 32, head_dim: 32, num_hidden_layers: 4 },
      ...{ num_attention_heads: 2, vocab_size: 320, rope_theta: 100 },
    });
    const keys = {
      ...{ model_name_or_path, freeze_vision: false, freeze_merger: false, max_frames: 4 },
      ...{ gradient_accumulation_steps: 2, max_steps: 4, save_steps: 4 },
    };
    const one = await train('qwen3', 1, keys);
    for (const zero_stage of hasTime ? [0, 3] : [0]) {
      const two = await train(`qwen3-${zero_stage}`, 2, { ...keys, zero_stage });
      expect(numbersOf(two)).toBeAllclose(numbersOf(one), { rtol: 5e-6, atol: 1e-6 });
      for (const step of [1, 4]) expect(completionsOf(two, step)).toEqual(completionsOf(one, step));
      expect(weightsApart(join(two, 'checkpoint-4'), join(one, 'checkpoint-4'))).toBeLessThan(1e-5);
    }
  });
});
