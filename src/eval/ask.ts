/**
 * Asks a model questions and writes one row a question. A run that was killed continues with what is missing: rows are appended a whole
 * batch at a time and keyed by the question's id, so no question is answered twice and none is lost. Several processes share the
 * questions; the first one alone reads and writes the folder.
 */
import { appendJsonLines, type JsonObject, type Logger, lockFolder, VideoError } from '../base/index.ts';
import type { Question } from '../data/index.ts';
import { onlyMain, onMain, type Processes, SINGLE_PROCESS } from '../dist/index.ts';
import type { ReadyPrompt } from '../prompt/index.ts';
import { checkSettings, type RowCheck, resumeRows, rowsPath } from '../stats/index.ts';
import { isOutOfMemory } from '../tensor/index.ts';
import { inBatches } from './batches.ts';

/** Videos decoded at once, while the batch before is being answered. */
const NUM_LOADERS = 2;

/** What is asked, and where the rows go. */
export interface AskedSet {
  readonly questions: readonly Question[];
  readonly load: (question: Question) => Promise<ReadyPrompt>;
  readonly output_dir: string;
  /** Written to settings.json; everything that can change a score. */
  readonly settings: JsonObject;
  /** Written beside the settings; may differ when a run continues. */
  readonly facts?: JsonObject;
  /** Prompts answered together; halved when memory runs out. @default 8 */
  readonly batch_size?: number;
  readonly logger: Logger;
  /** Called with the number of questions that have a row or are missing, and with the mean of `rightOf` so far. */
  readonly onProgress?: ((done: number, facts: { readonly strict: number }) => void) | undefined;
  /** Ends the run after the present batch. */
  readonly signal?: AbortSignal | undefined;
  /** Those that share the questions; all call with the same. @default this one alone */
  readonly processes?: Processes | undefined;
}

export interface AskOptions<Result, Row extends { readonly id: string }> extends AskedSet {
  /** What the model says to prompts, in order. */
  readonly answer: (ready: readonly ReadyPrompt[]) => Promise<readonly Result[]>;
  readonly toRow: (question: Question, result: Result) => Row;
  /** A row of the file. @throws DataError for what `toRow` does not write */
  readonly checkRow: RowCheck<Row>;
  /** How much of a row is right, in [0, 1]. */
  readonly rightOf: (row: Row) => number;
}

/** What came of it. */
export interface Asked<Row> {
  /** Rows in the order of the questions. */
  readonly rows: readonly Row[];
  /** Questions whose video could not be read, with the reason: reported as missing, never counted as wrong. */
  readonly missing: readonly { readonly id: string; readonly reason: string }[];
  /** False when stopped by the signal. */
  readonly isComplete: boolean;
  /** Why it stopped, whichever process was told to; undefined when complete. */
  readonly stopped_by: string | undefined;
  /** Rows that an earlier attempt had made. */
  readonly num_resumed: number;
  /** Prompts of the last batches; smaller than asked for where memory ran out. */
  readonly batch_size: number;
}

/**
 * @returns the same on every process
 * @throws ConfigError when `output_dir` holds rows that were made with other settings, or another process is at work there; DataError when a prompt is too long;
 *   TwgrpoError when memory does not suffice for one prompt
 */
export async function ask<Result, Row extends { readonly id: string }>(
  options: AskOptions<Result, Row>,
): Promise<Asked<Row>> {
  const { questions, output_dir, logger, toRow, rightOf, processes = SINGLE_PROCESS } = options;
  const lock = await onlyMain(processes, 'the lock of the answers', () =>
    lockFolder(output_dir, (text) => logger.info(text)),
  );
  try {
    const wanted = new Map(questions.map(({ id }, index) => [id, index]));
    const rows = await onMain(processes, 'the answers of earlier attempts', () => {
      checkSettings(output_dir, options.settings, options.facts);
      return resumeRows(output_dir, options.checkRow).filter(({ id }) => wanted.has(id));
    });
    const done = new Set(rows.map(({ id }) => id));
    const missing: { id: string; reason: string }[] = [];
    let right = rows.reduce((sum, row) => sum + rightOf(row), 0);
    let batchSize = options.batch_size ?? 8;
    const report = () =>
      options.onProgress?.(rows.length + missing.length, {
        strict: rows.length === 0 ? 0 : right / rows.length,
      });
    report();
    const stopped_by = await inBatches<Question, ReadyPrompt, Row>({
      tasks: questions.filter(({ id }) => !done.has(id)),
      batch_size: batchSize,
      num_loaders: NUM_LOADERS,
      load: options.load,
      answer: async (ready) => {
        const results = await options.answer(ready);
        return results.map((result, i) => toRow(ready[i]!.question, result));
      },
      isSkippable: (error) => error instanceof VideoError,
      isOutOfMemory,
      onBatch: ({ answered, skipped }) => {
        for (const { task, reason } of skipped) {
          missing.push({ id: task.id, reason });
          if (processes.is_main_process)
            logger.warn({ item: task.id, reason }, 'video can not be read; the item is reported as missing');
        }
        const fresh = answered.map(({ result }) => result);
        if (lock !== undefined) {
          lock.check();
          appendJsonLines(rowsPath(output_dir), fresh as unknown as JsonObject[]);
        }
        rows.push(...fresh);
        right += fresh.reduce((sum, row) => sum + rightOf(row), 0);
        report();
      },
      onSmaller: (size, reason) => {
        batchSize = size;
        if (processes.is_main_process)
          logger.warn({ batch_size: size, reason }, 'memory ran out; smaller batches from here');
      },
      signal: options.signal,
      processes,
    });
    rows.sort((a, b) => wanted.get(a.id)! - wanted.get(b.id)!);
    const isComplete = stopped_by === undefined;
    return { rows, missing, isComplete, stopped_by, num_resumed: done.size, batch_size: batchSize };
  } finally {
    await lock?.release();
  }
}
