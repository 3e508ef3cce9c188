/** @file A server of bad intent writes nothing outside the cache and learns no token. */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatError } from '../src/base/index.ts';
import { resolveModel } from '../src/hub/index.ts';
import { sendError, sha256 } from './support/hub-server.ts';
import { failure, MODEL, NAME, scratch, TOKEN, WEIGHTS, world } from './support/hub-world.ts';

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
