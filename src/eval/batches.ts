/**
 * Works through tasks in batches of a size that memory allows. When memory runs out the batch is tried again, whole, in smaller
 * parts: nothing of it has been handed over, so nothing is done twice. The size never grows again, since the next batch
 * would only fail in the same way.
 */
import { TwgrpoError } from '../base/index.ts';
import { type Disposable, LoadAhead } from '../prompt/index.ts';

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
  const ahead = new LoadAhead(load, options.num_loaders);
  let waiting = options.tasks;
  let batchSize = options.batch_size;
  try {
    while (waiting.length > 0 && signal?.aborted !== true) {
      const batch = waiting.slice(0, batchSize);
      const loaded = await ahead.take(batch);
      const ready = loaded.flatMap((one, i) => (one.ready ? [{ task: batch[i]!, ready: one.ready }] : []));
      const skipped = loaded.flatMap(({ error }, i) =>
        error === undefined ? [] : [{ task: batch[i]!, error }],
      );
      let results: readonly Result[] = [];
      try {
        for (const { error } of skipped) if (!options.isSkippable(error)) throw error;
        ahead.want(waiting.slice(batchSize, 2 * batchSize));
        if (ready.length > 0) results = await answer(ready.map((one) => one.ready));
        if (results.length !== ready.length)
          throw new Error(`internal: ${results.length} answers to ${ready.length} prompts`);
      } catch (error) {
        if (!options.isOutOfMemory(error)) throw error;
        // Frames that wait for their turn take memory too.
        await ahead.close();
        if (batch.length === 1)
          throw new TwgrpoError('memory ran out with one prompt in the batch', {
            cause: error,
            hint: 'lower max_frames, max_pixels or max_completion_length',
          });
        batchSize = Math.ceil(batch.length / 2);
        options.onSmaller(batchSize, error);
        continue;
      } finally {
        for (const one of ready) one.ready.dispose();
      }
      options.onBatch({ answered: ready.map(({ task }, i) => ({ task, result: results[i]! })), skipped });
      waiting = waiting.slice(batch.length);
    }
    return waiting.length === 0;
  } finally {
    await ahead.close();
  }
}
