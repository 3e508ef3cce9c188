/** @file Work measured in a process of its own: a benchmark starts itself again with a mode and a folder, and reads one line of JSON. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What `program` prints in that mode. @throws Error with its messages when it fails */
export function runChild<Report>(program: string, mode: string, folder: string): Report {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    [...process.execArgv, fileURLToPath(program), '--mode', mode, '--folder', folder],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] },
  );
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Report;
}

/** Calls `body` with the folder given, or with one of its own that is removed afterwards. */
export function withFolder(given: string | undefined, body: (folder: string) => void): void {
  const root = given ?? mkdtempSync(join(tmpdir(), 'twgrpo-bench-'));
  try {
    body(join(root, 'model'));
  } finally {
    if (given === undefined) rmSync(root, { recursive: true });
  }
}

/** Says how many shards a model folder has. @returns bytes of its weights */
export function weightBytes(folder: string): number {
  const files = readdirSync(folder).filter((name) => name.endsWith('.safetensors'));
  const bytes = files.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
  console.log(`${files.length} shards, ${gigabytes(bytes)} GB`);
  return bytes;
}

export const gigabytes = (bytes: number): string => (bytes / 1e9).toFixed(2);
