/** A thread that makes batches: takes one job after another, answers each with its result or its error. */
import { parentPort } from 'node:worker_threads';
import { ConfigError, TwgrpoError, VideoError } from '../../base/index.ts';
import { type BatchJob, type BatchResult, makeBatch } from './batch.ts';

/** Errors lose their class on the way between threads. */
export interface FailedBatch {
  readonly message: string;
  readonly hint: string | undefined;
  readonly kind: 'VideoError' | 'ConfigError' | 'TwgrpoError';
}

export type BatchAnswer = { readonly result: BatchResult } | { readonly failed: FailedBatch };

parentPort?.on('message', async (job: BatchJob) => {
  try {
    answer({ result: await makeBatch(job) });
  } catch (error) {
    // What is not ours is a bug, and ends the thread with its stack.
    if (!(error instanceof TwgrpoError)) throw error;
    const { message, hint } = error;
    const kind =
      error instanceof VideoError
        ? 'VideoError'
        : error instanceof ConfigError
          ? 'ConfigError'
          : 'TwgrpoError';
    answer({ failed: { message, hint, kind } });
  }
});

function answer(value: BatchAnswer): void {
  parentPort!.postMessage(value);
}
