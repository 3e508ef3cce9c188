/** @file Connections that break, bytes that are wrong and answers that are no success: files come whole or not at all. */
import { mkdirSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { resolveModel } from '../src/hub/index.ts';
import { breakAfter, type Fault, gitSha1, noise, sendError, sendFile, sha256 } from './support/hub-server.ts';
import { expectNothingWhole, failure, MODEL, NAME, times, WEIGHTS, world } from './support/hub-world.ts';

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
