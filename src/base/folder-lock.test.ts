import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { scratchFolder } from '../../tests/support/scratch-folder.ts';
import { lockFolder } from './folder-lock.ts';

const root = scratchFolder();
const quiet = () => undefined;

it('keeps a second one out, and lets it in after the release; an unused new folder goes away', async () => {
  const folder = join(root, 'run');
  const lock = await lockFolder(folder, quiet);
  await expect(lockFolder(folder, quiet)).rejects.toThrow(
    `${folder}: process ${process.pid} on ${hostname()} is at work in this folder`,
  );
  lock.check();
  await lock.release();
  expect(existsSync(folder)).toBe(false);
  const second = await lockFolder(folder, quiet);
  writeFileSync(join(folder, 'x'), '');
  await second.release();
  expect(readdirSync(folder)).toEqual(['x']);
});

it('a lock of a process that was killed is void at once, also when its number was given anew', async () => {
  const folder = join(root, 'killed');
  const lock = await lockFolder(folder, quiet);
  const file = join(folder, '.lock');
  const holder = JSON.parse(readFileSync(file, 'utf8')) as { start: number };
  await lock.release();
  mkdirSync(folder);
  const { pid } = spawnSync(process.execPath, ['-e', '']);
  const dead = [{ ...holder, pid }, ...(holder.start === 0 ? [] : [{ ...holder, start: holder.start - 1 }])];
  for (const one of dead) {
    writeFileSync(file, JSON.stringify(one));
    const taken = await lockFolder(folder, () => expect.unreachable('nobody is waited for'), 60_000);
    await taken.release();
    expect(readdirSync(folder)).toEqual([]);
  }
});

it('an owner on another machine is watched: refused if it gives a sign of life, else its lock is void', async () => {
  const folder = join(root, 'far');
  mkdirSync(folder);
  const file = join(folder, '.lock');
  const far = JSON.stringify({ pid: 1, start: 5, host: 'node-7', space: 'node-7 pid:[1]', id: 'x' });
  writeFileSync(file, far);
  let beats = 0;
  const beat = setInterval(() => utimesSync(file, ++beats, beats), 50);
  const said: string[] = [];
  await expect(lockFolder(folder, (text) => said.push(text), 2000)).rejects.toThrow(
    `${folder}: process 1 on node-7 is at work in this folder`,
  );
  clearInterval(beat);
  expect(said).toEqual([
    `${folder} is locked by process 1 on node-7; watching for 2 s whether it still lives`,
  ]);
  const lock = await lockFolder(folder, quiet, 300);
  expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ pid: process.pid });
  await lock.release();
});

it('gives its sign of life while the thread computes, and notices that another took over', async () => {
  const folder = join(root, 'busy');
  const lock = await lockFolder(folder, quiet, 400);
  onTestFinished(() => lock.release());
  const file = join(folder, '.lock');
  // Another process sees the time stamp move while this one does nothing but compute.
  const watcher = spawn(process.execPath, [
    '-e',
    `const { statSync } = require('node:fs'); const seen = new Set();
     const until = Date.now() + 1500;
     while (Date.now() < until) seen.add(statSync(${JSON.stringify(file)}).mtimeMs);
     console.log(seen.size);`,
  ]);
  const out: string[] = [];
  watcher.stdout.on('data', (chunk: Buffer) => out.push(chunk.toString()));
  const closed = once(watcher, 'close');
  const until = Date.now() + 1600;
  while (Date.now() < until);
  await closed;
  expect(Number(out.join(''))).toBeGreaterThan(3);
  writeFileSync(file, '{}');
  expect(() => lock.check()).toThrow(`${folder}: another process took over while this one stood still`);
  await sleep(300);
  expect(lock.lost.aborted).toBe(true);
  expect(readFileSync(file, 'utf8')).toBe('{}');
});
