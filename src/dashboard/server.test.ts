/** @file Who is let in and what is handed out, over a real socket with requests as they are written on the wire. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scratchFolder } from '../../tests/support/scratch-folder.ts';
import { writeSyntheticRun } from '../../tests/support/synthetic-run.ts';
import { type Dashboard, startDashboard } from './server.ts';
import { Workspace } from './workspace.ts';

const folder = scratchFolder();
const video = join(folder, 'clip.mp4');
let page: Dashboard;
let run: string;

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** One request, its path sent as it stands. */
function send(path: string, headers: Readonly<Record<string, string>> = {}, method = 'GET'): Promise<Answer> {
  const all = { host: `127.0.0.1:${page.port}`, connection: 'close', ...headers };
  return new Promise((resolve, reject) => {
    const socket = connect(page.port, '127.0.0.1');
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('error', reject);
    socket.on('close', () => {
      const [head = '', ...rest] = Buffer.concat(chunks).toString('latin1').split('\r\n\r\n');
      const [first = '', ...lines] = head.split('\r\n');
      resolve({
        status: Number(first.split(' ')[1]),
        headers: Object.fromEntries(
          lines.map((line) => [line.split(':')[0]!.toLowerCase(), line.replace(/^[^:]*: ?/, '')]),
        ),
        body: rest.join('\r\n\r\n'),
      });
    });
    const text = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`${method} ${path} HTTP/1.1\r\n${text.join('')}\r\n`);
  });
}

const bearer = () => ({ authorization: `Bearer ${page.token}` });

beforeAll(async () => {
  writeFileSync(video, Buffer.from(Array.from({ length: 1000 }, (_, i) => i % 251)));
  writeFileSync(join(folder, 'secret.txt'), 'the secret');
  mkdirSync(join(folder, 'runs'));
  writeSyntheticRun(join(folder, 'runs', 'a'), { num_steps: 4, num_groups: 2, num_generations: 4, video });
  const workspace = new Workspace([join(folder, 'runs')]);
  page = await startDashboard({ workspace, port: 0 });
  run = workspace.listing().runs[0]!.id;
});
afterAll(() => page.close());

describe('the guard', () => {
  it('lets in who has the token, as a bearer and as a cookie', async () => {
    expect((await send('/api/listing', bearer())).status).toBe(200);
    const opened = await send(`/?token=${page.token}`);
    expect(opened).toMatchObject({ status: 303, headers: { location: '/' } });
    const cookie = opened.headers['set-cookie']!;
    expect(cookie).toMatch(/; HttpOnly; SameSite=Strict$/);
    const seen = await send('/', { cookie: cookie.split(';')[0]! });
    expect(seen.status).toBe(200);
    expect(seen.body).toContain('<div id="app">');
  });

  it.each([
    ['no token', '/api/listing', {}, 401],
    ['no token for the page', '/', {}, 401],
    ['no token for the script', '/page.js', {}, 401],
    ['a wrong token', '/api/listing', { authorization: 'Bearer x' }, 401],
    ['a wrong token in the address', '/?token=x', {}, 401],
    ['a token in the address of the API', '/api/listing?token=TOKEN', {}, 401],
    ['another host, as a page that rebinds its name has it', '/api/listing', { host: 'evil.example' }, 421],
    ['another host with our port', '/api/listing', { host: 'evil.example:PORT' }, 421],
    ['another host with the token', '/?token=TOKEN', { host: 'evil.example:PORT' }, 421],
    ['another port', '/api/listing', { host: '127.0.0.1:1' }, 421],
    ['another origin', '/api/listing', { origin: 'http://evil.example' }, 403],
    ['an origin of null', '/api/listing', { origin: 'null' }, 403],
    ['https in the origin', '/api/listing', { origin: 'https://127.0.0.1:PORT' }, 403],
    ['another site', '/api/listing', { 'sec-fetch-site': 'cross-site' }, 403],
    ['a neighbour on this machine', '/api/listing', { 'sec-fetch-site': 'same-site' }, 403],
  ])('refuses %s', async (what, path, headers, status) => {
    const fill = (text: string) => text.replace('TOKEN', page.token).replace('PORT', String(page.port));
    const given = Object.fromEntries(
      Object.entries(headers as Record<string, string>).map(([name, value]) => [name, fill(value)]),
    );
    // What must be refused for its host or its origin is refused although it has the token.
    const answer = await send(fill(path), what.includes('token') ? given : { ...bearer(), ...given });
    expect(answer.status).toBe(status);
    expect(answer.body).not.toContain('synthetic');
    expect(answer.body).not.toContain('"runs"');
  });

  it.each(['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])('refuses %s', async (method) => {
    expect((await send('/api/listing', bearer(), method)).status).toBe(405);
  });

  it('forbids foreign and inline script, framing and sharing, on every answer', async () => {
    for (const answer of [
      await send('/api/listing', bearer()),
      await send('/api/none', bearer()),
      await send('/'),
    ]) {
      const { headers } = answer;
      expect(headers['content-security-policy']).toContain(
        "default-src 'none'; script-src 'self'; style-src 'self'",
      );
      expect(headers['content-security-policy']).toContain("frame-ancestors 'none'");
      expect(headers['content-security-policy']).not.toContain('unsafe');
      expect(headers['x-content-type-options']).toBe('nosniff');
      expect(headers['access-control-allow-origin']).toBeUndefined();
    }
  });

  it('has another token at every start', async () => {
    const other = await startDashboard({ workspace: new Workspace([join(folder, 'runs')]), port: 0 });
    expect(other.token).not.toBe(page.token);
    expect(other.token.length).toBeGreaterThanOrEqual(32);
    await other.close();
  });

  it('names a port that is taken', async () => {
    const workspace = new Workspace([join(folder, 'runs')]);
    await expect(startDashboard({ workspace, port: page.port })).rejects.toThrow(
      `cannot listen on 127.0.0.1:${page.port} (EADDRINUSE)`,
    );
  });
});

