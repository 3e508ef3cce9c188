/**
 * Runs a model over questions and writes one row an item. The file is append-only and keyed by item id: a run that
 * was killed continues with what is missing, and no item is answered twice.
 *
 *     <output_dir>/settings.json   model, data, protocol, sampling: a file with other settings is refused
 *     <output_dir>/rows.jsonl      one row an item, in the order they were finished
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '../io/index.ts';
import type { EncodedPrompt, Processor, Qwen2_5VL } from '../models/index.ts';
import {
  type AnswerParser,
  accuracyScore,
  formatReference,
  parseAnswer,
  parseSolution,
} from '../rl/index.ts';
import {
  type Completion,
  generateGroups,
  type Question,
  type ReadyPrompt,
  type SamplingOptions,
} from '../rollout/index.ts';
import {
  appendJsonLines,
  ConfigError,
  type JsonObject,
  type Logger,
  readJsonLines,
  repairJsonLines,
  VideoError,
} from '../run/index.ts';
import { dispose, Generator, keep, NativeError, noGrad, scope } from '../tensor/index.ts';
import type { ScoredRow } from './accuracy.ts';

export interface EvaluateOptions {
  readonly model: Qwen2_5VL;
  readonly processor: Processor;
  readonly questions: readonly Question[];
  readonly load: (question: Question) => Promise<ReadyPrompt>;
  readonly output_dir: string;
  /** Written to settings.json; everything that can change a score. */
  readonly settings: JsonObject;
  /** Prompts answered together; halved when memory runs out. @default 8 */
  readonly batch_size?: number;
  readonly max_completion_length: number;
  readonly sampling: SamplingOptions;
  /** Used where sampling is not greedy. @default 0 */
  readonly seed?: number;
  readonly answer_parser: AnswerParser;
  readonly stop_token_ids: readonly number[];
  readonly banned_token_ids: readonly number[];
  readonly logger: Logger;
  readonly onProgress?: ((done: number, facts: { readonly strict: number }) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** One line of rows.jsonl. */
export interface EvaluationRow extends ScoredRow {
  readonly problem: string;
  readonly video: string;
  readonly completion: string;
  readonly format: number;
  readonly length: number;
  readonly truncated: boolean;
}

export interface Evaluation {
  readonly rows: readonly EvaluationRow[];
  /** Items whose video could not be read, with the reason: reported as missing, never counted as wrong. */
  readonly missing: readonly { readonly id: string; readonly reason: string }[];
  /** False when stopped by the signal. */
  readonly isComplete: boolean;
}

/** @throws ConfigError when `output_dir` holds rows that were made with other settings */
export async function evaluate(options: EvaluateOptions): Promise<Evaluation> {
  const { questions, output_dir, logger, signal } = options;
  const file = join(output_dir, 'rows.jsonl');
  checkSettings(output_dir, options.settings);
  const rows = readRows(file, questions);
  const done = new Set(rows.map(({ id }) => id));
  const waiting = questions.filter(({ id }) => !done.has(id));
  const missing: { id: string; reason: string }[] = [];
  let batchSize = options.batch_size ?? 8;
  const report = () => {
    const right = rows.filter(({ score }) => score === 1).length;
    options.onProgress?.(rows.length + missing.length, {
      strict: rows.length === 0 ? 0 : right / rows.length,
    });
  };
  report();
  while (waiting.length > 0 && signal?.aborted !== true) {
    const batch = waiting.slice(0, batchSize);
    const ready: ReadyPrompt[] = [];
    try {
      const settled = await Promise.allSettled(batch.map((question) => options.load(question)));
      settled.forEach((result, i) => {
        if (result.status === 'fulfilled') ready.push(result.value);
        else if (result.reason instanceof VideoError) {
          missing.push({ id: batch[i]!.id, reason: result.reason.message });
          logger.warn(
            { item: batch[i]!.id, err: result.reason },
            'video can not be read; the item is reported as missing',
          );
        }
      });
      const broken = settled.find(
        (result) => result.status === 'rejected' && !(result.reason instanceof VideoError),
      );
      if (broken !== undefined) throw (broken as PromiseRejectedResult).reason;
      const completions = ready.length === 0 ? [] : await answer(ready, options);
      const fresh = ready.map(({ question }, i) => toRow(question, completions[i]!, options));
      appendJsonLines(file, fresh as unknown as JsonObject[]);
      rows.push(...fresh);
    } catch (error) {
      if (!isOutOfMemory(error) || batchSize === 1) throw error;
      // Nothing of this batch was written: it is asked again, whole, in smaller parts.
      batchSize = Math.ceil(batchSize / 2);
      logger.warn({ batch_size: batchSize }, 'memory ran out; smaller batches from here');
      continue;
    } finally {
      for (const prompt of ready) prompt.dispose();
    }
    waiting.splice(0, batch.length);
    report();
  }
  const order = new Map(questions.map(({ id }, i) => [id, i]));
  rows.sort((a, b) => order.get(a.id)! - order.get(b.id)!);
  return { rows, missing, isComplete: waiting.length === 0 };
}

/** One completion a prompt. */
async function answer(ready: readonly ReadyPrompt[], options: EvaluateOptions): Promise<Completion[]> {
  const { model, seed = 0 } = options;
  const encoded: EncodedPrompt[] = [];
  try {
    for (const { inputs } of ready)
      encoded.push(keep(scope('encode', () => noGrad(() => model.encodePrompt(inputs)))));
    const groups = await generateGroups(model, encoded, {
      ...options.sampling,
      num_generations: 1,
      max_completion_length: options.max_completion_length,
      stop_token_ids: options.stop_token_ids,
      banned_token_ids: options.banned_token_ids,
      // Named by the item, so that an answer does not depend on its neighbours in the batch.
      generators: ready.map(({ question }) => new Generator(seedOf(seed, question.id))),
    });
    return groups.map(([completion]) => completion!);
  } finally {
    for (const { vision } of encoded) dispose(vision);
  }
}

function seedOf(seed: number, id: string): bigint {
  let hash = 0xcbf29ce484222325n ^ BigInt(seed);
  for (const byte of Buffer.from(id, 'utf8'))
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return BigInt.asUintN(63, hash);
}

function toRow(
  question: Question,
  completion: Completion,
  { processor, answer_parser }: EvaluateOptions,
): EvaluationRow {
  const text = processor.tokenizer.decode(completion.ids, { skip_special_tokens: true });
  const truth = parseSolution(question.solution);
  const { letters, failed } = parseAnswer(text, { parser: answer_parser, options: question.options });
  return {
    id: question.id,
    problem: question.problem,
    video: question.video,
    truth,
    chosen: letters,
    failed,
    score: accuracyScore(letters, truth, 'soft'),
    format: formatReference(text),
    completion: text,
    length: completion.ids.length,
    truncated: completion.finish_reason === 'length',
    dims: question.item.dims,
  };
}

/** Rows of an earlier attempt; a torn last line is cut off, repeated ids count once. */
function readRows(file: string, questions: readonly Question[]): EvaluationRow[] {
  if (!existsSync(file)) return [];
  repairJsonLines(file);
  const wanted = new Set(questions.map(({ id }) => id));
  const rows = new Map<string, EvaluationRow>();
  for (const row of readJsonLines(file) as unknown as EvaluationRow[])
    if (wanted.has(row.id) && !rows.has(row.id)) rows.set(row.id, row);
  return [...rows.values()];
}

function checkSettings(output_dir: string, settings: JsonObject): void {
  mkdirSync(output_dir, { recursive: true });
  const file = join(output_dir, 'settings.json');
  const text = `${JSON.stringify(settings, null, 2)}\n`;
  if (!existsSync(file)) {
    writeFileAtomic(file, text);
    return;
  }
  const saved = JSON.parse(readFileSync(file, 'utf8')) as JsonObject;
  const differing = [...new Set([...Object.keys(saved), ...Object.keys(settings)])].filter(
    (key) => JSON.stringify(saved[key]) !== JSON.stringify(settings[key]),
  );
  if (differing.length > 0)
    throw new ConfigError(
      `${output_dir} holds results made with other settings: ${differing
        .map((key) => `${key} was ${JSON.stringify(saved[key])}, now ${JSON.stringify(settings[key])}`)
        .join('; ')}`,
      { hint: 'choose another output folder, or remove this one' },
    );
}

function isOutOfMemory(error: unknown): boolean {
  return error instanceof NativeError && /can't allocate memory|out of memory/i.test(error.detail);
}
