/** @file Names on the hub become folders, whatever the network, the server or another process does meanwhile. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { formatError, HubError } from '../src/base/index.ts';
import {
  type HubEnvironment,
  hubEnvironment,
  planDataFile,
  planModel,
  type ResolveOptions,
  resolveDataFile,
  resolveModel,
} from '../src/hub/index.ts';
import {
  breakAfter,
  type Fault,
  gitSha1,
  HubServer,
  noise,
  sendError,
  sendFile,
  sha256,
} from './support/hub-server.ts';

const NAME = 'Qwen/Qwen2.5-VL-Tiny';
const TOKEN = 'hf_secret0123456789';
const WEIGHTS = noise(300_000);
const MODEL = {
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
const NEEDED = [
  'config.json',
  'generation_config.json',
  'model.safetensors',
  'preprocessor_config.json',
  'tokenizer.json',
];
const TIMES = { backoffMs: 5, maxWaitMs: 2000, stallMs: 1000, staleLockMs: 400 };

function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'twgrpo-hub-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A server, an empty cache, and what was said. */
async function world(more: Partial<HubEnvironment> = {}) {
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

async function failure(promise: Promise<unknown>): Promise<HubError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(HubError);
  return error as HubError;
}

/** Acts on the first requests that `matches`, then lets the server answer. */
const times = (count: number, matches: RegExp, act: Fault): Fault => {
  let left = count;
  return (seen, response) => matches.test(`${seen.method} ${seen.url}`) && left-- > 0 && act(seen, response);
};

/** Nothing in the cache has the name of a whole file. */
function expectNothingWhole(repo: string): void {
  for (const folder of ['blobs', 'snapshots'])
    for (const name of existsSync(join(repo, folder))
      ? readdirSync(join(repo, folder), { recursive: true })
      : [])
      expect(String(name)).not.toMatch(/safetensors$|^[0-9a-f]{64}$/);
}

