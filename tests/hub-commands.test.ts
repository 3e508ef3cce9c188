/** @file The commands take names on the hub where they take folders and files, and a run goes on with the commit it began with. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { createTinyCheckpoint } from '../src/models/index.ts';
import { type Files, HubServer } from './support/hub-server.ts';
import { runCommand } from './support/run-command.ts';
import { scratchFolder } from './support/scratch-folder.ts';
import { SMALLEST } from './support/smallest-model.ts';

const MODEL = 'me/tiny-vl';
const DATA = 'hf://datasets/me/clips/items.jsonl';
const VIDEO = fileURLToPath(new URL('goldens/video/h264.mp4', import.meta.url));
const folder = scratchFolder();
const before = { ...process.env };
let server: HubServer;
let model: Files;
let [modelCommit, dataCommit] = ['', ''];
let caches = 0;

beforeAll(async () => {
  server = await HubServer.start('file');
  createTinyCheckpoint(join(folder, 'model'), SMALLEST);
  model = Object.fromEntries(
    readdirSync(join(folder, 'model')).map((name) => [name, readFileSync(join(folder, 'model', name))]),
  );
  modelCommit = server.add(MODEL, model);
  const rows = ['A', 'B'].map((answer, i) => ({
    problem: `Which shape moves in part ${i}?\nA. circle\nB. square`,
    video: VIDEO,
    solution: `<answer>${answer}</answer>`,
  }));
  dataCommit = server.add('datasets/me/clips', {
    'items.jsonl': rows.map((row) => `${JSON.stringify(row)}\n`).join(''),
  });
});
beforeEach(() => {
  Object.assign(process.env, {
    HF_ENDPOINT: server.address,
    HF_HUB_CACHE: join(folder, `cache-${++caches}`),
    HF_TOKEN: 'hf_x',
    HF_HUB_OFFLINE: '',
  });
  server.seen.length = 0;
});
afterAll(() => {
  for (const name of ['HF_ENDPOINT', 'HF_HUB_CACHE', 'HF_TOKEN', 'HF_HUB_OFFLINE'])
    if (before[name] === undefined) delete process.env[name];
    else process.env[name] = before[name];
});

it('inspect model asks for the headers of the weights alone, and shows what the folder itself would', async () => {
  const { code, stdout } = await runCommand('inspect', 'model', MODEL, '--json', '--quiet');
  const own = await runCommand('inspect', 'model', join(folder, 'model'), '--json');
  expect(code).toBe(own.code);
  const told = (text: string) => {
    const { parts, total, config, stop_token_ids, problems, files } = JSON.parse(text);
    return { parts, total, config, stop_token_ids, problems, numFiles: files.length };
  };
  expect(told(stdout)).toEqual(told(own.stdout));
  const asked = server.fileRequests().filter((file) => file.includes(' bytes='));
  expect(asked).not.toEqual([]);
  for (const file of asked) {
    const [, last] = / bytes=0-(\d+)$/.exec(file)!;
    expect(Number(last)).toBeLessThan(2 ** 17);
  }
  // The cache holds no weights, so that a later command downloads them.
  const names = readdirSync(process.env['HF_HUB_CACHE']!, { recursive: true }).map(String);
  expect(names.filter((name) => name.endsWith('.safetensors'))).toEqual([]);
  expect(names.some((name) => name.endsWith('config.json'))).toBe(true);
  server.seen.length = 0;
  expect((await runCommand('pull', MODEL, '--quiet')).code).toBe(0);
  expect(server.fileRequests()).toContain('model.safetensors');
});

/** A run of one step with an adapter, so that its checkpoint names its base. */
const TRAIN = [
  ...['model_name_or_path', 'jsonl_path'].flatMap((key, i) => ['--set', `${key}=${[MODEL, DATA][i]}`]),
  ...[
    'video_root=/',
    'loss_type=grpo',
    'num_generations=2',
    'max_completion_length=4',
    'max_frames=2',
  ].flatMap((set) => ['--set', set]),
  ...['max_pixels=3136', 'max_steps=1', 'probe=false', 'num_threads=1', 'lora_r=2'].flatMap((set) => [
    '--set',
    set,
  ]),
];

