/** @file A command in a process of its own, ended by a signal while it writes rows. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** The command in a process of its own, which nothing but the signal ends. */
function start(argv: readonly string[]): ChildProcess {
  const file = (path: string) => fileURLToPath(new URL(path, import.meta.url));
  return spawn(
    process.execPath,
    ['--import', file('../../scripts/typescript/loader.mjs'), file('../../src/cli/main.ts'), ...argv],
    { stdio: 'ignore' },
  );
}

/** Waits until the file has so many rows, or the process has ended. */
export async function rowsReached(numRows: number, file: string, child: ChildProcess): Promise<void> {
  const isReached = () => existsSync(file) && readFileSync(file, 'utf8').split('\n').length > numRows;
  while (child.exitCode === null && !isReached()) await setTimeout(2);
}

/** Sends the signal once the file has so many rows. @returns exit code and signal */
export async function signalAfterRows(
  numRows: number,
  signal: NodeJS.Signals,
  file: string,
  argv: readonly string[],
): Promise<[code: number | null, signal: string | null]> {
  const child = start(argv);
  const ended = once(child, 'exit') as Promise<[number | null, string | null]>;
  await rowsReached(numRows, file, child);
  child.kill(signal);
  return await ended;
}
