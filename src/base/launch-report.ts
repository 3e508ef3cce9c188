/** What a process that `--nproc` started tells the process that started it (`dist/launch.ts`), through files in a folder of that one. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT_CODES } from './errors.ts';

/** The variable that names the folder. */
export const LAUNCH_FOLDER = 'TWGRPO_LAUNCH_FOLDER';
/** The file with the exit code of the run, written by the first rank that ends it for good. */
export const FINAL_CODE = 'exit-code';

/** Whether the run has ended for good although the launcher began this rank again: it has nothing to do. */
export function isEndedRun(): boolean {
  const folder = process.env[LAUNCH_FOLDER];
  return folder !== undefined && existsSync(join(folder, FINAL_CODE));
}

/** A rank has begun: whoever launched it knows where to send signals. */
export function reportStart(): void {
  const folder = process.env[LAUNCH_FOLDER];
  if (folder !== undefined) writeFileSync(join(folder, `rank-${process.env['RANK']}.${process.pid}`), '');
}

/**
 * A rank ends.
 * @returns the exit code for its launcher: torchrun must not begin again what was stopped, or what can not succeed
 */
export function reportEnd(code: number): number {
  const folder = process.env[LAUNCH_FOLDER];
  if (folder === undefined || code === EXIT_CODES.done || code === EXIT_CODES.dist) return code;
  try {
    // The first to end names the code.
    writeFileSync(join(folder, FINAL_CODE), String(code), { flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return code === EXIT_CODES.interrupted || code === EXIT_CODES.terminated ? EXIT_CODES.done : code;
}
