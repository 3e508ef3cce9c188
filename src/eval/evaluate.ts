/**
 * Runs a model over questions and writes one row an item (`evaluation-rows.ts`). A run that was killed continues with what is
 * missing: rows are appended a whole batch at a time and keyed by item id, so no item is answered twice and none is lost.
 */

import { type AnswerParser, formatAuthors } from '../answers/index.ts';
import { appendJsonLines, type JsonObject, type Logger, VideoError } from '../base/index.ts';
import { itemTask, type Question, truthOf } from '../data/index.ts';
import type { Processor } from '../models/index.ts';
import type { ReadyPrompt } from '../prompt/index.ts';
import {
  type AnswerOptions,
  answerPrompts,
  type Completion,
  judgeAnswer,
  readCompletion,
} from '../rollout/index.ts';
import { checkSettings, type EvaluationRow, resumeRows, rowsPath } from '../stats/index.ts';
import { NativeError } from '../tensor/index.ts';
import { inBatches } from './batches.ts';

/** Videos decoded at once, while the batch before is being answered. */
const NUM_LOADERS = 2;

/** What reading and scoring an answer needs. */
export interface AnswerReading {
  readonly processor: Pick<Processor, 'tokenizer'>;
  readonly answer_parser: AnswerParser;
}

export interface EvaluateOptions extends AnswerReading, AnswerOptions {
  readonly questions: readonly Question[];
  readonly load: (question: Question) => Promise<ReadyPrompt>;
  /** How prompts become completions, in order. @default the model generates */
  readonly answer?: (ready: readonly ReadyPrompt[]) => Promise<readonly Completion[]>;
  readonly output_dir: string;
  /** Written to settings.json; everything that can change a score. */
  readonly settings: JsonObject;
  /** Written beside the settings; may differ when a run continues. */
  readonly facts?: JsonObject;
  /** Prompts answered together; halved when memory runs out. @default 8 */
  readonly batch_size?: number;
  readonly logger: Logger;
  /** Called with the number of items that have a row or are missing, and with the strict accuracy so far. */
  readonly onProgress?: ((done: number, facts: { readonly strict: number }) => void) | undefined;
  /** Ends the run after the present batch. */
  readonly signal?: AbortSignal | undefined;
}

export interface Evaluation {
  /** Rows in the order of the questions. */
  readonly rows: readonly EvaluationRow[];
  /** Items whose video could not be read, with the reason: reported as missing, never counted as wrong. */
  readonly missing: readonly { readonly id: string; readonly reason: string }[];
  /** False when stopped by the signal. */
  readonly isComplete: boolean;
  /** Rows that an earlier attempt had made. */
  readonly num_resumed: number;
  /** Prompts of the last batches; smaller than asked for where memory ran out. */
  readonly batch_size: number;
}

/**
 * @throws ConfigError when `output_dir` holds rows that were made with other settings; DataError when a prompt is too long;
 *   TwgrpoError when memory does not suffice for one prompt
 */
export async function evaluate(options: EvaluateOptions): Promise<Evaluation> {
  const { questions, output_dir, logger } = options;
  checkSettings(output_dir, options.settings, options.facts);
  const wanted = new Map(questions.map(({ id }, index) => [id, index]));
  const rows = resumeRows(output_dir).filter(({ id }) => wanted.has(id));
  const done = new Set(rows.map(({ id }) => id));
  // Accuracy is told by kind of question where there is another than multiple choice.
  const isMixed = questions.some(({ item }) => itemTask(item) !== 'multiple choice');
  const missing: { id: string; reason: string }[] = [];
  let right = rows.filter(({ score }) => score === 1).length;
  let batchSize = options.batch_size ?? 8;
  const report = () =>
    options.onProgress?.(rows.length + missing.length, {
      strict: rows.length === 0 ? 0 : right / rows.length,
    });
  report();
  const isComplete = await inBatches<Question, ReadyPrompt, Completion>({
    tasks: questions.filter(({ id }) => !done.has(id)),
    batch_size: batchSize,
    num_loaders: NUM_LOADERS,
    load: options.load,
    answer:
      options.answer ??
      ((ready) =>
        answerPrompts(
          ready.map(({ question, inputs }) => ({ id: question.id, inputs: () => inputs })),
          options,
        )),
    isSkippable: (error) => error instanceof VideoError,
    isOutOfMemory,
    onBatch: ({ answered, skipped }) => {
      for (const { task, error } of skipped) {
        missing.push({ id: task.id, reason: (error as VideoError).message });
        logger.warn({ item: task.id, err: error }, 'video can not be read; the item is reported as missing');
      }
      const fresh = answered.map(({ task, result }) => toRow(task, result, options, isMixed));
      appendJsonLines(rowsPath(output_dir), fresh as unknown as JsonObject[]);
      rows.push(...fresh);
      right += fresh.filter(({ score }) => score === 1).length;
      report();
    },
    onSmaller: (size, error) => {
      batchSize = size;
      logger.warn({ batch_size: size, err: error }, 'memory ran out; smaller batches from here');
    },
    signal: options.signal,
  });
  rows.sort((a, b) => wanted.get(a.id)! - wanted.get(b.id)!);
  return { rows, missing, isComplete, num_resumed: done.size, batch_size: batchSize };
}

function toRow(
  question: Question,
  completion: Completion,
  { processor, answer_parser }: AnswerReading,
  isMixed: boolean,
): EvaluationRow {
  const { tokenizer } = processor;
  const { text, answer } = readCompletion(completion, question, { tokenizer, answer_parser });
  return {
    id: question.id,
    problem: question.problem,
    video: question.media[0]?.file ?? '',
    truth: truthOf(question.item),
    ...judgeAnswer(question.item, { text, answer }),
    format: formatAuthors(text),
    completion: text,
    length: completion.ids.length,
    truncated: completion.finish_reason === 'length',
    dims: isMixed ? { ...question.item.dims, problem_type: itemTask(question.item) } : question.item.dims,
  };
}

/** libtorch's words for it on CPU and CUDA, and V8's for buffers of pixels. */
function isOutOfMemory(error: unknown): boolean {
  if (error instanceof NativeError)
    return /can't allocate memory|not enough memory|out of memory|bad_alloc/i.test(error.detail);
  return error instanceof RangeError && /allocation failed/i.test(error.message);
}
