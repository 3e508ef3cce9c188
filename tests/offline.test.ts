/**
 * @file Without a network everything works but what names the hub: videos are made, their questions checked, a model is trained and
 * evaluated, in a namespace that has no network at all, and no process of Node even tries to open a connection.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { createTinyCheckpoint } from '../src/models/index.ts';
import { scratchFolder } from './support/scratch-folder.ts';
import { SMALLEST } from './support/smallest-model.ts';

const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const scratch = scratchFolder();
const connections = join(scratch, 'connections');
const model = join(scratch, 'model');
const world = join(scratch, 'world');
const run = join(scratch, 'run');
const scores = join(scratch, 'scores');
const questions = join(world, 'train.jsonl');

/** A user other than root needs a namespace of users as well; some systems allow neither. */
const flags = ['-n', '-rn'].find((flag) => spawnSync('unshare', [flag, 'true']).status === 0);

function offline(...args: readonly string[]) {
  const preloads = ['../scripts/typescript/loader.mjs', './support/record-connections.mjs'];
  const { status, stdout, stderr } = spawnSync(
    'unshare',
    [flags!, process.execPath, ...preloads.flatMap((name) => ['--import', file(name)]), ...args],
    { encoding: 'utf8', env: { ...process.env, TWGRPO_TEST_CONNECTIONS: connections } },
  );
  return { status, stdout, stderr };
}

describe.skipIf(flags === undefined)('without a network (skipped where unshare -n is not allowed)', () => {
  beforeAll(() => createTinyCheckpoint(model, SMALLEST));

  it.each<[command: string, ...args: string[]]>([
    ['world generate', '--output-dir', world, '--num-videos', '3', '--seed', '1'],
    ['data check', questions, '--video-root', world, '--model', model],
    [
      'train',
      ...Object.entries({
        ...{ model_name_or_path: model, jsonl_path: questions, video_root: world, output_dir: run },
        ...{ loss_type: 'tw_grpo', num_generations: 2, max_completion_length: 4, max_steps: 2 },
        ...{ max_frames: 2, max_pixels: 3136, probe: false, prompt_template: 'plain', num_threads: 1 },
      }).flatMap(([key, value]) => ['--set', `${key}=${value}`]),
    ],
    [
      'eval',
      ...['--model', join(run, 'checkpoint-2'), '--data', questions, '--video-root', world],
      ...[
        '--output-dir',
        scores,
        '--max-completion-length',
        '4',
        '--max-frames',
        '2',
        '--max-pixels',
        '3136',
      ],
    ],
  ])('%s', (name, ...args) => {
    const { status, stderr } = offline(file('../src/cli/main.ts'), ...name.split(' '), ...args, '--quiet');
    expect(status, stderr).toBe(0);
    expect(existsSync(connections)).toBe(false);
  });

  it('a process that tries to connect is noticed', () => {
    const { stderr } = offline(
      '--eval',
      'fetch("http://192.0.2.1/").catch(({ cause }) => console.error(cause))',
    );
    expect(stderr).toContain('ENETUNREACH');
    expect(readFileSync(connections, 'utf8')).toContain('a connection');
  });
});
