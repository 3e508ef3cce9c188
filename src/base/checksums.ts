/**
 * Checksums of a folder's files, stored beside them in the form of sha256sum (`SHA256SUMS`), so that `sha256sum -c SHA256SUMS` checks
 * them too: a disk that changes a bit, or a copy that was cut, is noticed before the file is used.
 */
import { createHash } from 'node:crypto';
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from './atomic.ts';
import { DataError } from './errors.ts';

export const CHECKSUMS = 'SHA256SUMS';

/** Bytes read at once. */
const PIECE = 8 * 2 ** 20;

function sha256Of(path: string): string {
  const hash = createHash('sha256');
  const piece = Buffer.allocUnsafe(PIECE);
  const fd = openSync(path, 'r');
  try {
    for (let size = readSync(fd, piece); size > 0; size = readSync(fd, piece))
      hash.update(piece.subarray(0, size));
  } finally {
    closeSync(fd);
  }
  return hash.digest('hex');
}

/** Paths of the files of a folder and the folders in it, with `/`, sorted. */
function filesIn(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== CHECKSUMS)
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(folder.length + 1)
        .replaceAll('\\', '/'),
    )
    .sort();
}

/** Writes `SHA256SUMS` of all files of a folder and the folders in it. @throws DiskError */
export function writeChecksums(folder: string): void {
  const lines = filesIn(folder).map((name) => `${sha256Of(join(folder, name))}  ${name}\n`);
  writeFileAtomic(join(folder, CHECKSUMS), lines.join(''));
}

/** One file of a folder against its checksum. */
export interface CheckedFile {
  readonly name: string;
  readonly state: 'equal' | 'differs' | 'missing';
}

/**
 * Every file that `SHA256SUMS` names; undefined where the folder has none.
 * @throws DataError when `SHA256SUMS` is not of its form or names a file outside the folder
 */
export function verifyChecksums(folder: string): readonly CheckedFile[] | undefined {
  const path = join(folder, CHECKSUMS);
  if (!existsSync(path)) return undefined;
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line, at): CheckedFile => {
      const [, expected, name] = /^([0-9a-f]{64}) [ *](.+)$/.exec(line) ?? [];
      if (name === undefined || name.startsWith('/') || name.split('/').includes('..'))
        throw new DataError(
          `${path}:${at + 1}: expected a SHA-256 and a path in the folder, got ${JSON.stringify(line)}`,
          {
            hint: 'the list itself is damaged: remove it to use the folder unchecked, or use another checkpoint',
          },
        );
      const file = join(folder, name);
      if (!existsSync(file)) return { name, state: 'missing' };
      return { name, state: sha256Of(file) === expected ? 'equal' : 'differs' };
    });
}

/** What is wrong with the files of a folder, as a sentence; undefined for a whole one, and for one without checksums. */
export function damageOf(folder: string): string | undefined {
  const damaged = verifyChecksums(folder)?.filter(({ state }) => state !== 'equal') ?? [];
  if (damaged.length === 0) return undefined;
  const names = damaged.map(({ name, state }) => `${name} ${state === 'missing' ? 'is missing' : 'differs'}`);
  return `${folder}: not as it was saved (${CHECKSUMS}): ${names.join(', ')}`;
}
