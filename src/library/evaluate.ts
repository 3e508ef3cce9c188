/** Measuring a loaded model on a question file. `twgrpo eval` has benchmarks, protocols and reports beside. */
import { createLogger } from '../base/index.ts';
import { type PromptTemplate, type QuestionType, readItems, toQuestion } from '../data/index.ts';
import { type Evaluation, evaluate as evaluateQuestions, modelFingerprint } from '../eval/index.ts';
import { FrameStore, promptLoader } from '../prompt/index.ts';
import type { SamplingOptions } from '../rollout/index.ts';
import { type Accuracy, accuracy } from '../stats/index.ts';
import type { VideoKeys } from '../video/index.ts';
import type { LoadedModel } from './load-model.ts';

export interface EvaluateOptions extends SamplingOptions {
  readonly jsonl_path: string;
  /** Folder that the paths of the videos start from. @default '.' */
  readonly video_root?: string;
  /** Folder of the rows; a call with the same settings goes on with the questions that have none. */
  readonly output_dir: string;
  /** How a question is put to the model. @default 'tw-grpo' */
  readonly prompt_template?: PromptTemplate;
  /** @default 'mixed' */
  readonly question_type?: QuestionType;
  /** Tokens of an answer at most. @default 1024 */
  readonly max_completion_length?: number;
  /** Questions answered together; halved when memory runs out. @default 8 */
  readonly batch_size?: number;
  /** @default 0 */
  readonly seed?: number;
  /** Choice and size of frames. @default the preset `correct`: 2 frames a second, 4 to 16 of them */
  readonly frames?: Omit<VideoKeys, 'video'>;
  /** Ends the evaluation after the present batch. */
  readonly signal?: AbortSignal;
}

export interface EvaluateResult extends Pick<Evaluation, 'rows' | 'missing' | 'isComplete'> {
  /** Undefined when no question was answered. */
  readonly accuracy: Accuracy | undefined;
}

/**
 * Asks every question of a file once and scores the answers; greedily only with `greedy: true`.
 * @throws DataError for the file or a prompt that is too long; ConfigError when `output_dir` holds rows made with other settings
 */
export async function evaluate(
  { folder, model }: LoadedModel,
  options: EvaluateOptions,
): Promise<EvaluateResult> {
  const { jsonl_path, video_root = '.', output_dir, batch_size, seed = 0, signal, frames, ...rest } = options;
  const {
    prompt_template = 'tw-grpo',
    question_type = 'mixed',
    max_completion_length = 1024,
    ...sampling
  } = rest;
  const { items, fingerprint } = readItems(jsonl_path);
  const { processor, stop_token_ids, banned_token_ids } = folder;
  const max_prompt_length = processor.config.text_config.max_position_embeddings;
  const keys = { ...frames, video: 'correct' as const, prompt_template, question_type, max_prompt_length };
  const { rows, missing, isComplete } = await evaluateQuestions({
    ...{ model, processor, stop_token_ids, banned_token_ids, sampling, seed, max_completion_length },
    questions: items.map((item) => toQuestion(item, { video_root })),
    load: promptLoader(processor, keys, new FrameStore({ budget_mib: 0 })),
    output_dir,
    settings: {
      data_fingerprint: fingerprint,
      model_fingerprint: modelFingerprint(folder.path),
      ...{ ...keys, sampling: { ...sampling }, seed, max_completion_length },
    },
    answer_parser: 'tolerant',
    ...(batch_size === undefined ? {} : { batch_size }),
    logger: createLogger({ quiet: true, fd: 2 }),
    signal,
  });
  return { rows, missing, isComplete, accuracy: rows.length === 0 ? undefined : accuracy(rows) };
}
