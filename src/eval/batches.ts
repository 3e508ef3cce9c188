/**
 * Works through tasks in batches of a size that memory allows. Several processes take a batch each at the same time, the ones that a
 * single process would make, and all of them are told what came of every one. When memory runs out anywhere these batches are tried
 * again, whole, in smaller parts: nothing of them has been handed over, so nothing is done twice. The size never grows again, since
 * the next batch would only fail in the same way.
 */
import { TwgrpoError } from '../base/index.ts';
import { type Processes, SINGLE_PROCESS, together } from '../dist/index.ts';
import { type Disposable, LoadAhead } from '../prompt/index.ts';

export interface BatchOptions<Task, Ready extends Disposable, Result> {
  readonly tasks: readonly Task[];
  /** Tasks answered together at first. */
  readonly batch_size: number;
  /** Loads running at once. */
  readonly num_loaders: number;
  readonly load: (task: Task) => Promise<Ready>;
  /** One result a prompt, in order; what processes can tell each other. */
  readonly answer: (ready: readonly Ready[]) => Promise<readonly Result[]>;
  /** Whether a failed load leaves out its task instead of ending the run. */
  readonly isSkippable: (error: unknown) => boolean;
  readonly isOutOfMemory: (error: unknown) => boolean;
  /** Takes a finished batch for good, of whichever process; called once for each task, in their order. */
  readonly onBatch: (done: BatchResult<Task, Result>) => void;
  /** @param reason what the process said whose memory ran out */
  readonly onSmaller: (batchSize: number, reason: string) => void;
  /** Ends the work of all processes between two batches. */
  readonly signal?: AbortSignal | undefined;
  /** Those that share the tasks; all of them have the same. @default this one alone */
  readonly processes?: Processes | undefined;
}

export interface BatchResult<Task, Result> {
  readonly answered: readonly { readonly task: Task; readonly result: Result }[];
  readonly skipped: readonly { readonly task: Task; readonly reason: string }[];
}

/** What a process tells the others of its batch. */
type Outcome<Result> =
  | { readonly results: readonly ({ readonly result: Result } | { readonly reason: string })[] }
  /** Memory ran out. */
  | { readonly size: number; readonly reason: string };

/**
 * @returns undefined when all tasks are done; else why the signal ended the work, whichever process got it
 * @throws TwgrpoError when memory does not suffice for one task; every other error of `load` and `answer`; DistError for one of
 *   another process
 */
export async function inBatches<Task, Ready extends Disposable, Result>(
  options: BatchOptions<Task, Ready, Result>,
): Promise<string | undefined> {
  const { signal, processes = SINGLE_PROCESS } = options;
  const { rank, world_size } = processes;
  const ahead = new LoadAhead(options.load, options.num_loaders);
  let waiting = options.tasks;
  let batchSize = options.batch_size;
  /** The next batch of this process, and those after it. */
  const batch = (round: number) => {
    const from = (round * world_size + rank) * batchSize;
    return waiting.slice(from, from + batchSize);
  };
  try {
    while (waiting.length > 0) {
      const stops = await processes.gather(stopReason(signal), 'agreement to go on');
      const stop = stops.find((reason) => reason !== undefined);
      if (stop !== undefined) return stop;
      const own = await together(processes, 'the answers to a batch', () =>
        answerBatch(batch(0), batch(1), ahead, options),
      );
      const outcomes = await processes.gather(own, 'the answers of all to their batches');
      const failed = outcomes.flatMap((one) => ('size' in one ? [one] : []));
      if (failed.length > 0) {
        // Frames that wait for their turn take memory too.
        await ahead.close();
        batchSize = Math.min(...failed.map(({ size }) => size));
        options.onSmaller(batchSize, failed[0]!.reason);
        continue;
      }
      const results = outcomes.flatMap((one) => ('results' in one ? one.results : []));
      const done = results.map((one, i) => ({ task: waiting[i]!, ...one }));
      options.onBatch({
        answered: done.flatMap((one) => ('result' in one ? [one] : [])),
        skipped: done.flatMap((one) => ('reason' in one ? [one] : [])),
      });
      waiting = waiting.slice(done.length);
    }
    return undefined;
  } finally {
    await ahead.close();
  }
}

async function answerBatch<Task, Ready extends Disposable, Result>(
  batch: readonly Task[],
  next: readonly Task[],
  ahead: LoadAhead<Task, Ready>,
  { answer, isSkippable, isOutOfMemory }: BatchOptions<Task, Ready, Result>,
): Promise<Outcome<Result>> {
  const loaded = await ahead.take(batch);
  const ready = loaded.flatMap((one) => (one.ready ? [one.ready] : []));
  try {
    for (const { error } of loaded) if (error !== undefined && !isSkippable(error)) throw error;
    ahead.want(next);
    const answers = ready.length > 0 ? await answer(ready) : [];
    if (answers.length !== ready.length)
      throw new Error(`internal: ${answers.length} answers to ${ready.length} prompts`);
    let i = 0;
    const results = loaded.map((one) =>
      one.ready === undefined ? { reason: messageOf(one.error) } : { result: answers[i++]! },
    );
    return { results };
  } catch (error) {
    if (!isOutOfMemory(error)) throw error;
    if (batch.length === 1)
      throw new TwgrpoError('memory ran out with one prompt in the batch', {
        cause: error,
        hint: 'lower max_frames, max_pixels or max_completion_length',
      });
    return { size: Math.ceil(batch.length / 2), reason: messageOf(error) };
  } finally {
    for (const one of ready) one.dispose();
  }
}

/** The name of a signal; empty for any other reason. */
function stopReason(signal: AbortSignal | undefined): string | undefined {
  if (signal?.aborted !== true) return undefined;
  return typeof signal.reason === 'string' ? signal.reason : '';
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
