/**
 * Does it learn at all? A model of random weights, one question about one picture, and nothing but the reward, which is the
 * paper's: the share of the right letters that are named, 0 if any named letter is wrong. Random weights write no tags, so
 * letters count wherever they stand.
 *
 * Plain GRPO with the exact reward (all right letters and no other) has to find both letters by chance first: with the same seed it needed 335 steps
 * where TW-GRPO with the soft reward needed 26. To see it: set `exact` in the module, loss_type grpo and max_steps 400 below.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encode } from 'fast-png';
import { expect, it } from 'vitest';
import { scratchFolder } from '../../../tests/support/scratch-folder.ts';
import { rowsOf, train, writeModel } from '../test-support.ts';

const folder = scratchFolder();

const LETTERS = `const exact = false;
export function reward(inputs) {
  return inputs.map(({ completion, solution }) => {
    const truth = new Set(solution.replace(/<\\/?answer>/g, '').split(','));
    const named = new Set([...completion].filter((one) => 'ABCD'.includes(one)));
    if (named.size === 0 || [...named].some((letter) => !truth.has(letter))) return 0;
    return exact ? Math.floor(named.size / truth.size) : named.size / truth.size;
  });
}
`;

it('answers a visual question right under TW-GRPO, from the reward alone', async () => {
  const side = 56;
  const data = Uint8Array.from({ length: side * side * 3 }, (_, i) => [10, 20, 90][i % 3]!);
  const [image, reward] = [join(folder, 'blue.png'), join(folder, 'letters.mjs')];
  writeFileSync(image, encode({ width: side, height: side, channels: 3, data }));
  writeFileSync(reward, LETTERS);
  const question = {
    problem: 'What is it?\nA. warm\nB. cold\nC. bright\nD. dark',
    image,
    data_type: 'image',
    solution: '<answer>B,D</answer>',
  };
  writeFileSync(join(folder, 'lesson.jsonl'), `${JSON.stringify(question)}\n`);
  const output_dir = join(folder, 'run');
  const stop = new AbortController();
  const rewards: number[] = [];
  await train(
    {
      model_name_or_path: writeModel(folder, { seed: 3, hidden_size: 48 }),
      jsonl_path: join(folder, 'lesson.jsonl'),
      video_root: '/',
      output_dir,
      prompt_template: 'zero-shot',
      loss_type: 'tw_grpo',
      reward_funcs: [reward],
      num_generations: 32,
      max_completion_length: 4,
      learning_rate: 3e-3,
      lr_scheduler_type: 'constant',
      gradient_checkpointing: false,
      freeze_merger: false,
      max_steps: 150,
      save_steps: 1000,
      num_threads: 1,
      probe: false,
    },
    {
      signal: stop.signal,
      // Learned: no step of the last five is below.
      onStep: ({ metrics }) => {
        rewards.push(Number(metrics['reward']));
        if (rewards.length >= 5 && Math.min(...rewards.slice(-5)) > 0.9) stop.abort();
      },
    },
  );
  expect(rewards[0]).toBeLessThan(0.2);
  expect(Math.min(...rewards.slice(-5))).toBeGreaterThan(0.9);
  expect(rowsOf(output_dir).map(({ reward }) => reward)).toEqual(rewards);
});
