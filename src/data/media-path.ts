/**
 * Where the file of an item lies. Data files name videos by paths of their author's machine; the root on this machine is
 * given by the user and never guessed.
 */
import { isAbsolute, join, relative, sep } from 'node:path';
import { DataError } from '../base/index.ts';
import type { DataItem } from './item.ts';

export interface MediaRoot {
  /** Folder that relative paths start from. */
  readonly video_root: string;
  /** Beginning of the paths in the data file that `video_root` stands for, for example `/MMVU`. */
  readonly video_prefix?: string | undefined;
}

/**
 * Path of the item's file on this machine: below `video_root` for a relative path and for one that begins with `video_prefix`; an
 * absolute path is taken as it is when no prefix is set.
 * @throws DataError when a prefix is set and the path does not begin with it, or the path leads out of the root
 */
export function mediaPath(item: Pick<DataItem, 'id' | 'path'>, root: MediaRoot): string {
  const { video_root, video_prefix } = root;
  let path = item.path;
  if (video_prefix !== undefined && video_prefix !== '') {
    const prefix = video_prefix.endsWith('/') ? video_prefix : `${video_prefix}/`;
    if (!path.startsWith(prefix)) {
      throw new DataError(
        `item ${item.id}: expected a path that begins with video_prefix ${video_prefix}, got ${path}`,
        {
          hint: 'correct video_prefix, or leave it out',
        },
      );
    }
    path = path.slice(prefix.length);
  } else if (isAbsolute(path)) {
    return path;
  }
  const full = join(video_root, path);
  const inside = relative(video_root, full);
  if (inside === '..' || inside.startsWith(`..${sep}`)) {
    throw new DataError(`item ${item.id}: the path ${item.path} leads out of video_root ${video_root}`);
  }
  return full;
}