describe('a name becomes a folder', () => {
  it('downloads what a model needs and nothing else, in the layout of huggingface_hub', async () => {
    const { server, options, repo, said } = await world();
    const commit = server.add(NAME, MODEL);
    const resolved = await resolveModel(NAME, options);
    const folder = join(repo, 'snapshots', commit);
    expect(resolved).toEqual({
      given: NAME,
      path: folder,
      source: { repo: NAME, revision: 'main', commit },
      pinned: `${NAME}@${commit}`,
    });
    expect(readdirSync(folder).sort()).toEqual(NEEDED);
    expect(readFileSync(join(folder, 'model.safetensors')).equals(WEIGHTS)).toBe(true);
    expect(readlinkSync(join(folder, 'model.safetensors'))).toBe(`../../blobs/${sha256(WEIGHTS)}`);
    expect(readlinkSync(join(folder, 'config.json'))).toBe(
      `../../blobs/${gitSha1(Buffer.from(MODEL['config.json']))}`,
    );
    expect(readFileSync(join(repo, 'refs/main'), 'utf8')).toBe(commit);
    const blobs = NEEDED.map((name) => realpathSync(join(folder, name)).split('/').at(-1));
    expect(readdirSync(join(repo, 'blobs')).sort()).toEqual([...new Set(blobs)].sort());
    expect(said.join()).toContain(`downloading commit ${commit.slice(0, 8)}`);
  });

  it('asks nobody a second time, by branch, tag or commit', async () => {
    const { server, options, offline, said } = await world();
    const commit = server.add(NAME, MODEL);
    const first = await resolveModel(NAME, options);
    server.seen.length = 0;
    for (const name of [NAME, `${NAME}@${commit}`, `${NAME}@main`]) {
      expect((await resolveModel(name, options)).path).toBe(first.path);
      expect((await resolveModel(name, offline)).path).toBe(first.path);
    }
    expect(server.seen).toEqual([]);
    expect(said.at(-1)).toContain('from the cache');
    expect((await resolveModel(`${NAME}@v1.0`, options)).path).toBe(first.path);
    expect(server.fileRequests()).toEqual([]);
  });

  it('takes a newer commit when it is asked to look, with only the files that changed', async () => {
    const { server, options, repo } = await world();
    const old = server.add(NAME, MODEL);
    await resolveModel(NAME, options);
    const commit = server.add(NAME, { ...MODEL, 'config.json': '{"changed": true}' });
    expect((await resolveModel(NAME, options)).source?.commit).toBe(old);
    server.seen.length = 0;
    expect((await resolveModel(NAME, { ...options, refresh: true })).source?.commit).toBe(commit);
    expect(server.fileRequests()).toEqual(['config.json']);
    expect((await resolveModel(NAME, options)).source?.commit).toBe(commit);
    expect((await resolveModel(`${NAME}@${old}`, options)).path).toBe(join(repo, 'snapshots', old));
  });

  it('takes shards with their index, and reads listings in pages', async () => {
    const { server, options } = await world();
    const { 'model.safetensors': _single, ...rest } = MODEL;
    const shards = {
      'model-00001-of-00002.safetensors': noise(900, 2),
      'model-00002-of-00002.safetensors': noise(800, 3),
    };
    server.add(NAME, {
      ...rest,
      ...shards,
      'consolidated.safetensors': noise(10),
      'model.safetensors.index.json': '{"weight_map": {}}',
    });
    server.pageSize = 2;
    const { path } = await resolveModel(NAME, options);
    expect(readdirSync(path).filter((name) => /safetensors/.test(name))).toEqual([
      'model-00001-of-00002.safetensors',
      'model-00002-of-00002.safetensors',
      'model.safetensors.index.json',
    ]);
  });

  it('takes adapters', async () => {
    const { server, options } = await world();
    server.add('me/adapter', {
      'adapter_config.json': '{}',
      'adapter_model.safetensors': noise(100),
      'x.bin': 'x',
    });
    const { path } = await resolveModel('me/adapter', options);
    expect(readdirSync(path)).toEqual(['adapter_config.json', 'adapter_model.safetensors']);
  });

  it('lets a folder win that exists, and says so; paths are left as they are', async () => {
    const { options, said, server } = await world();
    const here = scratch();
    mkdirSync(join(here, NAME), { recursive: true });
    const before = process.cwd();
    process.chdir(here);
    try {
      expect(await resolveModel(NAME, options)).toEqual({ given: NAME, path: NAME, pinned: NAME });
    } finally {
      process.chdir(before);
    }
    expect(said).toEqual([`taking the folder ${NAME}, not the model of that name on the hub`]);
    for (const path of [
      '/models/a',
      './a/b',
      'a/b/c',
      'checkpoint',
      '../a',
      'a/b@',
      'a/..',
      'a/b@../c',
      'a//b',
    ])
      expect(await resolveModel(path, options)).toEqual({ given: path, path, pinned: path });
    expect(server.seen).toEqual([]);
  });

  it('says what it would do without doing it', async () => {
    const { server, options, cache } = await world();
    server.add(NAME, MODEL);
    const plan = await planModel(NAME, options);
    expect(plan.files.map(({ path }) => path).sort()).toEqual(NEEDED);
    expect(plan.bytes).toBe(
      NEEDED.reduce((sum, name) => sum + Buffer.from(MODEL[name as 'config.json']).length, 0),
    );
    expect(plan.freeBytes).toBeGreaterThan(0);
    expect(existsSync(cache)).toBe(false);
    await resolveModel(NAME, options);
    expect(await planModel(NAME, options)).toMatchObject({ bytes: 0, files: [] });
  });

  it('copies where links are impossible', async () => {
    const { server, options } = await world();
    server.add(NAME, MODEL);
    const fs = await import('node:fs/promises');
    const symlink = vi
      .spyOn(fs.default, 'symlink')
      .mockRejectedValue(Object.assign(new Error(), { code: 'EPERM' }));
    const { syncBuiltinESMExports } = await import('node:module');
    syncBuiltinESMExports();
    onTestFinished(() => {
      symlink.mockRestore();
      syncBuiltinESMExports();
    });
    const { path } = await resolveModel(NAME, options);
    expect(symlink).toHaveBeenCalled();
    expect(lstatSync(join(path, 'model.safetensors')).isSymbolicLink()).toBe(false);
    expect(readFileSync(join(path, 'model.safetensors')).equals(WEIGHTS)).toBe(true);
  });
});

