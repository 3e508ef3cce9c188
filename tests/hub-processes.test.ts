/** @file Several processes that want the same model: one downloads, and a dead one is in nobody's way. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { resolveModel } from '../src/hub/index.ts';
import { gitSha1, sha256 } from './support/hub-server.ts';
import { expectNothingWhole, failure, MODEL, NAME, times, WEIGHTS, world } from './support/hub-world.ts';

describe('two at a time', () => {
  it('in one process share one download', async () => {
    const { server, options } = await world();
    server.add(NAME, MODEL);
    const [a, b] = await Promise.all([resolveModel(NAME, options), resolveModel(NAME, options)]);
    expect(a.path).toBe(b.path);
    expect(server.seen.filter(({ host }) => host === 'storage')).toHaveLength(1);
  });

  it('a second process waits for the first and downloads nothing itself', async () => {
    const { server, cache, environment } = await world();
    server.add(NAME, MODEL);
    let release = (): void => {};
    const held = new Promise<void>((done) => {
      release = done;
    });
    server.fault = times(1, /^GET \/[0-9a-f]{64}$/, (_seen, response) => {
      response.writeHead(200, { 'content-length': WEIGHTS.length });
      response.write(WEIGHTS.subarray(0, 1000));
      void held.then(() => response.end(WEIGHTS.subarray(1000)));
      return true;
    });
    const first = pull(environment.endpoint, cache);
    await vi.waitFor(() => expect(server.seen.some(({ host }) => host === 'storage')).toBe(true), 20_000);
    const second = pull(environment.endpoint, cache);
    await vi.waitFor(
      () => expect(second.stderr()).toContain(`waiting for process ${first.child.pid}`),
      20_000,
    );
    release();
    expect(await first.done).toBe(0);
    expect(await second.done).toBe(0);
    expect(second.stdout()).toBe(first.stdout());
    expect(server.seen.filter(({ host }) => host === 'storage')).toHaveLength(1);
  });

  it('a process killed in the middle leaves nothing whole, and the next one goes on at once', async () => {
    const { server, cache, environment, repo, options } = await world();
    server.add(NAME, MODEL);
    server.fault = times(1, /^GET \/[0-9a-f]{64}$/, (_seen, response) => {
      response.writeHead(200, { 'content-length': WEIGHTS.length });
      response.write(WEIGHTS.subarray(0, 150_000));
      return true;
    });
    const first = pull(environment.endpoint, cache);
    const partial = join(repo, 'blobs', `${sha256(WEIGHTS)}.twgrpo.incomplete`);
    await vi.waitFor(() => expect(statSync(partial).size).toBe(150_000), 20_000);
    first.child.kill('SIGKILL');
    await first.done;
    expectNothingWhole(repo);
    expect(readdirSync(join(cache, '.locks', 'models--Qwen--Qwen2.5-VL-Tiny'))).toHaveLength(1);
    await failure(resolveModel(NAME, { ...options, environment: { ...environment, isOffline: true } }));
    const second = pull(environment.endpoint, cache);
    expect(await second.done).toBe(0);
    expect(server.seen.at(-1)?.range).toBe('bytes=150000-');
    expect(readFileSync(join(second.stdout().trim(), 'model.safetensors')).equals(WEIGHTS)).toBe(true);
    expect(readdirSync(join(cache, '.locks', 'models--Qwen--Qwen2.5-VL-Tiny'))).toEqual([]);
  });

  it('a lock without a sign of life is taken from its owner, whoever that was', async () => {
    const { server, cache, options, said } = await world();
    server.add(NAME, MODEL);
    const locks = join(cache, '.locks', 'models--Qwen--Qwen2.5-VL-Tiny');
    mkdirSync(locks, { recursive: true });
    const lock = join(locks, `${sha256(WEIGHTS)}.twgrpo.lock`);
    writeFileSync(lock, JSON.stringify({ pid: 4242, space: 'another host', id: 'x' }));
    const small = join(locks, `${gitSha1(Buffer.from(MODEL['config.json']))}.twgrpo.lock`);
    writeFileSync(small, '');
    utimesSync(small, 0, 0);
    await resolveModel(NAME, options);
    expect(said.join()).toContain('waiting for process 4242');
    expect(readdirSync(locks)).toEqual([]);
  });
});

/** `twgrpo pull` in a process of its own. */
function pull(endpoint: string, cache: string) {
  const file = (path: string) => fileURLToPath(new URL(path, import.meta.url));
  const child = spawn(
    process.execPath,
    ['--import', file('../scripts/typescript/loader.mjs'), file('../src/cli/main.ts'), 'pull', NAME],
    { env: { ...process.env, HF_ENDPOINT: endpoint, HF_HUB_CACHE: cache, HF_TOKEN: '' } },
  );
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const done = once(child, 'close').then(([code]) => code as number | null);
  onTestFinished(() => void child.kill('SIGKILL'));
  return { child, done, stdout: () => stdout, stderr: () => stderr };
}