describe('paths', () => {
  it.each([
    '/../secret.txt',
    '/../../etc/passwd',
    '/..%2f..%2fetc%2fpasswd',
    '/%2e%2e/%2e%2e/etc/passwd',
    '/....//....//etc/passwd',
    '/..;/etc/passwd',
    '/..\\..\\etc\\passwd',
    '/%5c..%5c..%5cetc%5cpasswd',
    '//etc/passwd',
    '/page.js/../../secret.txt',
    '/api/../../secret.txt',
    '/api/runs/..%2f..%2fsecret.txt/about',
    '/api/runs/%2fetc%2fpasswd/about',
    '/api/runs/../about',
    '/api/runs/RUN/steps/..%2f..%2f..%2fsecret.txt',
    '/api/runs/RUN/steps/1/groups/..%2fsecret/video',
    '/api/runs/RUN/steps/1%00/groups/0/video',
    '/api/runs/RUN/steps/-1',
    '/api/runs/RUN/steps/1e9',
    '/api/runs/RUN/steps/1/groups/0/video/../../../../../secret.txt',
    '/api/evaluations/..%2f..%2fsecret.txt/rows',
    '/api/runs/__proto__/about',
    '/file:///etc/passwd',
    'http://evil.example/etc/passwd',
  ])('gives nothing for %s', async (path) => {
    const answer = await send(path.replace('RUN', run), bearer());
    expect([400, 404, 421]).toContain(answer.status);
    expect(answer.body).not.toContain('the secret');
    expect(answer.body).not.toContain('root:');
  });
});

describe('a video', () => {
  const path = () => `/api/runs/${run}/steps/1/groups/0/video`;
  const bytes = () => readFileSync(video).toString('latin1');

  it('comes whole', async () => {
    const answer = await send(path(), bearer());
    expect(answer).toMatchObject({
      status: 200,
      headers: { 'content-type': 'video/mp4', 'content-length': '1000', 'accept-ranges': 'bytes' },
    });
    expect(answer.body).toBe(bytes());
  });

  it.each([
    ['bytes=0-99', 0, 100, 'bytes 0-99/1000'],
    ['bytes=900-', 900, 1000, 'bytes 900-999/1000'],
    ['bytes=-10', 990, 1000, 'bytes 990-999/1000'],
    ['bytes=990-5000', 990, 1000, 'bytes 990-999/1000'],
  ])('comes in part: %s', async (range, from, to, content) => {
    const answer = await send(path(), { ...bearer(), range });
    expect(answer).toMatchObject({
      status: 206,
      headers: { 'content-range': content, 'content-length': String(to - from) },
    });
    expect(answer.body).toBe(bytes().slice(from, to));
  });

  it.each(['bytes=1000-', 'bytes=500-100', 'bytes=-0'])('has no part %s', async (range) => {
    expect(await send(path(), { ...bearer(), range })).toMatchObject({
      status: 416,
      headers: { 'content-range': 'bytes */1000' },
    });
  });

  it('says where it should be when it is not there', async () => {
    writeSyntheticRun(join(folder, 'runs', 'moved'), {
      num_steps: 1,
      num_groups: 1,
      num_generations: 2,
      video: '/old/clip.mp4',
    });
    const listing = JSON.parse((await send('/api/listing', bearer())).body) as {
      runs: { id: string; name: string }[];
    };
    const moved = listing.runs.find(({ name }) => name === 'moved')!.id;
    const answer = await send(`/api/runs/${moved}/steps/1/groups/0/clip`, bearer());
    expect(answer.status).toBe(404);
    expect(JSON.parse(answer.body)).toEqual({
      error: 'the clip clip.mp4 is not on this machine',
      hint: 'the run names it /old/clip.mp4; a relative path starts where the dashboard was started; --video-root names the folder that clips were moved to',
    });
  });
});
