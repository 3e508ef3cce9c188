/**
 * How a supervised run does on questions it does not learn from: loss and token accuracy with the true answer given token by
 * token, and the strict accuracy of what the model says on its own (greedy), of all questions and by `kind` and `rung`.
 */

import { type JsonObject, type Logger, VideoError } from '../../base/index.ts';
import { type Question, truthOf } from '../../data/index.ts';
import { type Processes, SINGLE_PROCESS } from '../../dist/index.ts';
import type { VideoLanguageModel } from '../../models/index.ts';
import type { FrameStore, HeldMedia } from '../../prompt/index.ts';
import {
  answerPrompts,
  type Completion,
  judgeAnswer,
  type ReadOptions,
  readCompletion,
} from '../../rollout/index.ts';
import { scope } from '../../tensor/index.ts';
import { type VideoKeys, videoSettings } from '../../video/index.ts';
import type { SftConfig } from '../config/sft-config.ts';
import { packQuestions, type SftEncoder } from './sft-packs.ts';
import { sftLoss } from './sft-update.ts';

/** Dimensions of items that accuracy is reported by. */
const SLICES = ['kind', 'rung'] as const;

export interface HeldOutOptions {
  readonly model: VideoLanguageModel;
  readonly encoder: SftEncoder;
  readonly frames: FrameStore;
  readonly tokenizer: ReadOptions['tokenizer'];
  readonly stop_token_ids: readonly number[];
  readonly banned_token_ids: readonly number[];
  readonly config: Pick<
    SftConfig,
    'per_device_eval_batch_size' | 'max_completion_length' | 'logits_chunk_mib' | 'on_bad_video' | 'pack_size'
  > &
    VideoKeys;
  readonly logger: Logger;
  /** Ranks that share the questions. @default this process alone */
  readonly processes?: Processes | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** One answered question. */
export interface HeldOutAnswer {
  readonly id: string;
  readonly completion: string;
  readonly chosen: readonly string[];
  readonly truth: readonly string[];
  readonly right: boolean;
}

export interface HeldOutResult {
  /** Mean over target tokens (nats), and share of them that are the likeliest. */
  readonly loss: number;
  readonly mean_token_accuracy: number;
  /** Share of questions with exactly the right options chosen. */
  readonly strict: number;
  /** Mean length of the answers in tokens. */
  readonly mean_length: number;
  readonly num_questions: number;
  /** Questions whose video could not be read. */
  readonly num_missing: number;
  /** Results by dimension and value. */
  readonly slices: Readonly<
    Record<string, Readonly<Record<string, { readonly n: number; readonly right: number }>>>
  >;
  readonly answers: readonly HeldOutAnswer[];
}

/** Of several ranks each asks its batches; all have the whole result. @returns undefined when the signal stopped it on any */
export async function evaluateHeldOut(
  questions: readonly Question[],
  options: HeldOutOptions,
): Promise<HeldOutResult | undefined> {
  const { config, signal, processes = SINGLE_PROCESS } = options;
  const size = config.per_device_eval_batch_size;
  // Neighbours share their video, so that it is decoded once even where nothing is kept.
  const ordered = packQuestions(questions, questions.length).flatMap((pack) => pack.questions);
  const batches = Array.from({ length: Math.ceil(ordered.length / size) }, (_, i) =>
    ordered.slice(i * size, (i + 1) * size),
  );
  const own: BatchResult[] = [];
  for (const [number, batch] of batches.entries()) {
    if (number % processes.world_size !== processes.rank) continue;
    if (signal?.aborted) break;
    const totals = { loss: 0, numTokens: 0, numRight: 0, length: 0, missing: 0 };
    const answers: (HeldOutAnswer & { readonly dims: Question['item']['dims'] })[] = [];
    const loaded = await loadFrames(batch, options);
    totals.missing += batch.length - loaded.length;
    try {
      for (const { loss, numTokens, numRight } of teacherForced(loaded, options)) {
        totals.loss += loss;
        totals.numTokens += numTokens;
        totals.numRight += numRight;
      }
      for (const [i, completion] of (await answer(loaded, options)).entries()) {
        const { question } = loaded[i]!;
        const { text, answer } = readCompletion(completion, question, {
          tokenizer: options.tokenizer,
          opening: options.encoder.processor.opening,
          answer_parser: 'tolerant',
        });
        const truth = truthOf(question.item);
        const { chosen, score } = judgeAnswer(question.item, { text, answer });
        const right = score === 1;
        totals.length += completion.ids.length;
        answers.push({ id: question.id, completion: text, chosen, truth, right, dims: question.item.dims });
      }
    } finally {
      for (const { frames } of loaded) frames.dispose();
    }
    own.push({ number, totals, answers });
    options.onProgress?.(
      own.reduce((done, one) => done + one.answers.length + one.totals.missing, 0),
      questions.length,
    );
  }
  const told = { batches: own, isStopped: signal?.aborted === true };
  const heard = await processes.gather(told, 'the held-out answers');
  if (heard.some(({ isStopped }) => isStopped)) return undefined;
  const all = heard.flatMap((one) => one.batches).sort((a, b) => a.number - b.number);
  const totals = { loss: 0, numTokens: 0, numRight: 0, length: 0, missing: 0 };
  for (const { totals: part } of all)
    for (const key of Object.keys(totals) as (keyof typeof totals)[]) totals[key] += part[key];
  const slices: Record<string, Record<string, { n: number; right: number }>> = {};
  const answers = all.flatMap((one) =>
    one.answers.map(({ dims, ...answer }): HeldOutAnswer => {
      for (const name of SLICES) {
        const value = dims[name];
        if (value === undefined) continue;
        slices[name] ??= {};
        const { n, right } = slices[name][value] ?? { n: 0, right: 0 };
        slices[name][value] = { n: n + 1, right: right + (answer.right ? 1 : 0) };
      }
      return answer;
    }),
  );
  const n = answers.length;
  if (n === 0) throw new VideoError('none of the held-out questions has a readable video');
  return {
    loss: totals.loss / totals.numTokens,
    mean_token_accuracy: totals.numRight / totals.numTokens,
    strict: answers.filter(({ right }) => right).length / n,
    mean_length: totals.length / n,
    num_questions: n,
    num_missing: totals.missing,
    slices,
    answers,
  };
}

/** What came of a batch, in the form in which ranks tell each other. */
interface BatchResult {
  readonly number: number;
  readonly totals: Readonly<Record<'loss' | 'numTokens' | 'numRight' | 'length' | 'missing', number>>;
  readonly answers: readonly (HeldOutAnswer & { readonly dims: Question['item']['dims'] })[];
}

interface LoadedQuestion {
  readonly question: Question;
  readonly frames: HeldMedia;
}

async function loadFrames(
  batch: readonly Question[],
  { model, frames, config, logger, encoder }: HeldOutOptions,
): Promise<LoadedQuestion[]> {
  const settings = videoSettings(config, model.config.pixel_unit, encoder.processor.limits);
  const results = await Promise.allSettled(
    batch.map(async (question) => ({ question, frames: await frames.getAll(question, settings) })),
  );
  const loaded = results.flatMap((result) => (result.status === 'fulfilled' ? result.value : []));
  results.forEach((result, i) => {
    if (result.status === 'fulfilled') return;
    if (config.on_bad_video === 'error' || !(result.reason instanceof VideoError)) {
      for (const one of loaded) one.frames.dispose();
      throw result.reason;
    }
    logger.warn(
      { item: batch[i]!.id, err: result.reason },
      'video can not be read; the held-out question is missing',
    );
  });
  return loaded;
}

function teacherForced(loaded: readonly LoadedQuestion[], { model, encoder, config }: HeldOutOptions) {
  const framesOf = new Map(loaded.map(({ question, frames }) => [question.id, frames]));
  const packs = packQuestions(
    loaded.map(({ question }) => question),
    config.pack_size,
  );
  return packs.map((pack) =>
    scope('held-out loss', () => {
      const group = encoder.group(pack, encoder.rows(pack), framesOf.get(pack.id)!.frames);
      return sftLoss(model, group, config);
    }),
  );
}

/** What the model says on its own, the likeliest token each time. */
async function answer(loaded: readonly LoadedQuestion[], options: HeldOutOptions): Promise<Completion[]> {
  const { encoder, config } = options;
  const prompts = loaded.map(({ question, frames }) => ({
    id: question.id,
    inputs: () => encoder.prompt(question, frames.frames),
  }));
  const { max_completion_length } = config;
  return await answerPrompts(prompts, { ...options, sampling: { greedy: true }, max_completion_length });
}

/** The numbers of an evaluation as a row of metrics, `eval_strict` and its like. */
export function heldOutMetrics(result: HeldOutResult): Record<string, number> {
  const { loss, mean_token_accuracy, strict, mean_length, num_questions, num_missing } = result;
  const slices = Object.entries(result.slices).flatMap(([name, values]) =>
    Object.entries(values).map(
      ([value, { n, right }]) => [`eval_strict/${name}/${value}`, right / n] as const,
    ),
  );
  return {
    eval_loss: loss,
    eval_mean_token_accuracy: mean_token_accuracy,
    eval_strict: strict,
    eval_mean_length: mean_length,
    eval_num_questions: num_questions,
    eval_num_missing: num_missing,
    ...Object.fromEntries(slices),
  };
}

/** An evaluation as its file has it. */
export function heldOutRecord(step: number, stage: number, result: HeldOutResult): JsonObject {
  return { step, stage, ...result } as unknown as JsonObject;
}
