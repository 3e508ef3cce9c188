/**
 * Files and folders that appear whole or not at all: written under a temporary name in the same directory, flushed to
 * the disk, then renamed. After a crash at any point the old content stands and a `.tmp-` leftover may remain; its name
 * carries the process that wrote it, so that `sweepLeftovers` takes away what no living process is writing.
 *
 * A file that may be memory-mapped is never overwritten in place: the rename gives the name to a new file while the old
 * one lives on for whoever mapped it.
 */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { onDisk } from './disk.ts';
import { DataError } from './errors.ts';
import { isLiving, OWN_START } from './process-start.ts';

/** True for the temporary files and folders of this module, whoever left them. */
export function isLeftover(name: string): boolean {
  return basename(name).startsWith('.tmp-');
}

/** `.tmp-<host>-<pid>-<start>-<random>-<name>`; only a name that has all of them is ours to sweep. */
const LEFTOVER = /^\.tmp-(?<host>[A-Za-z0-9_.]+)-(?<pid>\d+)-(?<start>\d+)-[0-9a-f]{8}-/;

const HOST = hostname().replaceAll(/[^A-Za-z0-9_.]/g, '_');

/**
 * Removes the temporary files and folders that writers of this module left in a folder when they died. What a living
 * process is writing stays, and so does what another machine wrote, whose processes can not be seen.
 * @returns the names removed
 */
export function sweepLeftovers(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder).filter((name) => {
    const parts = LEFTOVER.exec(name)?.groups;
    if (parts === undefined || parts['host'] !== HOST) return false;
    if (isLiving(Number(parts['pid']), Number(parts['start']))) return false;
    rmSync(join(folder, name), { recursive: true, force: true });
    return true;
  });
}

/** Folders that this process has swept. */
const swept = new Set<string>();

/** What a killed process left beside a file is taken away by the next process that writes there. */
function sweepOnce(folder: string): void {
  if (swept.has(folder)) return;
  swept.add(folder);
  sweepLeftovers(folder);
}

/** Text, bytes, or a function that hands over pieces one after another, each the receiver's from then on. */
export type FileContent = string | Uint8Array | ((write: (piece: Uint8Array) => void) => void);

/** Takes a file by its path, content and size in bytes, for errors: `writeFileAtomic`, or what keeps it until it can be written. */
export type FileWriter = (file: string, content: FileContent, size?: number) => void;

/**
 * Write a file so that readers see either the old or the whole new content.
 * `content` is the text or bytes, or a function that writes pieces one after another (for files larger than memory).
 * Missing parent directories are created. The file and its directory are flushed to the disk before this returns.
 * @param size bytes that a function will write, for the error of a full disk
 * @throws DiskError when the disk refuses
 */
export function writeFileAtomic(file: string, content: FileContent, size?: number): void {
  const target = resolve(file);
  const bytes = typeof content === 'string' ? Buffer.from(content, 'utf8') : content;
  onDisk(target, typeof bytes === 'function' ? size : bytes.length, () => {
    mkdirSync(dirname(target), { recursive: true });
    const temporary = temporaryName(target);
    try {
      const fd = openSync(temporary, 'wx');
      try {
        const write = (piece: Uint8Array) => writeFully(fd, piece);
        if (typeof bytes === 'function') bytes(write);
        else write(bytes);
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
      renameSync(temporary, target);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
    flush(dirname(target));
  });
}

/**
 * Build a folder under a temporary name and give it its real name when it is complete.
 * `fill` receives the temporary path and writes into it. An existing folder of that name is an error unless `replace`
 * is set; then it is moved aside first and removed last, so a crash between leaves one of the two whole, never a mixture.
 * @throws DataError when the folder exists and `replace` is not set; DiskError when the disk refuses
 */
export function writeFolderAtomic(
  dir: string,
  fill: (temporary: string) => void,
  options: { readonly replace?: boolean } = {},
): void {
  const folder = beginFolder(dir, options);
  try {
    onDisk(dir, undefined, () => fill(folder.temporary));
  } catch (error) {
    folder.abort();
    throw error;
  }
  folder.commit();
}

/** A folder under its temporary name: where it is filled by several processes, or not at once. */
export interface FolderInTheMaking {
  readonly temporary: string;
  /** Gives it its real name. */
  commit(): void;
  /** Removes it. */
  abort(): void;
}

/** Begins a folder that appears whole or not at all; see `writeFolderAtomic`. */
export function beginFolder(dir: string, { replace = false } = {}): FolderInTheMaking {
  const target = resolve(dir);
  if (!replace && existsSync(target)) {
    throw new DataError(`${dir}: exists already`, {
      hint: 'Choose another folder, or remove this one first.',
    });
  }
  const temporary = temporaryName(target);
  onDisk(target, undefined, () => {
    mkdirSync(dirname(target), { recursive: true });
    mkdirSync(temporary);
  });
  const abort = () => rmSync(temporary, { recursive: true, force: true });
  return {
    temporary,
    abort,
    commit: () => commitFolder(temporary, target),
  };
}

/** Gives a begun folder its real name; removes it where that fails. @throws DiskError */
export function commitFolder(temporary: string, target: string): void {
  onDisk(target, undefined, () => {
    const old = temporaryName(target);
    try {
      flushTree(temporary);
      if (existsSync(target)) renameSync(target, old);
      renameSync(temporary, target);
    } catch (error) {
      rmSync(temporary, { recursive: true, force: true });
      if (existsSync(old) && !existsSync(target)) renameSync(old, target);
      throw error;
    }
    flush(dirname(target));
    rmSync(old, { recursive: true, force: true });
  });
}

/**
 * Name of a file or folder that is to become `target`, in the same folder, which must be there. What killed processes left in that
 * folder is taken away first, once in a process.
 */
export function temporaryName(target: string): string {
  sweepOnce(dirname(target));
  const id = `${HOST}-${process.pid}-${OWN_START}-${randomBytes(4).toString('hex')}`;
  return join(dirname(target), `.tmp-${id}-${basename(target)}`);
}

/** A write may take only part of what it is given; this takes all. */
export function writeFully(fd: number, piece: Uint8Array): void {
  for (let done = 0; done < piece.length; ) done += writeSync(fd, piece, done, piece.length - done);
}

function flushTree(dir: string): void {
  for (const name of readdirSync(dir)) {
    const path = join(dir, name);
    if (statSync(path).isDirectory()) flushTree(path);
    else flush(path);
  }
  flush(dir);
}

function flush(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
