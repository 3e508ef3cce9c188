/**
 * @file Other programs: where they are, what they answer, and running a long one so that an interrupt ends it too.
 */
import { spawn, spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { lockForChild, releaseLocks } from './lock.mjs';
import { say } from './report.mjs';

export const isWindows = process.platform === 'win32';

/** Full path of a program on PATH, or undefined. @param {string} program */
export function which(program) {
  const names = isWindows ? [`${program}.exe`, `${program}.cmd`, program] : [program];
  for (const folder of (process.env.PATH ?? '').split(path.delimiter)) {
    for (const name of names) {
      const full = path.join(folder, name);
      try {
        fs.accessSync(full, fs.constants.X_OK);
        if (fs.statSync(full).isFile()) return full;
      } catch {
        // not here
      }
    }
  }
  return undefined;
}

/**
 * Output of a short command, or undefined when it cannot run or fails.
 * @param {string} program
 * @param {readonly string[]} args
 * @param {string} [input]
 */
export function ask(program, args, input) {
  const result = spawnSync(program, args, { encoding: 'utf8', input: input ?? '', timeout: 60_000 });
  return result.status === 0 ? result.stdout.trim() : undefined;
}

/** @typedef {readonly [major: number, minor: number]} Version */

/** @param {string | undefined} text @returns {Version | undefined} the first `3.10` in it */
export function parseVersion(text) {
  const found = /(\d+)\.(\d+)/.exec(text ?? '');
  return found === null ? undefined : [Number(found[1]), Number(found[2])];
}

/** @param {Version | undefined} version @param {Version} wanted */
export const isAtLeast = (version, [major, minor]) =>
  version !== undefined && (version[0] > major || (version[0] === major && version[1] >= minor));

/** @type {Set<import('node:child_process').ChildProcess>} */
const children = new Set();

/**
 * Runs a long command; its output goes to stderr, or into `log`. Interrupts reach it before we end.
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ cwd?: string, log?: string }} [options]
 * @returns {Promise<number | string | null>} exit code, or the signal that ended it
 */
export async function run(program, args, { cwd, log } = {}) {
  const output = log === undefined ? 2 : fs.openSync(log, 'a');
  try {
    // A process group of its own, so that a signal to us alone also ends what the child has started.
    const child = spawn(program, args, {
      cwd,
      stdio: ['ignore', output, output],
      shell: isWindows,
      detached: !isWindows,
    });
    children.add(child);
    lockForChild(child.pid);
    const status = await new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) => resolve(signal ?? code));
    });
    children.delete(child);
    return status;
  } finally {
    if (log !== undefined) fs.closeSync(output);
  }
}

/** @param {import('node:child_process').ChildProcess} child @param {NodeJS.Signals} signal */
function stop({ pid }, signal) {
  if (pid === undefined) return; // it never started
  try {
    process.kill(isWindows ? pid : -pid, signal);
  } catch {
    // it has just ended
  }
}

/** @type {readonly (readonly [NodeJS.Signals, number])[]} */
const exitCodes = [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
];
for (const [signal, exitCode] of exitCodes) {
  process.on(signal, () => {
    for (const child of children) stop(child, signal);
    releaseLocks();
    say('interrupted; what was complete is kept, run the same command again to go on');
    process.exit(exitCode);
  });
}
