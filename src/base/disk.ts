/** The disk under a path: its free space, sizes in words, and its errors told with file, need and next step. */
import { existsSync, statfsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { TwgrpoError } from './errors.ts';

/** The operating system refused to write or read a file: disk full, read-only, broken, too many open files. */
export class DiskError extends TwgrpoError {}

/** Free bytes on the disk that a path lies on, or will lie on. */
export function freeBytes(path: string): number {
  let place = resolve(path);
  while (!existsSync(place) && place !== dirname(place)) place = dirname(place);
  const { bavail, bsize } = statfsSync(place);
  return bavail * bsize;
}

/** `15.4 GiB`, `3.2 MiB`, `812 bytes` */
export function sizeText(bytes: number): string {
  for (const [unit, size] of [
    ['GiB', 2 ** 30],
    ['MiB', 2 ** 20],
    ['KiB', 2 ** 10],
  ] as const)
    if (bytes >= size) return `${(bytes / size).toFixed(1)} ${unit}`;
  return `${bytes} bytes`;
}

const GO_ON = 'then run the command again; training goes on with --resume auto';

/** What each errno means to a person, and the next step. */
const MEANINGS: Readonly<Record<string, readonly [string, string]>> = {
  ENOSPC: ['no space is left on the disk', `free some space, ${GO_ON}`],
  EDQUOT: ['the disk quota is used up', `remove files or ask for a larger quota, ${GO_ON}`],
  EFBIG: ['the file would be larger than allowed', 'raise the limit of file sizes (ulimit -f)'],
  EROFS: ['the file system is read-only', 'choose a folder on another disk, or mount this one for writing'],
  EIO: ['the disk reports an input/output error', `see what the system says of it (dmesg), ${GO_ON}`],
  EMFILE: ['too many open files in this process', `raise the limit (ulimit -n), ${GO_ON}`],
  ENFILE: ['too many open files on this machine', `close other programs, ${GO_ON}`],
  ENOENT: ['the folder can not be made', 'check the disk, its free space, and who owns the folder above'],
  EACCES: ['permission denied', 'check who owns the file and its folder'],
  EPERM: ['not permitted', 'check who owns the file and its folder'],
};

/**
 * The error as a DiskError where it is one of the operating system's; else as it is.
 * @param path what was written; used where the error names no file
 * @param needed bytes that the write needs, where that is known
 */
export function asDiskError(error: unknown, path?: string, needed?: number): unknown {
  if (!(error instanceof Error) || error instanceof TwgrpoError) return error;
  const { code, path: named, dest, syscall } = error as NodeJS.ErrnoException & { readonly dest?: string };
  // Node says ENOENT of a folder that can not be made, whatever the reason; of a file that is read it is not the disk's error.
  const isDisks = syscall !== undefined && (code !== 'ENOENT' || syscall === 'mkdir');
  const meaning = code === undefined || !isDisks ? undefined : MEANINGS[code];
  const file = path ?? dest ?? named;
  if (meaning === undefined || file === undefined) return error;
  const isFull = code === 'ENOSPC' || code === 'EDQUOT';
  const sizes = isFull
    ? ` (${needed === undefined ? '' : `${sizeText(needed)} to write, `}${sizeText(freeBytes(file))} free)`
    : '';
  return new DiskError(`${file}: ${meaning[0]}${sizes}`, { hint: meaning[1], cause: error });
}

/** Runs `body`, which writes `path`. @throws DiskError in place of the operating system's errors */
export function onDisk<T>(path: string, needed: number | undefined, body: () => T): T {
  try {
    return body();
  } catch (error) {
    throw asDiskError(error, path, needed);
  }
}
