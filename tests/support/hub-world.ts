/** @file What the tests of the hub share: a model, a server with it, an empty cache, and ways to disturb them. */
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { HubError } from '../../src/base/index.ts';
import type { HubEnvironment, ResolveOptions } from '../../src/hub/index.ts';
import { type Fault, HubServer, noise } from './hub-server.ts';

/** A model on the server of these tests, with files that are needed and others. */
export const NAME = 'Qwen/Qwen2.5-VL-Tiny';
export const TOKEN = 'hf_secret0123456789';
export const WEIGHTS = noise(300_000);
export const MODEL = {
  'config.json': '{"model_type": "qwen2_5_vl"}',
  'generation_config.json': '{}',
  'tokenizer.json': '{"tokens": []}',
  'preprocessor_config.json': '{}',
  'model.safetensors': WEIGHTS,
  'README.md': '# about it',
  'pytorch_model.bin': noise(1000),
  'model.gguf': noise(1000),
  'onnx/model.safetensors': noise(500),
};
export const NEEDED = [
  'config.json',
  'generation_config.json',
  'model.safetensors',
  'preprocessor_config.json',
  'tokenizer.json',
];
const TIMES = { backoffMs: 5, maxWaitMs: 2000, stallMs: 1000, staleLockMs: 400 };

/** A new folder that goes away after the test. */
export function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'twgrpo-hub-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A server, an empty cache, and what was said. */
export async function world(more: Partial<HubEnvironment> = {}) {
  const server = await HubServer.start();
  const cache = join(scratch(), 'hub');
  const said: string[] = [];
  const environment: HubEnvironment = {
    endpoint: server.address,
    cache,
    isOffline: false,
    token: undefined,
    tokenSource: 'HF_TOKEN',
    ...more,
  };
  const options: ResolveOptions = { environment, say: (text) => said.push(text), quiet: true, times: TIMES };
  const offline: ResolveOptions = { ...options, environment: { ...environment, isOffline: true } };
  return {
    server,
    cache,
    said,
    environment,
    options,
    offline,
    repo: join(cache, 'models--Qwen--Qwen2.5-VL-Tiny'),
  };
}

/** The error of what must fail. */
export async function failure(promise: Promise<unknown>): Promise<HubError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(HubError);
  return error as HubError;
}

/** Acts on the first requests that `matches`, then lets the server answer. */
export const times = (count: number, matches: RegExp, act: Fault): Fault => {
  let left = count;
  return (seen, response) => matches.test(`${seen.method} ${seen.url}`) && left-- > 0 && act(seen, response);
};

/** Nothing in the cache has the name of a whole file. */
export function expectNothingWhole(repo: string): void {
  for (const folder of ['blobs', 'snapshots'])
    for (const name of existsSync(join(repo, folder))
      ? readdirSync(join(repo, folder), { recursive: true })
      : [])
      expect(String(name)).not.toMatch(/safetensors$|^[0-9a-f]{64}$/);
}