describe('a data file', () => {
  const ADDRESS = 'hf://datasets/me/clips/train/items.jsonl';

  it('is downloaded alone, and found again', async () => {
    const { server, options, offline } = await world();
    const text = '{"problem": "?"}\n';
    const commit = server.add('datasets/me/clips', { 'train/items.jsonl': text, 'other.jsonl': 'x' });
    const resolved = await resolveDataFile(ADDRESS, options);
    expect(readFileSync(resolved.path, 'utf8')).toBe(text);
    expect(resolved.pinned).toBe(`hf://datasets/me/clips@${commit}/train/items.jsonl`);
    expect(server.fileRequests()).toEqual(['items.jsonl']);
    server.seen.length = 0;
    expect(await resolveDataFile(ADDRESS, options)).toEqual(resolved);
    expect((await resolveDataFile(resolved.pinned, offline)).path).toBe(resolved.path);
    expect(server.seen).toEqual([]);
    expect(await resolveDataFile('items.jsonl', options)).toMatchObject({ path: 'items.jsonl' });
  });

  it('has clear errors', async () => {
    const { server, options, offline } = await world();
    server.add('datasets/me/clips', { 'a.jsonl': '' });
    expect((await failure(resolveDataFile(ADDRESS, options))).message).toContain(
      'train/items.jsonl: no such file',
    );
    expect((await failure(resolveDataFile('hf://datasets/me/none/a.jsonl', options))).message).toContain(
      'no dataset',
    );
    expect((await failure(resolveDataFile(ADDRESS, offline))).message).toContain(
      'train/items.jsonl is not in the cache',
    );
    for (const address of [
      'hf://me/clips/a.jsonl',
      'hf://datasets/me/clips',
      'hf://datasets/me/clips/../../a',
      'hf://datasets/me/clips@../a',
    ])
      await expect(planDataFile(address, options)).rejects.toThrow('not the name of a file on the hub');
  });
});

