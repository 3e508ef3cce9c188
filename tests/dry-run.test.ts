/** @file `--dry-run` opens what it names and fails as the run would, with the same exit code and the same words. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { createTinyCheckpoint } from '../src/models/index.ts';
import { runCommand } from './support/run-command.ts';
import { scratchFolder } from './support/scratch-folder.ts';
import { SMALLEST } from './support/smallest-model.ts';

const folder = scratchFolder();
const clip = fileURLToPath(new URL('goldens/video/h264.mp4', import.meta.url));
const model = join(folder, 'model');
const cut = join(folder, 'cut');
const items = join(folder, 'items.jsonl');

beforeAll(() => {
  for (const dir of [model, cut]) createTinyCheckpoint(dir, SMALLEST);
  const config = JSON.parse(readFileSync(join(cut, 'config.json'), 'utf8'));
  const deeper = JSON.stringify(config).replaceAll('"num_hidden_layers":2', '"num_hidden_layers":3');
  writeFileSync(join(cut, 'config.json'), deeper);
  writeFileSync(
    items,
    `${JSON.stringify({ problem: 'Which shape?\nA. circle\nB. square', video: clip, solution: '<answer>A</answer>' })}\n`,
  );
});

const sets = (keys: Record<string, string>) =>
  Object.entries(keys).flatMap(([key, value]) => ['--set', `${key}=${value}`]);

describe.each(['train', 'sft'])('%s', (command) => {
  const keysFor = (name: string): Record<string, string> => ({
    model_name_or_path: model,
    jsonl_path: items,
    video_root: '/',
    output_dir: join(folder, `${command}-${name}`),
    max_frames: '2',
    max_pixels: '3136',
    max_completion_length: '30',
    max_steps: '1',
    num_threads: '1',
    ...(command === 'train' ? { loss_type: 'tw_grpo', num_generations: '2', probe: 'false' } : {}),
  });

  it('tells what the run would begin with, and writes nothing', async () => {
    const keys = keysFor('good');
    const { code, stdout } = await runCommand(command, ...sets(keys), '--dry-run', '--json');
    expect(code).toBe(0);
    const { config, check } = JSON.parse(stdout);
    expect(config.max_frames).toBe(2);
    expect(check).toMatchObject({ num_items: 1, max_steps: 1 });
    expect(check.num_weights).toBeGreaterThan(10_000);
    expect(check.free_bytes).toBeGreaterThan(check.checkpoint_bytes);
    expect(existsSync(keys['output_dir']!)).toBe(false);
  });

  it.each([
    ['a model that is not there', { model_name_or_path: join(folder, 'none') }, 3],
    ['weights that do not fit config.json', { model_name_or_path: cut }, 3],
    ['data that are not there', { jsonl_path: join(folder, 'none.jsonl') }, 3],
    ['videos that are not there', { video_root: '/', video_prefix: clip }, 3],
    ['a device the machine has not', { device: 'cuda:63' }, 2],
    ['a device that is none', { device: 'tpu' }, 2],
    ['a prompt that is too long', { max_prompt_length: '20' }, 3],
  ] as const)('%s: fails as the run does', async (name, changes, expected) => {
    const keys = { ...keysFor(name.replaceAll(/\W/g, '-')), ...changes };
    const dry = await runCommand(command, ...sets(keys), '--dry-run');
    const real = await runCommand(command, ...sets(keys));
    expect([dry.code, real.code]).toEqual([expected, expected]);
    expect(dry.stdout).toBe('');
    expect(dry.stderr).toBe(real.stderr);
    expect(dry.stderr).toMatch(/Error: /);
  });

  it('an output_dir that holds a run already: fails as the run does', async () => {
    const keys = keysFor('taken');
    expect((await runCommand(command, ...sets(keys))).code).toBe(0);
    const { code, stderr } = await runCommand(command, ...sets(keys), '--dry-run');
    expect(code).toBe(2);
    expect(stderr).toContain('already holds a run');
  });
});

it('sft: weights that Muon can not train', async () => {
  const keys = {
    model_name_or_path: model,
    jsonl_path: items,
    video_root: '/',
    output_dir: join(folder, 'm'),
  };
  const muon = sets({
    ...keys,
    optimizer: 'muon',
    dtype: 'bfloat16',
    check_prompts: 'false',
    max_steps: '1',
  });
  const dry = await runCommand('sft', ...muon, '--dry-run');
  const real = await runCommand('sft', ...muon);
  expect([dry.code, real.code]).toEqual([2, 2]);
  expect(dry.stderr).toBe(real.stderr);
});

describe('eval', () => {
  const words = (changes: Record<string, string> = {}) =>
    Object.entries({
      '--model': model,
      '--data': items,
      '--video-root': '/',
      '--output-dir': join(folder, 'eval'),
      '--max-frames': '2',
      '--max-pixels': '3136',
      '--max-completion-length': '4',
      ...changes,
    }).flat();

  it('tells what it would ask', async () => {
    const { code, stdout } = await runCommand('eval', ...words(), '--dry-run', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ questions: 1, missing_videos: [] });
    expect(existsSync(join(folder, 'eval'))).toBe(false);
  });

  it.each([
    ['a model that is not there', { '--model': join(folder, 'none') }, 3],
    ['weights that do not fit config.json', { '--model': cut }, 3],
    ['data that are not there', { '--data': join(folder, 'none.jsonl') }, 3],
    ['a device the machine has not', { '--device': 'cuda:63' }, 2],
    ['videos that are not there', { '--video-prefix': clip }, 3],
  ] as const)('%s: fails as the run does', async (name, changes, expected) => {
    const own = words({ '--output-dir': join(folder, name.replaceAll(/\W/g, '-')), ...changes });
    const dry = await runCommand('eval', ...own, '--dry-run');
    const real = await runCommand('eval', ...own);
    expect([dry.code, real.code]).toEqual([expected, expected]);
  });
});
