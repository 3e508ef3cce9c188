/**
 * One file of a repository into the cache's `blobs`: resumed where it was cut, held to its size, and given its name only when its
 * checksum is right, so that no half or wrong file is ever taken as whole.
 *
 * Python's huggingface_hub locks with flock(2), which Node does not have, so a Python process is not kept out: the two then write
 * to files of different names, and the first to finish wins.
 *
 * A blob is named as Python's huggingface_hub names it: the SHA-256 of a file in large-file storage, else git's SHA-1. That name is
 * the checksum.
 */
import { createHash, type Hash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { asDiskError, HubError, TwgrpoError, takeLock } from '../base/index.ts';
import { isWhole } from './cache.ts';
import { anySignal, chunksOf, HubAnswer, type HubClient, LostConnection, Watchdog } from './client.ts';

/** A file as the hub lists it. */
export interface RemoteFile {
  /** Path in the repository. */
  readonly path: string;
  readonly size: number;
  /** 64 hexadecimal digits: SHA-256; 40: SHA-1 of git. */
  readonly checksum: string;
}

interface DownloadOptions {
  readonly client: HubClient;
  /** Address of the file at a fixed commit. */
  readonly url: string;
  readonly file: RemoteFile;
  /** Path to download to; its last part is the checksum. */
  readonly blob: string;
  readonly lock: string;
  readonly signal?: AbortSignal | undefined;
  /** Bytes that are there now: those found at the beginning, then each time some came. Falls when it begins again. */
  readonly onBytes: (bytes: number) => void;
}

/**
 * @throws HubError naming the file: wrong checksum, wrong length
 * @throws HubAnswer, LostConnection when the attempts are used up
 */
export async function downloadFile(options: DownloadOptions): Promise<void> {
  const { client, file, blob, lock, signal, onBytes } = options;
  if (await isWhole(blob, file.size)) return onBytes(file.size);
  await mkdir(dirname(blob), { recursive: true });
  const { staleLockMs: staleMs } = client.times;
  let hasSaid = false;
  const { lost, release } = await takeLock(lock, {
    staleMs,
    what: file.path,
    onHeld: (holder) => {
      if (!hasSaid)
        client.say(`${file.path}: waiting for process ${holder?.pid ?? 'unknown'}, which is downloading it`);
      hasSaid = true;
    },
  });
  try {
    // Another process may have done it while we waited.
    if (await isWhole(blob, file.size)) return onBytes(file.size);
    const partial = join(dirname(blob), `${basename(blob)}.twgrpo.incomplete`);
    const handle = await openPartial(partial);
    const attempt = new Partial(handle, options, anySignal(lost, signal));
    try {
      await attempt.fill();
      await writing(blob, () => handle.sync());
    } finally {
      await handle.close();
      if (attempt.length === 0 && file.size > 0 && !lost.aborted) await rm(partial, { force: true });
    }
    lost.throwIfAborted();
    await rename(partial, blob);
  } finally {
    await release();
  }
}

/** Opened for reading and writing, kept as it is; made if it is missing. A link in its place is refused. */
async function openPartial(partial: string): Promise<FileHandle> {
  const { O_CREAT, O_NOFOLLOW, O_RDWR } = constants;
  return await open(partial, O_RDWR | O_CREAT | O_NOFOLLOW, 0o644);
}

/** Runs `body`, which writes a blob. @throws TwgrpoError naming it */
async function writing(blob: string, body: () => Promise<void>): Promise<void> {
  try {
    await body();
  } catch (error) {
    const known = asDiskError(error, blob);
    const message =
      known instanceof TwgrpoError
        ? known.message
        : `${blob}: cannot be written (${(error as NodeJS.ErrnoException).code ?? error})`;
    throw new TwgrpoError(message, {
      hint: 'make room or choose another cache folder with HF_HUB_CACHE; what is there is kept',
      cause: error,
    });
  }
}

/** The part of a file that is there, growing. */
class Partial {
  readonly #handle: FileHandle;
  readonly #options: DownloadOptions;
  readonly #signal: AbortSignal | undefined;
  /** Bytes that are there. */
  length = 0;
  #hash: Hash;

  constructor(handle: FileHandle, options: DownloadOptions, signal: AbortSignal | undefined) {
    this.#handle = handle;
    this.#options = options;
    this.#signal = signal;
    this.#hash = newHash(options.file);
  }

  async fill(): Promise<void> {
    const { client, file } = this.#options;
    const found = await this.#adopt();
    await this.#complete();
    if (this.#digest() === file.checksum) return;
    if (found > 0) {
      client.say(`${file.path}: the part of an earlier download was wrong; beginning again`);
      await this.#restart();
      await this.#complete();
    }
    const digest = this.#digest();
    if (digest === file.checksum) return;
    await this.#restart();
    throw new HubError(
      `${file.path}: the checksum is wrong: expected ${nameOf(file)} ${file.checksum}, found ${digest}; nothing of it is kept`,
      {
        hint: 'run the same command again; if it happens again, the hub or something between holds a damaged copy',
      },
    );
  }

  /** Takes what an earlier attempt left. @returns its length */
  async #adopt(): Promise<number> {
    const { file, onBytes } = this.#options;
    const { size } = await this.#handle.stat();
    if (size === 0 || size > file.size) {
      await this.#restart();
      return 0;
    }
    const stream = this.#handle.createReadStream({ start: 0, autoClose: false });
    for await (const chunk of stream) this.#hash.update(chunk as Buffer);
    this.length = size;
    onBytes(size);
    return size;
  }

  async #restart(): Promise<void> {
    await writing(this.#options.blob, () => this.#handle.truncate(0));
    this.length = 0;
    this.#hash = newHash(this.#options.file);
    this.#options.onBytes(0);
  }

  #digest(): string {
    return this.#hash.copy().digest('hex');
  }

  /** Requests until every byte is there. */
  async #complete(): Promise<void> {
    const { client, file } = this.#options;
    if (this.length < file.size)
      await client.retrying(
        file.path,
        () => this.#request(),
        () => this.length,
      );
  }

  async #request(): Promise<void> {
    const { client, url, file } = this.#options;
    const watchdog = new Watchdog(client.times.stallMs);
    try {
      const response = await client.open(url, {
        isFile: true,
        // A body that is packed on its way could not be resumed in its middle.
        headers: {
          'accept-encoding': 'identity',
          ...(this.length > 0 ? { range: `bytes=${this.length}-` } : {}),
        },
        signal: anySignal(watchdog.signal, this.#signal),
      });
      await this.#checkRange(response);
      for await (const chunk of chunksOf(response, url, watchdog)) await this.#append(chunk);
    } catch (error) {
      // The part and the file do not fit together: the part is of no use.
      if (!(error instanceof HubAnswer) || error.status !== 416) throw error;
      await this.#restart();
      throw new LostConnection(`${file.path}: cannot go on at the byte that was reached`, error);
    } finally {
      watchdog.stop();
    }
    if (this.length < file.size)
      throw new LostConnection(`the connection ended after ${this.length} of ${file.size} bytes`);
  }

  /** An answer must begin where we are; one that begins at 0 all the same is taken from there. */
  async #checkRange(response: Response): Promise<void> {
    if (this.length === 0 && response.status === 200) return;
    if (response.status === 200) return await this.#restart();
    const [, from, , total] =
      /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '') ?? [];
    const { file } = this.#options;
    if (Number(from) === this.length && (total === '*' || Number(total) === file.size)) return;
    await response.body?.cancel();
    throw new HubError(
      `${file.path}: asked for bytes ${this.length} to ${file.size}, got ${response.headers.get('content-range') ?? `an answer ${response.status} without a range`}`,
    );
  }

  async #append(chunk: Uint8Array): Promise<void> {
    const { file, onBytes } = this.#options;
    if (this.length + chunk.length > file.size) {
      await this.#restart();
      throw new HubError(
        `${file.path}: the hub sends more than the ${file.size} bytes it lists; nothing of it is kept`,
      );
    }
    this.#signal?.throwIfAborted();
    await writing(this.#options.blob, async () => {
      for (let done = 0; done < chunk.length; ) {
        const { bytesWritten } = await this.#handle.write(
          chunk,
          done,
          chunk.length - done,
          this.length + done,
        );
        done += bytesWritten;
      }
    });
    this.#hash.update(chunk);
    this.length += chunk.length;
    onBytes(this.length);
  }
}

const isSha256 = ({ checksum }: RemoteFile): boolean => checksum.length === 64;
const nameOf = (file: RemoteFile): string => (isSha256(file) ? 'sha256' : 'git sha1');

/** Git hashes a header of kind and length before the content. */
function newHash(file: RemoteFile): Hash {
  return isSha256(file) ? createHash('sha256') : createHash('sha1').update(`blob ${file.size}\0`);
}