describe('a connection', () => {
  it('that breaks is gone on with where it broke, and the bytes are right', async () => {
    const { server, options, said } = await world();
    server.add(NAME, MODEL);
    server.fault = times(2, /^GET \/[0-9a-f]{64}$/, ({ range }, response) => {
      breakAfter(response, WEIGHTS, 70_000, range);
      return true;
    });
    const { path } = await resolveModel(NAME, options);
    expect(readFileSync(join(path, 'model.safetensors')).equals(WEIGHTS)).toBe(true);
    const ranges = server.seen.filter(({ host }) => host === 'storage').map(({ range }) => range);
    expect(ranges).toEqual([undefined, 'bytes=70000-', 'bytes=140000-']);
    expect(said.filter((text) => text.includes('attempt 2 of 5'))).toHaveLength(2);
  });

  it('that always breaks without a byte ends with an error, and the next command goes on with the part', async () => {
    const { server, options, repo } = await world();
    server.add(NAME, MODEL);
    const first = times(1, /^GET \/[0-9a-f]{64}$/, ({ range }, response) => {
      breakAfter(response, WEIGHTS, 100_000, range);
      return true;
    });
    server.fault = (seen, response) => {
      if (seen.host !== 'storage' || first(seen, response)) return seen.host === 'storage';
      response.destroy();
      return true;
    };
    const error = await failure(resolveModel(NAME, options));
    expect(error.message).toContain('the hub cannot be reached');
    expectNothingWhole(repo);
    server.fault = () => false;
    server.seen.length = 0;
    const { path } = await resolveModel(NAME, options);
    expect(server.seen.filter(({ host }) => host === 'storage').map(({ range }) => range)).toEqual([
      'bytes=100000-',
    ]);
    expect(readFileSync(join(path, 'model.safetensors')).equals(WEIGHTS)).toBe(true);
  });

  it('that ends early without an error is no whole file', async () => {
    const { server, options, repo } = await world();
    server.add(NAME, MODEL);
    server.fault = ({ host, range }, response) => {
      if (host !== 'storage') return false;
      // No length is announced, so the short body looks complete.
      const from = Number(/\d+/.exec(range ?? '0')?.[0]);
      response.writeHead(range === undefined ? 200 : 206, {
        ...(range === undefined
          ? {}
          : { 'content-range': `bytes ${from}-${WEIGHTS.length - 1}/${WEIGHTS.length}` }),
      });
      response.end(from === 0 ? WEIGHTS.subarray(0, 5000) : '');
      return true;
    };
    expect((await failure(resolveModel(NAME, options))).message).toContain('5000 of 300000 bytes');
    expectNothingWhole(repo);
  });

  it('that falls silent counts as lost', async () => {
    const { server, options, said } = await world();
    server.add(NAME, MODEL);
    server.fault = times(1, /^GET \/[0-9a-f]{64}$/, (_seen, response) => {
      response.writeHead(200, { 'content-length': WEIGHTS.length });
      response.write(WEIGHTS.subarray(0, 1000));
      return true;
    });
    const { path } = await resolveModel(NAME, options);
    expect(said.join()).toContain('nothing came for 1 s');
    expect(readFileSync(join(path, 'model.safetensors')).equals(WEIGHTS)).toBe(true);
  });

  it('of a server that knows no ranges begins again', async () => {
    const { server, options } = await world();
    server.add(NAME, MODEL);
    const broken = times(1, /^GET \/[0-9a-f]{64}$/, ({ range }, response) => {
      breakAfter(response, WEIGHTS, 70_000, range);
      return true;
    });
    server.fault = (seen, response) => {
      if (seen.host !== 'storage') return false;
      if (!broken(seen, response)) sendFile(response, WEIGHTS);
      return true;
    };
    const { path } = await resolveModel(NAME, options);
    expect(readFileSync(join(path, 'model.safetensors')).equals(WEIGHTS)).toBe(true);
  });
});

