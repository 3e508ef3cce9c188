/**
 * @file Other programs: where they are, what they answer, and running a long one so that an interrupt ends it too.
 */
import { spawn, spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { lockForChild, releaseLocks } from './lock.mjs';
import { say } from './report.mjs';

export const isWindows = process.platform === 'win32';

/** Full path of a program on PATH, or undefined. */
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

/** Output of a short command, or undefined when it cannot run or fails. */
export function ask(program, args, input) {
  const result = spawnSync(program, args, { encoding: 'utf8', input: input ?? '', timeout: 60_000 });
  return result.status === 0 ? result.stdout.trim() : undefined;
}

export const parseVersion = (text) => (/(\d+)\.(\d+)/.exec(text ?? '') ?? []).slice(1, 3).map(Number);
export const isAtLeast = ([major, minor], [wantMajor, wantMinor]) =>
  major > wantMajor || (major === wantMajor && minor >= wantMinor);

const children = new Set();

/** Runs a long command; its output goes to stderr, or into `log`. Interrupts reach it before we end. */
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

function stop(child, signal) {
  try {
    process.kill(isWindows ? child.pid : -child.pid, signal);
  } catch {
    // it has just ended
  }
}

for (const [signal, exitCode] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
]) {
  process.on(signal, () => {
    for (const child of children) stop(child, signal);
    releaseLocks();
    say('interrupted; what was complete is kept, run the same command again to go on');
    process.exit(exitCode);
  });
}
