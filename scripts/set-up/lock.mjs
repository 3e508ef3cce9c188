/**
 * @file Several clones, or several ranks of one run, may start at once. A lock is a file naming its owner and the
 * program that the owner has started; it is void when both are gone.
 */
import { randomUUID } from 'node:crypto';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { codeOf, readJson, writeAtomic } from './files.mjs';
import { say } from './report.mjs';

/** @type {Set<string>} */
const heldLocks = new Set();

const lockToken = randomUUID();

/**
 * @param {string} file
 * @param {number} [childPid] the program that we have started
 */
function writeLock(file, childPid) {
  writeAtomic(file, JSON.stringify({ token: lockToken, host: os.hostname(), pids: [process.pid, childPid] }));
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

/** @param {string} file */
function isStale(file) {
  const lock = readJson(file);
  const stat = fs.statSync(file, { throwIfNoEntry: false });
  if (!stat) return true;
  const ageS = (Date.now() - stat.mtimeMs) / 1000;
  if (lock === undefined) return ageS > 10; // just being written, or torn by a crash
  if (lock.host !== os.hostname()) return ageS > 3600; // a shared home: its processes cannot be seen from here
  return !lock.pids.some((/** @type {number | null} */ pid) => pid && isAlive(pid));
}

/**
 * @template Result
 * @param {string} file
 * @param {() => Promise<Result>} task done while the lock is ours
 */
export async function withLock(file, task) {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  for (let hasTold = false; ; ) {
    try {
      fs.writeFileSync(file, '', { flag: 'wx' });
      writeLock(file);
      await setTimeout(50); // two processes may both have removed a stale lock: the one whose name stands has it
      if (readJson(file)?.token === lockToken) break;
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
    }
    if (isStale(file)) {
      fs.rmSync(file, { force: true });
      continue;
    }
    if (!hasTold) say(`another set-up is at work (lock ${file}); waiting for it`);
    hasTold = true;
    await setTimeout(500);
  }
  heldLocks.add(file);
  try {
    return await task();
  } finally {
    heldLocks.delete(file);
    fs.rmSync(file, { force: true });
  }
}

/** Writes into our locks what we have started: a lock holds while that runs, even when we are killed. @param {number | undefined} pid */
export function lockForChild(pid) {
  for (const file of heldLocks) writeLock(file, pid);
}

export function releaseLocks() {
  for (const lock of heldLocks) fs.rmSync(lock, { force: true });
}