describe('wrong bytes', () => {
  it('are refused, with the file, the checksum expected and the one found, and nothing of them stays', async () => {
    const { server, options, repo } = await world();
    server.add(NAME, MODEL);
    const wrong = noise(WEIGHTS.length, 9);
    server.fault = ({ host }, response) => {
      if (host === 'storage') sendFile(response, wrong);
      return host === 'storage';
    };
    const { message } = await failure(resolveModel(NAME, options));
    expect(message).toContain('model.safetensors');
    expect(message).toContain(`expected sha256 ${sha256(WEIGHTS)}`);
    expect(message).toContain(`found ${sha256(wrong)}`);
    expectNothingWhole(repo);
    expect(readdirSync(join(repo, 'blobs')).filter((name) => name.includes('incomplete'))).toEqual([]);
  });

  it('are found in small files too, by git’s own checksum', async () => {
    const { server, options } = await world();
    server.add(NAME, MODEL);
    server.fault = ({ url }, response) => {
      if (!url.endsWith('/config.json')) return false;
      sendFile(response, Buffer.from(MODEL['config.json'].replace('qwen', 'QWEN')));
      return true;
    };
    const { message } = await failure(resolveModel(NAME, options));
    expect(message).toContain(
      `config.json: the checksum is wrong: expected git sha1 ${gitSha1(Buffer.from(MODEL['config.json']))}`,
    );
  });

  it('of an earlier attempt are thrown away', async () => {
    const { server, options, repo, said } = await world();
    server.add(NAME, MODEL);
    mkdirSync(join(repo, 'blobs'), { recursive: true });
    writeFileSync(join(repo, 'blobs', `${sha256(WEIGHTS)}.twgrpo.incomplete`), noise(1234, 77));
    const { path } = await resolveModel(NAME, options);
    expect(said.join()).toContain('the part of an earlier download was wrong');
    expect(readFileSync(join(path, 'model.safetensors')).equals(WEIGHTS)).toBe(true);
  });

  it('more than are listed are refused before they fill the disk', async () => {
    const { server, options, repo } = await world();
    server.add(NAME, MODEL);
    server.fault = ({ host }, response) => {
      if (host === 'storage') response.writeHead(200).end(Buffer.concat([WEIGHTS, WEIGHTS]));
      return host === 'storage';
    };
    expect((await failure(resolveModel(NAME, options))).message).toContain(
      'sends more than the 300000 bytes',
    );
    expectNothingWhole(repo);
  });

  it('a file of the wrong size in the cache is downloaded again', async () => {
    const { server, options } = await world();
    server.add(NAME, MODEL);
    const { path } = await resolveModel(NAME, options);
    writeFileSync(realpathSync(join(path, 'model.safetensors')), 'cut');
    await resolveModel(NAME, options);
    expect(readFileSync(join(path, 'model.safetensors')).equals(WEIGHTS)).toBe(true);
  });
});

describe('an answer that is no success', () => {
  it('401 and 403 of a gated model name the licence and the token', async () => {
    const { server, options } = await world();
    server.add(NAME, MODEL);
    for (const status of [401, 403]) {
      server.fault = (_seen, response) => {
        sendError(response, status, 'GatedRepo', 'Access to this model is restricted.');
        return true;
      };
      const error = await failure(resolveModel(NAME, options));
      expect(error.hint).toContain(`accept its licence at ${server.address}/${NAME}, then set HF_TOKEN`);
    }
  });

  it('an unknown name gets a suggestion, an unknown revision too', async () => {
    const { server, options } = await world();
    server.add(NAME, MODEL);
    const unknown = await failure(resolveModel('Qwen/Qwen2.5-VL-Tinny', options));
    expect(unknown.message).toContain('knows no model of this name');
    expect(unknown.hint).toContain(`did you mean ${NAME}?`);
    const revision = await failure(resolveModel(`${NAME}@v1.1`, options));
    expect(revision.message).toContain('no revision v1.1');
    expect(revision.hint).toContain('did you mean v1.0? It has main, v1.0');
  });

  it('429 is waited for as long as it asks, and said; beyond the bound it is an error', async () => {
    const { server, options, said } = await world();
    server.add(NAME, MODEL);
    let at = 0;
    server.fault = times(1, /revision/, (_seen, response) => {
      at = performance.now();
      response.writeHead(429, { 'retry-after': '1' }).end();
      return true;
    });
    await resolveModel(NAME, options);
    expect(performance.now() - at).toBeGreaterThan(990);
    expect(said.join()).toContain('answers 429; waiting 1 s');
    server.fault = (_seen, response) => {
      response.writeHead(429, { 'retry-after': '3600' }).end();
      return true;
    };
    expect((await failure(resolveModel(NAME, { ...options, refresh: true }))).message).toContain(
      'asks to wait 3600 s',
    );
  });

  it('5xx is tried five times, no more', async () => {
    const { server, options } = await world();
    server.add(NAME, MODEL);
    const busy: Fault = (_seen, response) => {
      response.writeHead(503).end();
      return true;
    };
    server.fault = times(4, /revision/, busy);
    await resolveModel(NAME, options);
    server.seen.length = 0;
    server.fault = busy;
    expect((await failure(resolveModel(NAME, { ...options, refresh: true }))).message).toContain(
      'answers 503',
    );
    expect(server.seen).toHaveLength(5);
  });

  it('weights in pickles only are no model', async () => {
    const { server, options } = await world();
    server.add(NAME, { 'config.json': '{}', 'pytorch_model.bin': 'x' });
    expect((await failure(resolveModel(NAME, options))).message).toContain('no safetensors weights');
  });

  it('no hub at all is said at once', async () => {
    const { options, environment } = await world();
    const closed = { ...options, environment: { ...environment, endpoint: 'http://127.0.0.1:9' } };
    const error = await failure(resolveModel(NAME, closed));
    expect(error.message).toContain('the hub cannot be reached');
    expect(error.hint).toContain('HF_ENDPOINT');
  });
});

