/** A thread that touches a lock as a sign of life, and says so when the lock belongs to somebody else. */
import { readFileSync, utimesSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';

const { file, text, everyMs } = workerData as {
  readonly file: string;
  readonly text: string;
  readonly everyMs: number;
};

const beat = setInterval(() => {
  try {
    if (readFileSync(file, 'utf8') === text) {
      const now = new Date();
      utimesSync(file, now, now);
      return;
    }
  } catch (error) {
    // A disk that fails for a moment: the next beat tries again, and the owner's own writes tell of it.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') return;
  }
  clearInterval(beat);
  parentPort?.postMessage('lost');
}, everyMs);