describe('twgrpo pull', () => {
  it('prints the folder, or with --json where it comes from', async () => {
    const first = await runCommand('pull', MODEL, '--json');
    expect(first.code).toBe(0);
    const { path, commit } = JSON.parse(first.stdout);
    expect(commit).toBe(modelCommit);
    expect(existsSync(join(path, 'model.safetensors'))).toBe(true);
    expect(await runCommand('pull', MODEL, '--quiet')).toEqual({ code: 0, stdout: `${path}\n`, stderr: '' });
    const file = await runCommand('pull', DATA);
    expect(readFileSync(file.stdout.trim(), 'utf8')).toContain('Which shape');
    expect((await runCommand('pull', '../x')).code).toBe(2);
    expect((await runCommand('pull', 'me/nothing')).code).toBe(3);
  });

  it('--dry-run lists files and bytes and downloads nothing', async () => {
    const { code, stdout } = await runCommand('pull', MODEL, '--dry-run');
    expect(code).toBe(0);
    expect(stdout).toMatch(/model\.safetensors +\d+\.\d KiB/);
    expect(stdout).toMatch(/download {2}\d+\.\d KiB, .* free/);
    expect(existsSync(process.env['HF_HUB_CACHE']!)).toBe(false);
    expect(server.fileRequests()).toEqual([]);
  });
});

describe('training', () => {
  it('by name records the commits, resumes with them, and its adapter names its base', async () => {
    const output = join(folder, 'run');
    const sets = [...TRAIN, '--set', `output_dir=${output}`];
    const first = await runCommand('train', ...sets);
    expect(first.stderr).toContain(`${MODEL}: downloading commit ${modelCommit.slice(0, 8)}`);
    expect(first.code).toBe(0);
    const text = readFileSync(join(output, 'config.yaml'), 'utf8');
    expect(parse(text)).toMatchObject({
      model_name_or_path: `${MODEL}@${modelCommit}`,
      jsonl_path: `hf://datasets/me/clips@${dataCommit}/items.jsonl`,
    });
    expect(text).toContain(`# --set (as ${MODEL})`);
    const adapter = JSON.parse(readFileSync(join(output, 'checkpoint-1', 'adapter_config.json'), 'utf8'));
    expect(adapter.base_model_name_or_path).toBe(MODEL);

    // The branch has moved on; the run has not.
    server.add(MODEL, { ...model, 'generation_config.json': '{"temperature": 0.5}' });
    await runCommand('pull', MODEL);
    for (const args of [
      ['--resume', output],
      [...sets, '--resume', 'auto'],
    ]) {
      const resumed = await runCommand('train', ...args, '--set', 'max_steps=2');
      expect(resumed.code).toBe(0);
      expect(resumed.stderr).toContain(`${MODEL}@${modelCommit}: commit`);
      expect(resumed.stderr).not.toContain('model_name_or_path:');
    }
    server.add(MODEL, model);
  });

  it('--dry-run says what it would download, and downloads nothing', async () => {
    const { code, stdout } = await runCommand('train', ...TRAIN, '--set', 'output_dir=x', '--dry-run');
    expect(code).toBe(0);
    expect(stdout).toContain(`would download ${MODEL}: `);
    expect(stdout).toContain(`would download ${DATA}: 1 files`);
    expect(server.fileRequests()).toEqual([]);
  });
});

describe('other commands', () => {
  it('eval takes model and questions by name and says which commits they were', async () => {
    const args = ['eval', '--model', MODEL, '--data', DATA, '--video-root', '/', '--max-frames', '2'];
    const small = ['--max-pixels', '3136', '--min-pixels', '784', '--max-completion-length', '2'];
    const dry = await runCommand(...args, ...small, '--dry-run');
    expect(dry.stdout).toContain(`would download ${MODEL}`);
    expect(server.fileRequests()).toEqual([]);
    const output = join(folder, 'eval');
    const { code, stdout, stderr } = await runCommand(...args, ...small, '--output-dir', output, '--json');
    expect(stderr).not.toContain('Error');
    expect(code).toBe(0);
    expect(JSON.parse(stdout).settings).toMatchObject({
      model: MODEL,
      model_commit: modelCommit,
      data_commits: [`hf://datasets/me/clips@${dataCommit}/items.jsonl`],
    });
  });

  it('generate and data check too; offline an unknown name is an error that helps', async () => {
    const args = ['--video', VIDEO, '--prompt', 'What?', '--max-frames', '2', '--max-pixels', '3136'];
    const small = ['--min-pixels', '784', '--max-new-tokens', '2', '--json'];
    expect((await runCommand('generate', '--model', MODEL, ...args, ...small)).code).toBe(0);
    expect((await runCommand('data', 'check', DATA, '--video-root', '/')).code).toBe(0);
    process.env['HF_HUB_OFFLINE'] = '1';
    expect((await runCommand('generate', '--model', MODEL, ...args, ...small)).code).toBe(0);
    const { code, stderr } = await runCommand('generate', '--model', 'me/other', ...args);
    expect(code).toBe(3);
    expect(stderr).toContain('HF_HUB_OFFLINE is set');
  });
});
