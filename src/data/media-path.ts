/**
 * Where the file of an item lies. Data files name videos by paths of their author's machine; the root on this machine is
 * given by the user and never guessed.
 */
import { isAbsolute, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DataError } from '../base/index.ts';

/** A path of a data file, and the item it belongs to, for error messages. */
export interface ItemPath {
  readonly id: string;
  readonly path: string;
}

export interface MediaRoot {
  /** Folder that relative paths start from. */
  readonly video_root: string;
  /** Beginning of the paths in the data file that `video_root` stands for, for example `/MMVU`. */
  readonly video_prefix?: string | undefined;
}

/** The path with slashes, out of a `file://` address or a path of a Windows machine. */
function localPath({ id, path }: ItemPath): string {
  if (/^file:\/\//i.test(path)) {
    try {
      return fileURLToPath(path);
    } catch (cause) {
      throw new DataError(`item ${id}: ${path} is no address of a file on this machine`, {
        hint: 'write file:/// with three slashes before an absolute path, or the path alone',
        cause,
      });
    }
  }
  if (/^(?:[a-z][\w+.-]+:\/\/|data:)/i.test(path)) {
    throw new DataError(`item ${id}: expected a file, got the address ${path.slice(0, 80)}`, {
      hint: 'download the file, or write what the address holds to one, and give its path',
    });
  }
  return path.replaceAll('\\', '/');
}

/**
 * Path of the item's file on this machine: below `video_root` for a relative path and for one that begins with `video_prefix`; an
 * absolute path is taken as it is when no prefix is set. `file://` addresses and backslashes are understood.
 * @throws DataError for an address that is no local file, when a prefix is set and the path does not begin with it, or the path leads out of the root
 */
export function mediaPath(item: ItemPath, root: MediaRoot): string {
  const { video_root, video_prefix } = root;
  let path = localPath(item);
  if (video_prefix !== undefined && video_prefix !== '') {
    const start = localPath({ id: item.id, path: video_prefix });
    const prefix = start.endsWith('/') ? start : `${start}/`;
    if (!path.startsWith(prefix)) {
      throw new DataError(
        `item ${item.id}: expected a path that begins with video_prefix ${video_prefix}, got ${path}`,
        {
          hint: 'correct video_prefix, or leave it out',
        },
      );
    }
    path = path.slice(prefix.length);
  } else if (/^[A-Za-z]:\//.test(path) || item.path.startsWith('\\\\')) {
    throw new DataError(`item ${item.id}: ${item.path} is a path on a drive of Windows`, {
      hint: 'set video_prefix to the beginning of such paths that video_root stands for',
    });
  } else if (/^(?:~[\w.-]*|\$\w+|\$\{\w+\})\//.test(path)) {
    throw new DataError(`item ${item.id}: ${item.path} begins with what only a shell can replace`, {
      hint: 'write the folder out, or set video_prefix to this beginning and video_root to what it stands for',
    });
  } else if (isAbsolute(path)) {
    return path;
  }
  const full = join(video_root, path);
  const inside = relative(video_root, full);
  if (inside === '..' || inside.startsWith(`..${sep}`)) {
    throw new DataError(`item ${item.id}: the path ${item.path} leads out of video_root ${video_root}`, {
      hint: 'set video_root to a folder above, or give the absolute path',
    });
  }
  return full;
}
