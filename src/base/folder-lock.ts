/** A folder that one process at a time writes into: a run, an evaluation, a set of videos. */
import { existsSync, readdirSync, rmdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError } from './errors.ts';
import { type Lock, takeLock } from './lock-file.ts';

/** A sign of life every 2.5 s; an owner on another machine is watched for ten. */
const STALE_MS = 10_000;

const lockOf = (folder: string): string => join(folder, '.lock');

/** When the process that works in a folder last gave a sign of life, in ms since 1970; undefined where none has it. */
export function lastSignOfLife(folder: string): number | undefined {
  return statSync(lockOf(folder), { throwIfNoEntry: false })?.mtimeMs;
}

/**
 * Keeps other processes out of a folder, which is made when it is missing, until the lock is released (then the folder is removed
 * again if nothing was written into it).
 * @param say hears that an owner on another machine is being watched
 * @throws ConfigError naming the process that is at work there
 */
export async function lockFolder(
  folder: string,
  say: (text: string) => void,
  staleMs = STALE_MS,
): Promise<Lock> {
  const isNew = !existsSync(folder);
  let hasSaid = false;
  const lock = await takeLock(lockOf(folder), {
    staleMs,
    what: folder,
    onHeld: (holder, isSeenAlive) => {
      const who = holder === undefined ? 'a process' : `process ${holder.pid} on ${holder.host}`;
      if (isSeenAlive)
        throw new ConfigError(`${folder}: ${who} is at work in this folder`, {
          hint: 'wait for it or stop it, or choose another output folder',
        });
      if (!hasSaid)
        say(`${folder} is locked by ${who}; watching for ${staleMs / 1000} s whether it still lives`);
      hasSaid = true;
    },
  });
  return {
    ...lock,
    release: async () => {
      await lock.release();
      if (isNew && existsSync(folder) && readdirSync(folder).length === 0) rmdirSync(folder);
    },
  };
}
