/**
 * @file A Hugging Face Hub on 127.0.0.1 for tests: the parts of its protocol that are used (descriptions, listings, files with
 * redirects to a second server for large ones, uploads and commits), and faults on request.
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { afterAll, onTestFinished } from 'vitest';

export type Files = Readonly<Record<string, Buffer | string>>;

interface Repo {
  readonly files: ReadonlyMap<string, Buffer>;
  readonly commit: string;
  readonly refs: Map<string, string>;
}

/** One request as the server saw it. */
export interface Seen {
  readonly host: 'hub' | 'storage';
  readonly method: string;
  readonly url: string;
  readonly authorization: string | undefined;
  readonly range: string | undefined;
  readonly body: Buffer;
}

/** Answers in place of the server; true when it did. */
export type Fault = (seen: Seen, response: ServerResponse) => boolean;

export const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
export const gitSha1 = (bytes: Buffer): string =>
  createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');

/** Large files go to the second server, as the hub's do. */
const isLarge = (path: string): boolean => path.endsWith('.safetensors');

export class HubServer {
  readonly seen: Seen[] = [];
  /** Consulted before every answer. */
  fault: Fault = () => false;
  /** Entries put at the front of every listing. */
  extraEntries: readonly object[] = [];
  /** Listings come in pages of so many. */
  pageSize = 1000;
  readonly uploaded = new Map<string, Buffer>();
  readonly commits: {
    readonly repo: string;
    readonly branch: string;
    readonly lines: readonly CommitLine[];
  }[] = [];
  readonly created: { readonly name: string; readonly visibility?: string }[] = [];
  readonly #repos = new Map<string, Repo>();
  readonly #hub: Server;
  readonly #storage: Server;

  private constructor() {
    this.#hub = createServer((request, response) => void this.#answer('hub', request, response));
    this.#storage = createServer((request, response) => void this.#answer('storage', request, response));
  }

