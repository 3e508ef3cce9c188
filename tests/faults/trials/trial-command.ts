/** @file What the trials of this folder share: the smallest training of `commands.ts` as a process of its own, and what it left. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { damageOf } from '../../../src/base/index.ts';
import { writeInputs } from '../commands.ts';

const MAIN = fileURLToPath(new URL('../../../build/js/cli/main.js', import.meta.url));

/** A new folder with the inputs in it. */
export function trialFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `twgrpo-${name}-`));
  writeInputs(join(folder, 'inputs'));
  return folder;
}

export interface Running {
  readonly child: ChildProcess;
  readonly stderr: () => string;
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
}

/** Starts `twgrpo train` with keys on top of the inputs'; goes on where `output_dir` holds a run. */
export function startTraining(
  folder: string,
  output_dir: string,
  keys: Readonly<Record<string, unknown>>,
  more: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Running {
  const sets = Object.entries({ ...keys, output_dir }).flatMap(([key, value]) => [
    '--set',
    `${key}=${value}`,
  ]);
  const goOn = existsSync(join(output_dir, 'run.json')) ? ['--resume', 'auto'] : [];
  const argv = [MAIN, 'train', '--config', join(folder, 'inputs', 'train.yaml'), ...sets, ...goOn, ...more];
  const child = spawn(process.execPath, argv, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, OMP_NUM_THREADS: '1', ...env },
  });
  let stderr = '';
  child.stderr!.on('data', (chunk: Buffer) => (stderr = (stderr + chunk).slice(-100_000)));
  const ended = new Promise<Awaited<Running['ended']>>((resolve) =>
    child.on('close', (code, signal) => resolve({ code, signal })),
  );
  return { child, stderr: () => stderr, ended };
}

/** Rows of metrics without times and memory; a row that is being written is left out. */
export function rowsOf(run: string): readonly Readonly<Record<string, number>>[] {
  const file = join(run, 'metrics.jsonl');
  if (!existsSync(file)) return [];
  const whole = readFileSync(file, 'utf8').split('\n').slice(0, -1);
  return whole.map((line) =>
    Object.fromEntries(
      Object.entries(JSON.parse(line) as Record<string, number>).filter(
        ([key]) => !/^(time|memory|idle_share)\/|^step_time$|_per_second$/.test(key),
      ),
    ),
  );
}

/** Digests of the files of the newest checkpoint, as its list has them, and the rows: equal for equal runs. */
export function resultOf(run: string): string {
  const newest = checkpointsOf(run).at(-1);
  const sums = newest === undefined ? '' : readFileSync(join(newest, 'SHA256SUMS'), 'utf8');
  return createHash('sha256')
    .update(sums)
    .update(JSON.stringify(rowsOf(run)))
    .digest('hex');
}

/** Checkpoints by their steps. */
function checkpointsOf(run: string): readonly string[] {
  const names = existsSync(run) ? readdirSync(run).filter((name) => /^checkpoint-\d+$/.test(name)) : [];
  return names.sort((a, b) => Number(a.slice(11)) - Number(b.slice(11))).map((name) => join(run, name));
}

/** What is wrong with the checkpoints of a run. */
export function damagesOf(run: string): readonly string[] {
  return checkpointsOf(run).flatMap((one) => damageOf(one) ?? []);
}
