/** @file A run's checkpoint goes to the hub with a model card, and nothing goes that should stay. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type HubEnvironment, pushFiles } from '../src/hub/index.ts';
import { type CommitLine, HubServer, noise, sendError, sha256 } from './support/hub-server.ts';
import { runCommand } from './support/run-command.ts';
import { scratchFolder } from './support/scratch-folder.ts';

const COMMIT = 'c'.repeat(40);
const TOKEN = 'hf_secret0123456789';
const WEIGHTS = noise(200_000);
const folder = scratchFolder();
const run = join(folder, 'runs', 'my-run');
const before = { ...process.env };
let server: HubServer;

beforeAll(() => {
  for (const step of [5, 10]) {
    const checkpoint = join(run, `checkpoint-${step}`);
    mkdirSync(join(checkpoint, 'training_state'), { recursive: true });
    const files = {
      'config.json': '{}',
      'tokenizer.json': '{}',
      'model.safetensors': step === 10 ? WEIGHTS : noise(1000, 5),
      'notes.bin': 'x',
      'training_state/optimizer.safetensors': noise(500, 7),
      'training_state/trainer.json': JSON.stringify({
        sampler: { fingerprint: '0123456789abcdef', length: 321 },
      }),
    };
    for (const [name, bytes] of Object.entries(files)) writeFileSync(join(checkpoint, name), bytes);
  }
  const config = {
    model_name_or_path: `Qwen/Qwen2.5-VL-Tiny@${COMMIT}`,
    jsonl_path: '/home/somebody/data/items.jsonl',
    video_root: '/home/somebody/videos',
    output_dir: run,
    loss_type: 'tw_grpo',
    learning_rate: 1e-6,
  };
  writeFileSync(join(run, 'config.yaml'), JSON.stringify(config));
  writeFileSync(
    join(run, 'run.json'),
    JSON.stringify({
      id: 'x',
      version: '0.1.0',
      git_commit: null,
      machine: { node: 'v20', hostname: 'my-host' },
    }),
  );
  writeFileSync(
    join(run, 'metrics.jsonl'),
    [5, 10].map((step) => `${JSON.stringify({ step, reward: step / 20, 'time/data': 3 })}\n`).join(''),
  );
});
beforeEach(async () => {
  server = await HubServer.start();
  server.add('Qwen/Qwen2.5-VL-Tiny', { 'config.json': '{}' });
  Object.assign(process.env, { HF_ENDPOINT: server.address, HF_TOKEN: TOKEN, HF_HUB_OFFLINE: '' });
});
afterAll(() => {
  for (const name of ['HF_ENDPOINT', 'HF_TOKEN', 'HF_HUB_OFFLINE'])
    if (before[name] === undefined) delete process.env[name];
    else process.env[name] = before[name];
});

const pathsOf = (lines: readonly CommitLine[] = []) => lines.flatMap(({ value }) => value.path ?? []).sort();
const textOf = (lines: readonly CommitLine[] = [], path: string) =>
  Buffer.from(lines.find(({ value }) => value.path === path)?.value.content ?? '', 'base64').toString();

describe('twgrpo push', () => {
  it('uploads the newest checkpoint: weights to storage, the rest in one commit, no state', async () => {
    const { code, stdout, stderr } = await runCommand('push', run, 'me/new', '--private');
    expect(stderr).not.toContain('Error');
    expect(code).toBe(0);
    expect(stdout).toContain(`${server.address}/me/new/commit/`);
    expect(server.created).toEqual([{ name: 'me/new', visibility: 'private' }]);
    const [commit] = server.commits;
    expect(commit?.branch).toBe('main');
    expect(pathsOf(commit?.lines)).toEqual([
      'README.md',
      'config.json',
      'model.safetensors',
      'tokenizer.json',
    ]);
    expect(server.uploaded.get(sha256(WEIGHTS))?.equals(WEIGHTS)).toBe(true);
    expect(commit?.lines.find(({ key }) => key === 'lfsFile')?.value).toMatchObject({
      oid: sha256(WEIGHTS),
      size: WEIGHTS.length,
    });
    const storage = server.seen.filter(({ host }) => host === 'storage');
    expect(storage.map(({ authorization }) => authorization)).toEqual([undefined]);
    expect(stdout + stderr).not.toContain(TOKEN);
  });

  it('writes a model card that the hub reads, without paths of this machine', async () => {
    await runCommand('push', run, 'me/new');
    const card = textOf(server.commits[0]?.lines, 'README.md');
    const [, front = ''] = /^---\n([\s\S]*?)\n---\n/.exec(card) ?? [];
    expect(parse(front)).toEqual({
      base_model: 'Qwen/Qwen2.5-VL-Tiny',
      base_model_relation: 'finetune',
      library_name: 'transformers',
      license: 'apache-2.0',
      pipeline_tag: 'video-text-to-text',
      tags: ['twgrpo', 'tw-grpo', 'video'],
    });
    for (const text of [
      COMMIT,
      'items.jsonl',
      '0123456789abcdef',
      '| items | 321 |',
      '| reward | 0.5 |',
      'learning_rate: 0.000001',
      'for 10 steps',
    ])
      expect(card).toContain(text);
    for (const text of ['somebody', 'my-host', folder, 'time/data']) expect(card).not.toContain(text);
  });

  it('takes a named checkpoint, a branch and the state when asked', async () => {
    const args = ['--checkpoint', '5', '--revision', 'step-5', '--with-state'];
    expect((await runCommand('push', run, 'me/new', ...args)).code).toBe(0);
    expect(server.commits[0]?.branch).toBe('step-5');
    expect(pathsOf(server.commits[0]?.lines)).toContain('training_state/optimizer.safetensors');
    expect(textOf(server.commits[0]?.lines, 'README.md')).toContain('| reward | 0.25 |');
    const missing = await runCommand('push', run, 'me/new', '--checkpoint', '7');
    expect(missing.code).toBe(3);
    expect(missing.stderr).toContain('it has those of steps 5, 10');
  });

  it('--dry-run shows files and card and sends nothing', async () => {
    const { code, stdout } = await runCommand(
      'push',
      join(run, 'checkpoint-5'),
      'me/new',
      '--dry-run',
      '--json',
    );
    expect(code).toBe(0);
    const { files, model_card, checkpoint } = JSON.parse(stdout);
    expect(checkpoint).toBe(join(run, 'checkpoint-5'));
    expect(files.map(({ path }: { path: string }) => path)).toContain('README.md');
    expect(model_card).toContain('library_name: transformers');
    expect(server.seen.every(({ method }) => method === 'GET')).toBe(true);
  });
});

describe('an upload', () => {
  const environment = (): HubEnvironment => ({
    endpoint: server.address,
    cache: join(folder, 'cache'),
    isOffline: false,
    token: TOKEN,
    tokenSource: 'HF_TOKEN',
  });
  const file = join(run, 'checkpoint-10', 'model.safetensors');
  const options = () => ({
    name: 'me/new',
    title: 'a model',
    files: [{ path: 'model.safetensors', size: WEIGHTS.length, content: { file } }],
    environment: environment(),
    times: { backoffMs: 5 },
  });

  it('goes through a busy server and a broken connection with the right bytes', async () => {
    let count = 0;
    server.fault = ({ method }, response) => {
      if (method !== 'PUT' || ++count > 2) return false;
      if (count === 1) response.writeHead(503).end();
      else response.destroy();
      return true;
    };
    const sent: number[] = [];
    const { commit } = await pushFiles({ ...options(), onBytes: (bytes) => sent.push(bytes) });
    expect(commit).toMatch(/^[0-9a-f]{40}$/);
    expect(count).toBe(3);
    expect(server.uploaded.get(sha256(WEIGHTS))?.equals(readFileSync(file))).toBe(true);
    expect(sent.at(-1)).toBe(WEIGHTS.length);
    server.seen.length = 0;
    await pushFiles(options());
    expect(server.seen.filter(({ method }) => method === 'PUT')).toEqual([]);
  });

  it('needs a token and a name, and says what the hub refuses', async () => {
    await expect(
      pushFiles({ ...options(), environment: { ...environment(), token: undefined } }),
    ).rejects.toThrow('needs an access token');
    for (const name of ['new', 'me/new@main', '../new'])
      await expect(pushFiles({ ...options(), name })).rejects.toThrow('not a name on the hub');
    server.fault = ({ authorization }, response) => {
      sendError(response, 403, undefined, `You may not: ${authorization}`);
      return true;
    };
    await expect(pushFiles(options())).rejects.toThrow('You may not: Bearer ***');
    expect(server.commits).toEqual([]);
  });
});