  /** Listens until the test, or the file's tests, are over. */
  static async start(until: 'test' | 'file' = 'test'): Promise<HubServer> {
    const server = new HubServer();
    for (const one of [server.#hub, server.#storage])
      await new Promise<void>((done) => one.listen(0, '127.0.0.1', done));
    (until === 'test' ? onTestFinished : afterAll)(async () => {
      for (const one of [server.#hub, server.#storage]) {
        one.closeAllConnections();
        await new Promise((done) => one.close(done));
      }
    });
    return server;
  }

  get address(): string {
    return `http://127.0.0.1:${(this.#hub.address() as AddressInfo).port}`;
  }
  get storageAddress(): string {
    return `http://127.0.0.1:${(this.#storage.address() as AddressInfo).port}`;
  }

  /** Adds a repository (`owner/name`, or `datasets/owner/name`). @returns the commit of its branch main */
  add(name: string, files: Files): string {
    const content = new Map(
      Object.entries(files).map(([path, bytes]) => [path, Buffer.from(bytes as string)]),
    );
    const commit = createHash('sha1')
      .update(`${name} ${[...content].map(([path, bytes]) => `${path} ${sha256(bytes)}`).join()}`)
      .digest('hex');
    const refs = this.#repos.get(name)?.refs ?? new Map<string, string>();
    refs.set('main', commit).set('v1.0', refs.get('v1.0') ?? commit);
    this.#repos.set(name, { files: content, commit, refs });
    return commit;
  }

  /** Requests for files, as `path range`. */
  fileRequests(): string[] {
    return this.seen
      .filter(({ host, url }) => host === 'storage' || url.includes('/resolve/'))
      .map(({ url, range }) => `${url.split('/').at(-1)}${range === undefined ? '' : ` ${range}`}`);
  }

  async #answer(host: Seen['host'], request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { authorization, range } = request.headers;
    const seen: Seen = {
      host,
      method: request.method ?? '',
      url: decodeURIComponent(request.url ?? ''),
      authorization,
      range,
      body: Buffer.concat(chunks),
    };
    this.seen.push(seen);
    if (this.fault(seen, response)) return;
    if (host === 'storage') this.#storageAnswer(seen, response);
    else this.#hubAnswer(seen, response);
  }

  #storageAnswer({ method, url, range, body }: Seen, response: ServerResponse) {
    if (method === 'PUT') {
      this.uploaded.set(url.slice(1), body);
      response.writeHead(200, { etag: '"x"' }).end();
      return;
    }
    const bytes = [...this.#repos.values()]
      .flatMap(({ files }) => [...files.values()])
      .find((one) => sha256(one) === url.slice(1));
    if (bytes === undefined) response.writeHead(404).end();
    else sendFile(response, bytes, range);
  }

  #hubAnswer(seen: Seen, response: ServerResponse) {
    const { method, url, range } = seen;
    const [path = '', query = ''] = url.split('?');
    if (method === 'POST' && path === '/api/repos/create') return this.#create(seen, response);
    if (path === '/api/models') return this.#search(query, response);
    const lfs = /^\/(?:(datasets)\/)?([^/]+\/[^/]+)\.git\/info\/lfs\/objects\/batch$/.exec(path);
    if (lfs !== null) return this.#batch(seen, response);
    const file = /^\/(?:(datasets)\/)?([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(path);
    const api = /^\/api\/(models|datasets)\/([^/]+\/[^/]+)\/([a-z-]+)(?:\/([^/]+))?/.exec(path);
    const [, kind, name, action, revision = 'main'] =
      file === null ? (api ?? []) : [0, file[1], file[2], 'resolve', file[3]];
    const repo = this.#repos.get(kind === 'datasets' ? `datasets/${name}` : String(name));
    if (repo === undefined) return sendError(response, 401, 'RepoNotFound', 'Invalid username or password.');
    if (action === 'refs') {
      const branches = [...repo.refs].map(([ref, targetCommit]) => ({ name: ref, targetCommit }));
      return sendJson(response, { branches, tags: [], converts: [] });
    }
    if (action === 'preupload') return this.#preupload(seen, response);
    if (action === 'commit') return this.#commit(String(name), revision, seen, response);
    if (action === 'branch') {
      repo.refs.set(revision, repo.commit);
      return sendJson(response, {});
    }
    if (repo.commit !== revision && !repo.refs.has(revision))
      return sendError(response, 404, 'RevisionNotFound', `Invalid rev id: ${revision}`);
    if (action === 'revision')
      return sendJson(response, {
        _id: 'x',
        id: name,
        sha: repo.refs.get(revision) ?? revision,
        private: false,
        lastModified: '2026-01-01T00:00:00.000Z',
        cardData: { license: 'apache-2.0' },
      });
    if (action === 'tree') return this.#tree(repo, query, path, response);
    if (action === 'paths-info') {
      const { paths } = JSON.parse(seen.body.toString()) as { paths: string[] };
      const found = paths.flatMap((one) => {
        const bytes = repo.files.get(one);
        return bytes === undefined ? [] : [entryOf(one, bytes)];
      });
      return sendJson(response, found);
    }
    const bytes = repo.files.get(file?.[4] ?? '');
    if (bytes === undefined) return sendError(response, 404, 'EntryNotFound', 'Entry not found');
    const headers = { 'x-repo-commit': repo.commit };
    if (!isLarge(file?.[4] ?? '')) return sendFile(response, bytes, range, headers);
    response
      .writeHead(302, {
        ...headers,
        location: `${this.storageAddress}/${sha256(bytes)}`,
        'x-linked-etag': `"${sha256(bytes)}"`,
        'x-linked-size': String(bytes.length),
      })
      .end();
  }

  #tree(repo: Repo, query: string, path: string, response: ServerResponse) {
    const entries = [
      ...this.extraEntries,
      ...[...repo.files].map(([one, bytes]) => entryOf(one, bytes)),
      { type: 'directory', path: 'onnx', size: 0, oid: 'd'.repeat(40) },
    ];
    const from = Number(new URLSearchParams(query).get('cursor') ?? 0);
    const next = from + this.pageSize;
    const link =
      next < entries.length
        ? { link: `<${this.address}${path}?recursive=true&cursor=${next}>; rel="next"` }
        : {};
    sendJson(response, entries.slice(from, next), link);
  }

  #search(query: string, response: ServerResponse) {
    const asked = new URLSearchParams(query);
    const wanted = asked.get('search') ?? '';
    const owner = asked.get('author');
    const names = [...this.#repos.keys()].filter(
      (name) =>
        !name.startsWith('datasets/') &&
        name.includes(wanted) &&
        (owner === null || name.startsWith(`${owner}/`)),
    );
    sendJson(
      response,
      names.map((id) => ({ _id: 'x', id, private: false, lastModified: '2026-01-01T00:00:00.000Z' })),
    );
  }

  #create({ body }: Seen, response: ServerResponse) {
    const { name, organization, visibility } = JSON.parse(body.toString()) as Record<string, string>;
    const full = `${organization}/${name}`;
    if (this.#repos.has(full))
      return sendError(response, 409, undefined, 'You already created this model repo');
    this.add(full, { '.gitattributes': '' });
    this.created.push({ name: full, ...(visibility === undefined ? {} : { visibility }) });
    sendJson(response, { url: `${this.address}/${full}`, id: 'x' });
  }

  #preupload({ body }: Seen, response: ServerResponse) {
    const { files } = JSON.parse(body.toString()) as { files: { path: string }[] };
    sendJson(response, {
      files: files.map(({ path }) => ({ path, uploadMode: isLarge(path) ? 'lfs' : 'regular' })),
    });
  }