describe('offline', () => {
  it('names what is missing and how to get it', async () => {
    const { server, options, offline, repo } = await world();
    server.add(NAME, MODEL);
    const none = await failure(resolveModel(NAME, offline));
    expect(none.message).toContain('HF_HUB_OFFLINE is set');
    expect(none.hint).toContain(`twgrpo pull ${NAME}`);
    const { path } = await resolveModel(NAME, options);
    rmSync(join(path, 'tokenizer.json'));
    server.seen.length = 0;
    expect((await failure(resolveModel(NAME, offline))).message).toContain(
      'the cache lacks tokenizer.json of commit',
    );
    expect(server.seen).toEqual([]);
    rmSync(join(repo, 'blobs', gitSha1(Buffer.from(MODEL['tokenizer.json']))));
    await resolveModel(NAME, options);
    expect(server.fileRequests()).toEqual(['tokenizer.json']);
  });

  it('takes what Python laid: by its list of the repository, else by what a model needs', async () => {
    const { server, options, offline, repo, said } = await world();
    const commit = server.add(NAME, MODEL);
    const { path } = await resolveModel(NAME, options);
    rmSync(join(repo, 'twgrpo'), { recursive: true });
    expect((await resolveModel(NAME, offline)).path).toBe(path);
    expect(said.at(-1)).toContain('whether a file is missing cannot be told');
    const files = Object.fromEntries(
      Object.entries(MODEL).map(([name, bytes]) => [
        name,
        { size: Buffer.from(bytes as string).length, blob_id: 'x' },
      ]),
    );
    mkdirSync(join(repo, 'trees'));
    writeFileSync(join(repo, 'trees', `${commit}.json`), JSON.stringify({ format_version: 1, files }));
    expect((await resolveModel(NAME, offline)).path).toBe(path);
    expect(said.at(-1)).not.toContain('cannot be told');
    rmSync(join(path, 'generation_config.json'));
    expect((await failure(resolveModel(NAME, offline))).message).toContain('lacks generation_config.json');
  });

  it('a folder that another program left without weights is completed, or refused without a network', async () => {
    const { server, options, offline, repo } = await world();
    server.add(NAME, MODEL);
    const { path } = await resolveModel(NAME, options);
    rmSync(join(repo, 'twgrpo'), { recursive: true });
    rmSync(join(path, 'model.safetensors'));
    expect((await failure(resolveModel(NAME, offline))).message).toContain('lacks model.safetensors');
    expect((await resolveModel(NAME, options)).path).toBe(path);
    expect(existsSync(join(path, 'model.safetensors'))).toBe(true);
  });
});

