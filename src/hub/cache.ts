/**
 * The cache on disk, in the layout of Python's huggingface_hub, so that either finds what the other downloaded:
 *
 *     models--owner--name/
 *       refs/main                   the commit of a branch or tag
 *       snapshots/<commit>/<path>   links to blobs; copies where a disk has no links
 *       blobs/<checksum>            the files
 *       twgrpo/<commit>.json        which files a whole snapshot has, and their sizes (ours)
 *       trees/<commit>.json         all files of the repository (Python's, when it listed them)
 *
 * Source: huggingface/huggingface_hub `file_download.py`, `_tree_cache.py`.
 */
import {
  copyFile,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
} from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { z } from 'zod';
import { isLeftover, temporaryName, writeFileAtomic } from '../base/index.ts';
import type { RemoteFile } from './download-file.ts';
import { isWeights, missingForLoading, neededFiles } from './model-files.ts';
import { DEFAULT_REVISION, isCommit, isPlainPath, type RepoName } from './names.ts';

const sizesSchema = z.object({ files: z.record(z.string(), z.object({ size: z.number() })) });

/** One commit of a repository as the cache holds it. */
export interface CachedSnapshot {
  readonly commit: string;
  readonly folder: string;
  /** Files that are missing; empty when none is. */
  readonly missing: readonly string[];
  /** False where no list of the needed files exists: then `missing` is what names alone tell. */
  readonly isListed: boolean;
}

/** The part of the cache that belongs to one repository. */
export class RepoCache {
  readonly #root: string;
  readonly #locks: string;

  constructor(cache: string, { type, name }: RepoName) {
    const folder = [`${type}s`, ...name.split('/')].join('--');
    this.#root = join(cache, folder);
    this.#locks = join(cache, '.locks', folder);
  }

  /** The commit that a revision means here; undefined where the cache does not know it. */
  async commitOf(revision: string = DEFAULT_REVISION): Promise<string | undefined> {
    if (isCommit(revision)) return revision;
    const text = (await orNone(readFile(join(this.#root, 'refs', revision), 'utf8')))?.trim();
    return text !== undefined && isCommit(text) ? text : undefined;
  }

  /** Record the commit that a branch or tag means from now on. */
  setCommit(revision: string = DEFAULT_REVISION, commit: string): void {
    if (revision !== commit) writeFileAtomic(join(this.#root, 'refs', revision), commit);
  }

  snapshotFolder(commit: string): string {
    return join(this.#root, 'snapshots', commit);
  }

  /** The model at a revision as far as it is here; undefined where nothing is. */
  async model(revision: string | undefined): Promise<CachedSnapshot | undefined> {
    const commit = await this.commitOf(revision);
    if (commit === undefined) return undefined;
    const folder = this.snapshotFolder(commit);
    const sizes = await sizesIn(folder);
    if (sizes.size === 0) return undefined;
    const listed = await this.#listed(commit);
    const missing =
      listed === undefined
        ? missingForLoading(new Set(sizes.keys()))
        : [...listed].filter(([path, size]) => sizes.get(path) !== size).map(([path]) => path);
    return { commit, folder, missing, isListed: listed !== undefined };
  }

  /** One file at a revision; undefined where it is not here whole. */
  async file(
    revision: string | undefined,
    path: string,
  ): Promise<{ commit: string; file: string } | undefined> {
    const commit = await this.commitOf(revision);
    if (commit === undefined) return undefined;
    const file = join(this.snapshotFolder(commit), path);
    const found = await orNone(stat(file));
    return found?.isFile() === true ? { commit, file } : undefined;
  }

  blobPath({ checksum }: RemoteFile): string {
    return join(this.#root, 'blobs', checksum);
  }

  /** Our lock of a file; Python's has another name, because it is of another kind. */
  lockPath({ checksum }: RemoteFile): string {
    return join(this.#locks, `${checksum}.twgrpo.lock`);
  }

  /** Gives a blob that is whole its name in a snapshot. */
  async link(commit: string, file: RemoteFile): Promise<void> {
    const blob = this.blobPath(file);
    const name = join(this.snapshotFolder(commit), file.path);
    const target = relative(dirname(name), blob);
    if ((await readLink(name)) === target) return;
    await mkdir(dirname(name), { recursive: true });
    // Files of the same content share a blob and may be linked at the same time, so the name is the file's, and drawn anew.
    const temporary = temporaryName(name);
    try {
      await symlink(target, temporary);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (!['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EACCES', 'EINVAL'].includes(code ?? '')) throw error;
      await copyFile(blob, temporary);
    }
    try {
      await rename(temporary, name);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  }

  /** Records which files a whole model has: what makes a snapshot complete without a network. */
  setListed(commit: string, files: readonly RemoteFile[]): void {
    const sizes = Object.fromEntries(files.map(({ path, size }) => [path, { size }]));
    writeFileAtomic(
      join(this.#root, 'twgrpo', `${commit}.json`),
      `${JSON.stringify({ files: sizes }, null, 1)}\n`,
    );
  }

  /** Needed files and their sizes, from our list or Python's. */
  async #listed(commit: string): Promise<ReadonlyMap<string, number> | undefined> {
    for (const folder of ['twgrpo', 'trees']) {
      const text = await orNone(readFile(join(this.#root, folder, `${commit}.json`), 'utf8'));
      if (text === undefined) continue;
      const entries = Object.entries(readSizes(text)?.files ?? {}).map(([path, { size }]) => ({
        path,
        size,
      }));
      const needed = neededFiles(entries.filter(({ path }) => isPlainPath(path)));
      if (needed.some(({ path }) => isWeights(path)))
        return new Map(needed.map(({ path, size }) => [path, size]));
    }
    return undefined;
  }
}

/** Target of a symbolic link; undefined for any other file, and where there is none. */
async function readLink(name: string): Promise<string | undefined> {
  const found = await orNone(lstat(name));
  return found?.isSymbolicLink() === true ? await readlink(name) : undefined;
}

/** A list that is damaged counts as none: the hub is asked then. */
function readSizes(text: string): z.infer<typeof sizesSchema> | undefined {
  try {
    return sizesSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** Files at the top of a folder by name; a link without its file does not count. */
async function sizesIn(folder: string): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  for (const name of (await orNone(readdir(folder))) ?? []) {
    const found = isLeftover(name) ? undefined : await orNone(stat(join(folder, name)));
    if (found?.isFile() === true) sizes.set(name, found.size);
  }
  return sizes;
}

/** True for a file of exactly this length; that it has the right bytes was checked when it got its name. */
export async function isWhole(path: string, size: number): Promise<boolean> {
  const found = await orNone(stat(path));
  return found?.isFile() === true && found.size === size;
}

/** The result, or undefined where the file does not exist; every other failure is thrown. */
async function orNone<T>(result: Promise<T>): Promise<T | undefined> {
  try {
    return await result;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes((error as NodeJS.ErrnoException).code ?? ''))
      return undefined;
    throw error;
  }
}
