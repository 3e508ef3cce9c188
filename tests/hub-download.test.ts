/** @file Names on the hub become folders: from the cache, from a download, or from neither when offline. */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { planDataFile, planModel, resolveDataFile, resolveModel } from '../src/hub/index.ts';
import { gitSha1, noise, sha256 } from './support/hub-server.ts';
import { failure, MODEL, NAME, NEEDED, scratch, WEIGHTS, world } from './support/hub-world.ts';

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
