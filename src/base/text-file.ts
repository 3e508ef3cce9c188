/**
 * Text files that strangers may have made, read whole: only regular files up to a size, so that neither a pipe, a device nor a file of
 * gigabytes under a usual name stops or fills the process.
 */
import { readFileSync, statSync } from 'node:fs';

/** What kept a file from being read, for the caller to name the file and the next step. */
export class UnreadableFile extends Error {
  /** Code of the system, such as `ENOENT`; undefined where the file itself is refused. */
  readonly code: string | undefined;

  constructor(message: string, code?: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'UnreadableFile';
    this.code = code;
  }
}

/**
 * The bytes of a regular file. Links are followed.
 * @throws UnreadableFile when it is missing, no regular file, or longer than `maxBytes`
 */
export function readWholeFile(file: string, maxBytes: number): Buffer<ArrayBuffer> {
  try {
    const facts = statSync(file);
    if (!facts.isFile()) {
      const what = facts.isDirectory() ? 'a folder' : 'no regular file';
      throw new UnreadableFile(
        `expected a file, but it is ${what}`,
        facts.isDirectory() ? 'EISDIR' : undefined,
      );
    }
    if (facts.size > maxBytes)
      throw new UnreadableFile(`it is ${facts.size} bytes long; at most ${maxBytes} are read`);
    return readFileSync(file);
  } catch (cause) {
    if (cause instanceof UnreadableFile) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    throw new UnreadableFile(`cannot be read (${code ?? cause})`, code, cause);
  }
}

/** The same as text in UTF-8. */
export function readTextFile(file: string, maxBytes: number): string {
  return readWholeFile(file, maxBytes).toString('utf8');
}
