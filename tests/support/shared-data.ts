/** @file Real clips and files that lie beside a checkout; tests that need them are skipped where they are absent. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SHARED = process.env['TWGRPO_SHARED'] ?? fileURLToPath(new URL('../../../shared', import.meta.url));

/** Folder of all of them; undefined where there is none. */
export function sharedData(): string | undefined {
  const folder = join(SHARED, 'data');
  return existsSync(folder) ? folder : undefined;
}

/** Folder of the real clips; undefined where there is none. */
export function realClips(): string | undefined {
  const folder = join(SHARED, 'data', 'videos');
  return existsSync(folder) ? folder : undefined;
}

/** Folder of the benchmarks' question files; undefined where there is none. */
export function realBenchmarks(): string | undefined {
  const folder = join(SHARED, 'data', 'benchmarks');
  return existsSync(folder) ? folder : undefined;
}
