/**
 * Works through tasks in batches of a size that memory allows. When memory runs out the batch is tried again, whole, in smaller
 * parts: nothing of it has been handed over, so nothing is done twice. The size never grows again, since the next batch
 * would only fail in the same way.
 */
import { TwgrpoError } from '../base/index.ts';
import { type Disposable, Prefetch } from './prefetch.ts';

export interface BatchOptions<Task, Ready extends Disposable, Result> {
  readonly tasks: readonly Task[];
  /** Tasks answered together at first. */
  readonly batch_size: number;
  /** Loads running at once. */
  readonly num_loaders: number;
  readonly load: (task: Task) => Promise<Ready>;
  /** One result a prompt, in order. */
  readonly answer: (ready: readonly Ready[]) => Promise<readonly Result[]>;
  /** Whether a failed load leaves out its task instead of ending the run. */
  readonly isSkippable: (error: unknown) => boolean;
  readonly isOutOfMemory: (error: unknown) => boolean;
  /** Takes a finished batch for good; called once for each task. */
  readonly onBatch: (done: BatchResult<Task, Result>) => void;
  readonly onSmaller: (batchSize: number, error: unknown) => void;
  /** Ends the work between two batches. */
  readonly signal?: AbortSignal | undefined;
}

export interface BatchResult<Task, Result> {
  readonly answered: readonly { readonly task: Task; readonly result: Result }[];
  readonly skipped: readonly { readonly task: Task; readonly error: unknown }[];
}

/**
 * @returns whether all tasks are done; false when the signal ended the work
 * @throws TwgrpoError when memory does not suffice for one task; every other error of `load` and `answer`
 */
export async function inBatches<Task, Ready extends Disposable, Result>(
  options: BatchOptions<Task, Ready, Result>,
): Promise<boolean> {
  const { load, answer, signal } = options;
  const prefetch = new Prefetch(load, options.num_loaders);
  let waiting = options.tasks;
  let batchSize = options.batch_size;
  try {
    while (waiting.length > 0 && signal?.aborted !== true) {
      const batch = waiting.slice(0, batchSize);
      const answered: { task: Task; result: Result }[] = [];
      const skipped: { task: Task; error: unknown }[] = [];
      try {
        const ready: { task: Task; ready: Ready }[] = [];
        for (const [i, loaded] of (await prefetch.take(batch)).entries()) {
          if (loaded.ready !== undefined) ready.push({ task: batch[i]!, ready: loaded.ready });
          else if (options.isSkippable(loaded.error)) skipped.push({ task: batch[i]!, error: loaded.error });
          else throw loaded.error;
        }
        prefetch.want(waiting.slice(batchSize, 2 * batchSize));
        if (ready.length > 0) {
          const results = await answer(ready.map((one) => one.ready));
          if (results.length !== ready.length)
            throw new Error(`internal: ${results.length} answers to ${ready.length} prompts`);
          answered.push(...ready.map(({ task }, i) => ({ task, result: results[i]! })));
        }
      } catch (error) {
        if (!options.isOutOfMemory(error)) throw error;
        // Frames that wait for their turn take memory too.
        await prefetch.close();
        if (batch.length === 1)
          throw new TwgrpoError('memory ran out with one prompt in the batch', {
            cause: error,
            hint: 'lower max_frames, max_pixels or max_completion_length',
          });
        batchSize = Math.ceil(batch.length / 2);
        options.onSmaller(batchSize, error);
        continue;
      }
      options.onBatch({ answered, skipped });
      await prefetch.release(batch);
      waiting = waiting.slice(batch.length);
    }
    return waiting.length === 0;
  } finally {
    await prefetch.close();
  }
}
