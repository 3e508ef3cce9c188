/**
 * How long every prompt will be, found out before training and without decoding a video. A prompt that is too long, or a
 * video that is missing, then stops a run at its start and not at step 400. Nothing is ever cut.
 *
 * The text is tokenized; the number of vision tokens follows from the size and length of the file and the sampling settings
 * (`src/prompt/prompt-length.ts`). Files are opened only where the largest video the settings allow would not fit, which with
 * the usual settings is never.
 */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { DataError, forEachConcurrently, type Logger, VideoError } from '../../base/index.ts';
import { mediaFacts, type Question, type VideoFacts } from '../../data/index.ts';
import type { Processes } from '../../dist/index.ts';
import type { Processor } from '../../models/index.ts';
import { type PromptKeys, promptCounter } from '../../prompt/index.ts';
import type { VideoKeys } from '../../video/index.ts';
import type { GrpoConfig } from '../config/config.ts';

export interface PromptLengths {
  /** Longest prompt, in tokens; where no file was opened, the longest the settings allow. */
  readonly longest: number;
  /** Files that had to be opened. */
  readonly numProbed: number;
  /** Questions whose video is missing or can not be read, with `on_bad_video: skip`. */
  readonly numBad: number;
}

export interface CheckPromptsOptions {
  readonly processor: Processor;
  readonly config: PromptKeys & VideoKeys & Pick<GrpoConfig, 'on_bad_video'>;
  readonly logger: Logger;
  /** Those that share the questions. @default this process alone */
  readonly processes?: Pick<Processes, 'rank' | 'world_size'> | undefined;
  /** When aborted, what was not looked at yet is left out. */
  readonly signal?: AbortSignal | undefined;
  /** Called as files are opened. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** How many examples a message names. */
const NUM_NAMED = 5;

/**
 * Measures the prompt of every question; of several ranks each does its share.
 * @throws DataError that lists the prompts longer than `max_prompt_length`
 * @throws VideoError for missing or unreadable videos with `on_bad_video: error`; with `skip` they are counted and warned of
 */
export async function checkPrompts(
  all: readonly Question[],
  options: CheckPromptsOptions,
): Promise<PromptLengths> {
  const { rank = 0, world_size = 1 } = options.processes ?? {};
  const questions = all.filter((_, i) => i % world_size === rank);
  const { processor, config, logger, signal } = options;
  const count = promptCounter(processor, config);
  const bad = new Map<string, string>();
  const tooLong: { readonly id: string; readonly length: number }[] = [];
  const unsure: Question[] = [];
  let longest = 0;

  const exists = new Map<string, boolean>();
  for (const question of questions) {
    const missing = question.media.find(({ file }) => {
      if (!exists.has(file)) exists.set(file, existsSync(file));
      return exists.get(file) === false;
    });
    if (missing !== undefined) bad.set(question.id, `${missing.file}: no such file`);
    else {
      const most = count(question.item);
      if (most > config.max_prompt_length) unsure.push(question);
      else longest = Math.max(longest, most);
    }
  }

  const known = new Map<string, Promise<VideoFacts>>();
  let done = 0;
  await forEachConcurrently(unsure, Math.min(availableParallelism(), 8), async (question) => {
    if (signal?.aborted) return;
    const facts = question.media.map((medium) => {
      const found = known.get(medium.file) ?? mediaFacts(medium.file, medium);
      known.set(medium.file, found);
      return found;
    });
    try {
      const length = count(question.item, await Promise.all(facts));
      longest = Math.max(longest, length);
      if (length > config.max_prompt_length) tooLong.push({ id: question.id, length });
    } catch (error) {
      if (!(error instanceof VideoError)) throw error;
      bad.set(question.id, error.message);
    }
    options.onProgress?.(++done, unsure.length);
  });
  if (signal?.aborted) return { longest, numProbed: known.size, numBad: bad.size };

  if (tooLong.length > 0) {
    const examples = tooLong
      .sort((a, b) => b.length - a.length)
      .map(({ id, length }) => `${id} has ${length} tokens`);
    throw new DataError(
      `${tooLong.length} of ${questions.length} prompts are longer than max_prompt_length ${config.max_prompt_length}: ${listOf(examples)}`,
      {
        hint: 'lower max_frames or max_pixels, raise max_prompt_length, or take these items out; nothing is cut',
      },
    );
  }
  if (bad.size > 0) {
    const examples = listOf([...bad].map(([id, message]) => `item ${id}: ${message}`));
    const text = `${bad.size} of ${questions.length} questions have a video that can not be read`;
    if (config.on_bad_video === 'error')
      throw new VideoError(`${text}: ${examples}`, {
        hint: 'check video_root and video_prefix, or set on_bad_video: skip',
      });
    if (world_size === 1 && bad.size === questions.length)
      throw new VideoError(`none of the ${questions.length} questions has a readable video: ${examples}`, {
        hint: 'check video_root and video_prefix, or look at the files with: twgrpo data check',
      });
    logger.warn(`${text} and will be skipped: ${examples}`);
  }
  return { longest, numProbed: known.size, numBad: bad.size };
}

function listOf(texts: readonly string[]): string {
  const more = texts.length - NUM_NAMED;
  return `${texts.slice(0, NUM_NAMED).join('; ')}${more > 0 ? `; and ${more} more` : ''}`;
}