describe('a server of bad intent', () => {
  const entry = (path: string, more: object = {}) => ({
    type: 'file',
    path,
    size: 3,
    oid: 'a'.repeat(40),
    ...more,
  });

  it.each([
    ['a path up', entry('../../../evil')],
    ['a path up inside', entry('a/../../evil')],
    ['an absolute path', entry('/etc/evil')],
    ['a Windows path', entry('..\\evil')],
    ['a drive', entry('C:evil')],
    ['a checksum that is a path', entry('config.json', { oid: '../../../../evil' })],
    ['a size below zero', entry('tokenizer.json', { size: -1 })],
    ['a size beyond reason', entry('vocab.json', { size: 1e15 })],
    ['a size that is no number', entry('vocab.json', { size: 'many' })],
    ['two files of one name', entry('config.json')],
  ])('%s is refused and nothing written', async (_what, bad) => {
    const { server, options, cache } = await world();
    server.add(NAME, MODEL);
    server.extraEntries = [bad];
    await failure(resolveModel(NAME, options));
    expect(existsSync(cache)).toBe(false);
    expect(server.fileRequests()).toEqual([]);
  });

  it('weights larger than the disk are refused before the first byte', async () => {
    const { server, options } = await world();
    const { 'model.safetensors': _weights, ...rest } = MODEL;
    server.add(NAME, rest);
    server.extraEntries = [entry('model.safetensors', { lfs: { oid: 'b'.repeat(64), size: 2 ** 50 } })];
    expect((await failure(resolveModel(NAME, options))).message).toContain('has room for');
    expect(server.fileRequests()).toEqual([]);
  });

  it('a commit that is a path is refused', async () => {
    const { server, options, cache } = await world();
    server.add(NAME, MODEL);
    server.fault = ({ url }, response) => {
      if (!url.includes('/revision/')) return false;
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end('{"id": "x", "sha": "../../../evil"}');
      return true;
    };
    expect((await failure(resolveModel(NAME, options))).message).toContain('where a commit belongs');
    expect(existsSync(cache)).toBe(false);
  });

  it('an endless answer and an endless chain of redirects end', async () => {
    const { server, options } = await world();
    server.add(NAME, MODEL);
    server.fault = ({ url }, response) => {
      if (!url.includes('/tree/')) return false;
      response.writeHead(200, { 'content-type': 'application/json' });
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(2 ** 20, 0x20)));
        if (!response.destroyed) response.once('drain', more);
      };
      more();
      return true;
    };
    expect((await failure(resolveModel(NAME, options))).message).toContain('longer than 32 MiB');
    server.fault = ({ url }, response) => {
      if (url.includes('/revision/')) response.writeHead(307, { location: url }).end();
      return url.includes('/revision/');
    };
    expect((await failure(resolveModel(NAME, options))).message).toContain('more than 5 redirects');
  });

  it('sees the token at the hub’s own address only, and no message or file holds it', async () => {
    const { server, options, said, cache } = await world({ token: TOKEN });
    server.add(NAME, MODEL);
    await resolveModel(NAME, options);
    const withToken = (host: string) =>
      server.seen.filter((seen) => seen.host === host).map(({ authorization }) => authorization);
    expect(new Set(withToken('hub'))).toEqual(new Set([`Bearer ${TOKEN}`]));
    expect(new Set(withToken('storage'))).toEqual(new Set([undefined]));
    // A server that repeats what it was sent.
    server.fault = ({ authorization }, response) => {
      sendError(response, 403, undefined, `no access for ${authorization}`);
      return true;
    };
    const error = await failure(resolveModel(NAME, { ...options, refresh: true }));
    expect(formatError(error)).toContain('no access for Bearer ***');
    expect(formatError(error) + said.join() + JSON.stringify(error)).not.toContain(TOKEN);
    for (const name of readdirSync(cache, { recursive: true, encoding: 'utf8' }))
      if (statSync(join(cache, name)).isFile())
        expect(readFileSync(join(cache, name)).includes(TOKEN)).toBe(false);
  });

  it('may not lead descriptions or listings to other hosts', async () => {
    const { server, options } = await world({ token: TOKEN });
    server.add(NAME, MODEL);
    server.fault = ({ host, url }, response) => {
      if (host !== 'hub' || !url.includes('/revision/')) return false;
      response.writeHead(307, { location: `${server.storageAddress}/elsewhere` }).end();
      return true;
    };
    expect((await failure(resolveModel(NAME, options))).message).toContain('redirect (307)');
    server.fault = ({ host, url }, response) => {
      if (host !== 'hub' || !url.includes('/tree/')) return false;
      response
        .writeHead(200, {
          'content-type': 'application/json',
          link: `<${server.storageAddress}/more>; rel="next"`,
        })
        .end('[]');
      return true;
    };
    expect((await failure(resolveModel(NAME, options))).message).toContain('away from');
    expect(server.seen.filter(({ host }) => host === 'storage')).toEqual([]);
  });

  it('cannot have its part written through a link', async () => {
    const { server, options, repo } = await world();
    server.add(NAME, MODEL);
    const outside = join(scratch(), 'outside');
    mkdirSync(join(repo, 'blobs'), { recursive: true });
    const { symlinkSync } = await import('node:fs');
    symlinkSync(outside, join(repo, 'blobs', `${sha256(WEIGHTS)}.twgrpo.incomplete`));
    await expect(resolveModel(NAME, options)).rejects.toThrow();
    expect(existsSync(outside)).toBe(false);
  });
});

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

