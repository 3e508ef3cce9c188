/** @file `twgrpo train` as a process: signals, exit codes, resuming without a configuration file, what is printed. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { createTinyCheckpoint } from '../src/models/index.ts';
import { runCommand } from './support/run-command.ts';
import { scratchFolder } from './support/scratch-folder.ts';
import { SMALLEST } from './support/smallest-model.ts';

const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const folder = scratchFolder();
const config = join(folder, 'run.yaml');

beforeAll(() => {
  createTinyCheckpoint(join(folder, 'model'), SMALLEST);
  const rows = ['A', 'B', 'C'].map((answer, i) => ({
    problem: `Which shape moves in part ${i}?\nA. circle\nB. square\nC. star`,
    video: file('goldens/video/h264.mp4'),
    solution: `<answer>${answer}</answer>`,
  }));
  writeFileSync(join(folder, 'items.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  writeFileSync(
    config,
    `model_name_or_path: ${join(folder, 'model')}
jsonl_path: ${join(folder, 'items.jsonl')}
video_root: /
loss_type: tw_grpo
num_generations: 2
max_completion_length: 4
max_frames: 2
max_pixels: 3136
max_steps: 400
probe: false
num_threads: 1
`,
  );
});

/** The command as a process of its own, sent a signal as soon as its metrics have `rows` rows. */
async function interrupted(signal: NodeJS.Signals, outputDir: string, rows: number) {
  const child = spawn(
    process.execPath,
    [
      ...['--import', file('../scripts/typescript/loader.mjs'), file('../src/cli/main.ts'), 'train'],
      ...['--config', config, '--set', `output_dir=${outputDir}`, '--json'],
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk));
  const metrics = join(outputDir, 'metrics.jsonl');
  const numRows = () => (existsSync(metrics) ? readFileSync(metrics, 'utf8').split('\n').length - 1 : 0);
  const watcher = watch(folder, { recursive: true }, () => {
    if (numRows() < rows) return;
    watcher.close();
    child.kill(signal);
  });
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  watcher.close();
  return { code, stdout, stderr, numRows: numRows() };
}

describe('a signal', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s ends the step, saves, and ends with %i', async (signal, expected) => {
    const outputDir = join(folder, signal);
    const { code, stdout, stderr, numRows } = await interrupted(signal, outputDir, 2);
    expect(stderr).toContain(`${signal}: finishing this step and saving; once more to stop at once`);
    expect(code).toBe(expected);
    const result = JSON.parse(stdout);
    expect(result).toMatchObject({ step: numRows, max_steps: 400, stopped: true });
    const checkpoint = join(outputDir, `checkpoint-${numRows}`);
    expect(result.checkpoint).toBe(checkpoint);
    expect(existsSync(join(checkpoint, 'training_state', 'trainer.json'))).toBe(true);

    // The run folder is all that a resume needs.
    const resumed = await runCommand(
      'train',
      '--resume',
      outputDir,
      '--set',
      `max_steps=${numRows + 1}`,
      '--json',
    );
    expect(resumed.stderr).toContain(`resuming after step ${numRows}`);
    expect(readFileSync(join(outputDir, 'logs', 'rank-0.jsonl'), 'utf8')).toContain(
      `max_steps: 400 -> ${numRows + 1}`,
    );
    expect(resumed.code).toBe(0);
    expect(JSON.parse(resumed.stdout)).toMatchObject({ step: numRows + 1, stopped: false });
  });
});

describe('a wrong configuration', () => {
  it('names all its problems with their places, before anything is loaded', async () => {
    const bad = ['--set', 'learning_rat=1', '--set', 'num_generations=1', '--set', 'output_dir=x'];
    const { code, stdout, stderr } = await runCommand('train', '--config', config, ...bad);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain('learning_rat (--set): no such key; did you mean learning_rate?');
    expect(stderr).toContain('num_generations (--set): a group of one completion has no advantage');
  });

  it('a prompt that is too long stops the run at its start, with exit code 3 and the item named', async () => {
    const args = ['--set', 'max_prompt_length=40', '--set', `output_dir=${join(folder, 'long')}`];
    const { code, stderr } = await runCommand('train', '--config', config, ...args);
    expect(code).toBe(3);
    expect(stderr).toMatch(/3 of 3 prompts are longer than max_prompt_length 40: .* has \d+ tokens/);
    expect(existsSync(join(folder, 'long', 'metrics.jsonl'))).toBe(false);
  });

  it('an output_dir that holds a run is not written over', async () => {
    const outputDir = join(folder, 'twice');
    const args = ['train', '--config', config, '--set', `output_dir=${outputDir}`, '--set', 'max_steps=1'];
    expect((await runCommand(...args)).code).toBe(0);
    const before = readFileSync(join(outputDir, 'metrics.jsonl'), 'utf8');
    const again = await runCommand(...args);
    expect(again.code).toBe(2);
    expect(again.stderr).toContain('already holds a run');
    expect(readFileSync(join(outputDir, 'metrics.jsonl'), 'utf8')).toBe(before);
  });
});
