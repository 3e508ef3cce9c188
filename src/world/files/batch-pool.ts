/** Batches made by several threads, or by this one: hands out jobs, collects results in order, begins no more after an error. */
import { Worker } from 'node:worker_threads';
import {
  ConfigError,
  compiledModule,
  forEachConcurrently,
  TwgrpoError,
  VideoError,
} from '../../base/index.ts';
import { type BatchJob, type BatchResult, makeBatch } from './batch.ts';
import type { BatchAnswer } from './batch-worker.ts';

/** Batches at once in this thread: one is drawn while FFmpeg still encodes the other. */
const HERE = 2;

const ERRORS = { VideoError, ConfigError, TwgrpoError } as const;

/**
 * @param threads 0: in this thread
 * @param signal begins no more batches; those that are being made are finished
 * @returns results in the order of the jobs
 */
export async function makeBatches(
  jobs: readonly BatchJob[],
  threads: number,
  onDone: (job: BatchJob) => void,
  signal?: AbortSignal,
): Promise<BatchResult[]> {
  const results = new Array<BatchResult>(jobs.length);
  const count = Math.min(threads === 0 ? HERE : threads, jobs.length);
  const workers =
    threads === 0
      ? []
      : Array.from({ length: count }, () => new Worker(compiledModule(import.meta.url, 'batch-worker')));
  const idle = [...workers];
  const make = async (job: BatchJob): Promise<BatchResult> => {
    if (threads === 0) return await makeBatch(job);
    const worker = idle.pop()!;
    try {
      return await ask(worker, job);
    } finally {
      idle.push(worker);
    }
  };
  try {
    await forEachConcurrently([...jobs.entries()], count, async ([at, job]) => {
      signal?.throwIfAborted();
      results[at] = await make(job);
      onDone(job);
    });
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
  return results;
}

async function ask(worker: Worker, job: BatchJob): Promise<BatchResult> {
  const answer = await new Promise<BatchAnswer>((resolve, reject) => {
    worker.removeAllListeners();
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', (code) =>
      reject(new TwgrpoError(`internal: a thread that draws videos ended with ${code}`)),
    );
    worker.postMessage(job);
  });
  if ('result' in answer) return answer.result;
  const { message, hint, kind } = answer.failed;
  throw new ERRORS[kind](message, { hint });
}