describe('the environment', () => {
  it.each([
    [{}, /\.cache\/huggingface\/hub$/],
    [{ XDG_CACHE_HOME: '/x' }, /^\/x\/huggingface\/hub$/],
    [{ XDG_CACHE_HOME: '/x', HF_HOME: '/h' }, /^\/h\/hub$/],
    [{ HF_HOME: '/h', HUGGINGFACE_HUB_CACHE: '/old' }, /^\/old$/],
    [{ HUGGINGFACE_HUB_CACHE: '/old', HF_HUB_CACHE: '/new' }, /^\/new$/],
    [{ HF_HUB_CACHE: '~/mine' }, /[^~]\/mine$/],
    [{ HF_HUB_CACHE: '' }, /\.cache\/huggingface\/hub$/],
  ])('%j: the cache', (env, cache) => {
    expect(hubEnvironment({ ...env, HF_TOKEN: 'x' }).cache).toMatch(cache);
  });

  it('the token: HF_TOKEN, else the file, else none', () => {
    const home = scratch();
    expect(hubEnvironment({ HF_HOME: home }).token).toBeUndefined();
    writeFileSync(join(home, 'token'), `${TOKEN}\n`);
    expect(hubEnvironment({ HF_HOME: home })).toMatchObject({
      token: TOKEN,
      tokenSource: join(home, 'token'),
    });
    expect(hubEnvironment({ HF_HOME: home, HF_TOKEN: 'hf_other' })).toMatchObject({
      token: 'hf_other',
      tokenSource: 'HF_TOKEN',
    });
    expect(() => hubEnvironment({ HF_TOKEN: 'hf_a\nInjected: yes' })).toThrow(
      'holds characters that no token has',
    );
  });

  it('offline and the address', () => {
    const of = (env: NodeJS.ProcessEnv) => hubEnvironment({ HF_TOKEN: 'x', ...env });
    expect(['1', 'true', 'ON', 'yes'].map((HF_HUB_OFFLINE) => of({ HF_HUB_OFFLINE }).isOffline)).toEqual(
      Array(4).fill(true),
    );
    expect(['0', '', 'no'].map((HF_HUB_OFFLINE) => of({ HF_HUB_OFFLINE }).isOffline)).toEqual(
      Array(3).fill(false),
    );
    expect(of({}).endpoint).toBe('https://huggingface.co');
    expect(of({ HF_ENDPOINT: 'https://hub.example/' }).endpoint).toBe('https://hub.example');
    for (const HF_ENDPOINT of ['hub.example', 'ftp://hub.example', 'https://me:secret@hub.example'])
      expect(() => of({ HF_ENDPOINT })).toThrow('HF_ENDPOINT');
  });
});
