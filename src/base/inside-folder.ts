/**
 * Names of files that come out of files we do not trust, and links in folders that strangers made: neither may lead out of the folder,
 * to a file of the user that would be read as weights, or copied into a folder that is published.
 */
import { realpathSync } from 'node:fs';
import { join, sep } from 'node:path';
import { CheckpointError } from './errors.ts';

/**
 * The path of a file in a folder. It may be a link to another file of the folder or, in a snapshot of Hugging Face's cache, to the
 * `blobs` of the repository.
 * @param origin what the message begins with, before the name: `index.json: lm_head.weight: shard`
 * @throws CheckpointError when the name is no plain file name, the file is missing, or a link that leads elsewhere
 */
export function insideFolder(dir: string, name: string, origin: string): string {
  if (name === '' || name === '.' || name === '..' || /[/\\\0]/.test(name)) {
    throw new CheckpointError(`${origin} ${JSON.stringify(name)} is not a plain file name`, {
      hint: 'Do not use this folder: its index points outside.',
    });
  }
  const path = join(dir, name);
  let real: string;
  let root: string;
  try {
    root = realpathSync(dir);
    real = realpathSync(path);
  } catch (cause) {
    throw new CheckpointError(`${origin} ${name} is missing`, {
      cause,
      hint: 'The folder is incomplete: copy the file into it.',
    });
  }
  if (![root, ...blobsOf(root)].some((allowed) => real.startsWith(allowed + sep))) {
    throw new CheckpointError(`${origin} ${name} is a link to ${real}, outside the folder`, {
      hint: 'Replace the link by the file itself.',
    });
  }
  return path;
}

/** Hugging Face's cache: <repository>/snapshots/<revision>/…/<file> links to <repository>/blobs/<hash>. */
function blobsOf(root: string): string[] {
  const parts = root.split(sep);
  const at = parts.lastIndexOf('snapshots');
  return at < 1 || at + 1 >= parts.length ? [] : [join(parts.slice(0, at).join(sep), 'blobs')];
}
