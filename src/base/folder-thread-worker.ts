/** The thread of `folder-thread.ts`: writes, checks, and tells how it ended. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { commitFolder, writeFileAtomic } from './atomic.ts';
import { damageOf, writeChecksums } from './checksums.ts';
import { asDiskError } from './disk.ts';
import { CheckpointError, TwgrpoError } from './errors.ts';
import {
  type FolderEnd,
  type FolderThreadAnswer,
  type FolderThreadData,
  type HeldFile,
  WAITING,
} from './folder-thread.ts';

const LAST_MS = 10_000;
const LOOK_MS = 50;

const { files, end, waiting } = workerData as FolderThreadData;

parentPort?.postMessage(run());

function run(): FolderThreadAnswer {
  try {
    for (const file of files) write(file);
    if (end !== undefined) finish(end);
    return null;
  } catch (thrown) {
    const error = asDiskError(thrown) as Error;
    const { name, message } = error;
    const hint = error instanceof TwgrpoError ? error.hint : undefined;
    return { name, message, hint, cause: error instanceof TwgrpoError ? error.cause : error };
  }
}

function write({ file, pieces }: HeldFile): void {
  const size = pieces.reduce((sum, { length }) => sum + length, 0);
  writeFileAtomic(
    file,
    (put) => {
      for (const piece of pieces) put(piece);
    },
    size,
  );
}

function finish({ temporary, target, awaited, replaced, lock }: FolderEnd): void {
  for (const name of awaited) waitFor(join(temporary, name));
  writeChecksums(temporary);
  if (lock !== undefined && !(existsSync(lock.file) && readFileSync(lock.file, 'utf8') === lock.text))
    throw new TwgrpoError(`${target}: another process took the folder over while this one stood still`);
  commitFolder(temporary, target);
  if (replaced.length === 0) return;
  const damage = damageOf(target);
  if (damage !== undefined)
    throw new CheckpointError(damage, {
      hint: 'the disk does not keep what is written: use another output_dir',
    });
  for (const folder of replaced) rmSync(folder, { recursive: true });
}

/** Other processes write at their own pace; when one is lost the main thread says so. */
function waitFor(file: string): void {
  let lastMs = LAST_MS;
  while (!existsSync(file)) {
    const state = Atomics.load(waiting, 0);
    if (state !== WAITING.on) lastMs -= LOOK_MS;
    if (state === WAITING.stop || lastMs < 0)
      throw new CheckpointError(`${file}: the process that writes it did not`);
    // Wakes when the main thread has something to say.
    Atomics.wait(waiting, 0, WAITING.on, LOOK_MS);
    if (state === WAITING.last) Atomics.wait(waiting, 0, WAITING.last, LOOK_MS);
  }
}
