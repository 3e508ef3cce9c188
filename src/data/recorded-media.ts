/**
 * Where the media of a question lie that a run wrote down: all their paths in one text, a blank between them. Paths may hold blanks
 * themselves, and the files may have moved since, so that the disk is asked.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The files that `text` names, in their order; one that is nowhere keeps the path it was written down with.
 * @param count how many they are, where the data file says so
 * @param video_root where they lie now: the longest end of a path that exists under it is taken before the path itself
 */
export function recordedFiles(text: string, count?: number, video_root?: string): string[] {
  if (text === '') return [];
  const find = (path: string): string | undefined =>
    movedFile(path, video_root) ?? (existsSync(path) ? path : undefined);
  if (count === 1 || existsSync(text)) return [find(text) ?? text];
  const words = text.split(' ');
  const files: string[] = [];
  for (let at = 0; at < words.length; ) {
    // A path from the root begins a file of its own.
    const from = at + 1;
    const next = words.findIndex((word, i) => i >= from && word.startsWith('/'));
    const most = next < 0 ? words.length : next;
    const ends = Array.from({ length: most - at }, (_, i) => at + 1 + i);
    const end = ends.find((one) => find(words.slice(at, one).join(' ')) !== undefined);
    const path = words.slice(at, end ?? most).join(' ');
    files.push(find(path) ?? path);
    at = end ?? most;
  }
  // Nothing of it exists and no path begins at the root: a word each, where that is how many they should be.
  return files.length === 1 && count === words.length ? words : files;
}

function movedFile(path: string, video_root: string | undefined): string | undefined {
  if (video_root === undefined) return undefined;
  const parts = path.split(/[/\\]/).filter((part) => part !== '' && part !== '.' && part !== '..');
  return parts.map((_, i) => join(video_root, ...parts.slice(i))).find((file) => existsSync(file));
}
