/**
 * Does it learn at all? A model of random weights, one question, two pictures whose right answers differ, and nothing but the
 * reward. It must find the letters, and must look at the picture to know which.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encode } from 'fast-png';
import { expect, it } from 'vitest';
import type { JsonObject } from '../run/index.ts';
import { rowsOf, scratchFolder, train, writeModel } from './test-support.ts';

const folder = scratchFolder();

/** A picture of one colour. */
function picture(name: string, color: readonly [number, number, number]): string {
  const side = 56;
  const data = Uint8Array.from({ length: side * side * 3 }, (_, i) => color[i % 3]!);
  const file = join(folder, `${name}.png`);
  writeFileSync(file, encode({ width: side, height: side, channels: 3, data }));
  return file;
}

function lessonKeys(): JsonObject {
  mkdirSync(folder, { recursive: true });
  const options = ['A. warm', 'B. cold', 'C. bright', 'D. dark'];
  const rows = [
    { image: picture('red', [220, 40, 30]), answer: 'A,C' },
    { image: picture('blue', [10, 20, 90]), answer: 'B,D' },
  ].map(({ image, answer }) => ({
    problem: `What is it?\n${options.join('\n')}`,
    image,
    data_type: 'image',
    solution: `<answer>${answer}</answer>`,
  }));
  const jsonl_path = join(folder, 'lesson.jsonl');
  writeFileSync(jsonl_path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return {
    model_name_or_path: writeModel(folder, { seed: 3, vocab_size: 300, hidden_size: 48 }),
    jsonl_path,
    video_root: '/',
    prompt_template: 'zero-shot',
    reward_funcs: ['accuracy'],
    num_generations: 24,
    max_completion_length: 3,
    per_device_train_batch_size: 2,
    learning_rate: 3e-3,
    lr_scheduler_type: 'constant',
    gradient_checkpointing: false,
    freeze_merger: false,
    save_steps: 1000,
    num_threads: 1,
    log_completions: false,
    check_prompts: false,
    probe: false,
  };
}

it('answers a visual question right under TW-GRPO, from the reward alone', async () => {
  const output_dir = join(folder, 'tw-grpo');
  const keys = { ...lessonKeys(), loss_type: 'tw_grpo', accuracy: 'soft', max_steps: 200, output_dir };
  const stop = new AbortController();
  const recent: number[] = [];
  await train(keys, {
    signal: stop.signal,
    onStep: ({ metrics }) => {
      recent.push(Number(metrics['reward']));
      if (recent.length >= 5 && recent.slice(-5).every((reward) => reward > 0.9)) stop.abort();
    },
  });
  const rewards = rowsOf(output_dir).map(({ reward }) => Number(reward));
  expect(rewards[0]).toBeLessThan(0.2);
  expect(Math.min(...rewards.slice(-5))).toBeGreaterThan(0.9);
});