  #batch({ body }: Seen, response: ServerResponse) {
    const { objects } = JSON.parse(body.toString()) as { objects: { oid: string; size: number }[] };
    sendJson(response, {
      transfer: 'basic',
      objects: objects.map(({ oid, size }) => ({
        oid,
        size,
        ...(this.uploaded.has(oid) ? {} : { actions: { upload: { href: `${this.storageAddress}/${oid}` } } }),
      })),
    });
  }

  #commit(repo: string, branch: string, { body }: Seen, response: ServerResponse) {
    const lines = body
      .toString()
      .split('\n')
      .map((line) => JSON.parse(line) as CommitLine);
    this.commits.push({ repo, branch, lines });
    const commitOid = createHash('sha1').update(body).digest('hex');
    sendJson(response, {
      commitOid,
      commitUrl: `${this.address}/${repo}/commit/${commitOid}`,
      hookOutput: '',
    });
  }
}

export interface CommitLine {
  readonly key: string;
  readonly value: {
    readonly path?: string;
    readonly content?: string;
    readonly oid?: string;
    readonly size?: number;
    readonly summary?: string;
  };
}

function entryOf(path: string, bytes: Buffer): object {
  const oid = gitSha1(bytes);
  const lfs = isLarge(path) ? { lfs: { oid: sha256(bytes), size: bytes.length, pointerSize: 130 } } : {};
  return { type: 'file', path, size: bytes.length, oid, ...lfs };
}

function sendJson(response: ServerResponse, value: unknown, headers: object = {}): void {
  response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
}

export function sendError(
  response: ServerResponse,
  status: number,
  code: string | undefined,
  text: string,
): void {
  response
    .writeHead(status, {
      'content-type': 'application/json',
      ...(code === undefined ? {} : { 'x-error-code': code }),
    })
    .end(JSON.stringify({ error: text }));
}

/** The file, or the part of it that `Range` asks for. */
export function sendFile(
  response: ServerResponse,
  bytes: Buffer,
  range?: string,
  headers: object = {},
): void {
  const from = Number(/^bytes=(\d+)-/.exec(range ?? '')?.[1] ?? 0);
  if (range !== undefined && from >= bytes.length) {
    response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end();
    return;
  }
  const part = bytes.subarray(from);
  response
    .writeHead(range === undefined ? 200 : 206, {
      ...headers,
      etag: `"${gitSha1(bytes)}"`,
      'content-length': part.length,
      'accept-ranges': 'bytes',
      ...(range === undefined
        ? {}
        : { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` }),
    })
    .end(part);
}

/** Sends the first bytes of a file as if all would come, then breaks the connection. */
export function breakAfter(response: ServerResponse, bytes: Buffer, count: number, range?: string): void {
  const from = Number(/^bytes=(\d+)-/.exec(range ?? '')?.[1] ?? 0);
  const part = bytes.subarray(from);
  response.writeHead(range === undefined ? 200 : 206, {
    'content-length': part.length,
    ...(range === undefined ? {} : { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` }),
  });
  response.write(part.subarray(0, count), async () => {
    // Rounds of the event loop in which the client reads, however busy the machine is: what it has not read then is lost.
    for (let round = 0; round < 20; round++) await setTimeout(5);
    response.destroy();
  });
}

/** Bytes that differ at every place. */
export function noise(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length);
  let state = seed;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}
