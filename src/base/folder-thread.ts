/**
 * A folder finished by a thread while this one goes on: files that were held in memory are written, checksums added, the folder given its
 * real name and read back, and only then are those removed that it takes the place of.
 */
import { Worker } from 'node:worker_threads';
import type { FileWriter } from './atomic.ts';
import { compiledModule } from './compiled-module.ts';
import { DiskError } from './disk.ts';
import { CheckpointError, TwgrpoError } from './errors.ts';

/** A file by its path, and its bytes in their order. */
export interface HeldFile {
  readonly file: string;
  readonly pieces: readonly Uint8Array<ArrayBuffer>[];
}

/** Files kept in memory instead of being written. */
export class HeldFiles {
  readonly files: HeldFile[] = [];

  readonly write: FileWriter = (file, content) => {
    const pieces: Uint8Array<ArrayBuffer>[] = [];
    // Memory that is handed to a thread is gone here: what does not fill its buffer alone is copied.
    const hold = (piece: Uint8Array): void => {
      const isAlone = piece.buffer instanceof ArrayBuffer && piece.length === piece.buffer.byteLength;
      pieces.push(isAlone ? (piece as Uint8Array<ArrayBuffer>) : new Uint8Array(piece));
    };
    if (typeof content === 'function') content(hold);
    else pieces.push(new Uint8Array(typeof content === 'string' ? Buffer.from(content) : content));
    this.files.push({ file, pieces });
  };
}

/** How a folder ends that was begun with `beginFolder`. */
export interface FolderEnd {
  readonly temporary: string;
  readonly target: string;
  /** Files that other processes write into `temporary`; waited for. */
  readonly awaited: readonly string[];
  /** Folders removed once `target` reads back as it was written. */
  readonly replaced: readonly string[];
  /** A lock that must still be this process's. */
  readonly lock?: { readonly file: string; readonly text: string } | undefined;
}

export interface FolderJob {
  readonly files: readonly HeldFile[];
  /** Absent where another process ends the folder. */
  readonly end?: FolderEnd | undefined;
}

/** What the main thread tells the one that waits for files of others. */
export const WAITING = { on: 0, last: 1, stop: 2 } as const;

export interface FolderThreadData extends FolderJob {
  /** One number of WAITING. */
  readonly waiting: Int32Array;
}

/** How a thread ended: null, or an error that can be sent. */
export type FolderThreadAnswer = null | {
  readonly name: string;
  readonly message: string;
  readonly hint: string | undefined;
  readonly cause: unknown;
};

/** One folder being finished. */
export class FolderThread {
  readonly #waiting = new Int32Array(new SharedArrayBuffer(4));
  readonly #ended: Promise<void>;
  #isDone = false;
  #error: unknown;

  /** @param job its bytes belong to the thread from now on */
  constructor({ files, end }: FolderJob) {
    const workerData: FolderThreadData = { files, end, waiting: this.#waiting };
    const worker = new Worker(compiledModule(import.meta.url, 'folder-thread-worker'), {
      workerData,
      transferList: files.flatMap(({ pieces }) => pieces.map(({ buffer }) => buffer)),
      execArgv: [],
    });
    this.#ended = new Promise((resolve) => {
      worker.on('message', (answer: FolderThreadAnswer) => {
        if (answer !== null) this.#error = errorOf(answer);
      });
      worker.on('error', (error) => (this.#error = error));
      worker.on('exit', () => {
        this.#isDone = true;
        resolve();
      });
    });
  }

  /** Whether it has ended, well or not. */
  get isDone(): boolean {
    return this.#isDone;
  }

  /** What it ended with, where that is an error. */
  get error(): unknown {
    return this.#error;
  }

  /** Waits for its end, whatever that is. */
  async settled(): Promise<void> {
    await this.#ended;
  }

  /** Waits for its end. @throws DiskError, CheckpointError for a folder that does not read back, TwgrpoError for a lost lock */
  async done(): Promise<void> {
    await this.#ended;
    if (this.#error !== undefined) throw this.#error;
  }

  /** Waits for its end, whatever that is. @param others files of other processes: waited for ten seconds more, or no longer */
  async end(others: 'last' | 'stop'): Promise<void> {
    Atomics.store(this.#waiting, 0, WAITING[others]);
    Atomics.notify(this.#waiting, 0);
    await this.#ended;
  }
}

const CLASSES: Readonly<Record<string, typeof TwgrpoError>> = { DiskError, CheckpointError, TwgrpoError };

function errorOf({ name, message, hint, cause }: NonNullable<FolderThreadAnswer>): unknown {
  const Class = CLASSES[name];
  return Class === undefined ? cause : new Class(message, { hint, cause });
}
