/**
 * A model's answers to the same questions in two ways: as the policy samples, which is what reinforcement learning rewards, and
 * greedily. What the demo, the cold start's card and the study measure.
 */

import { createLogger, type Progress, VideoError } from '../base/index.ts';
import type { Question } from '../data/index.ts';
import { openModelFolder, type TextAfterVision } from '../models/index.ts';
import { type FrameStore, promptLoader } from '../prompt/index.ts';
import type { EvaluationRow } from '../stats/index.ts';
import type { VideoKeys } from '../video/index.ts';
import { evaluate } from './evaluate.ts';

/** Drawn at temperature 1, and the likeliest token each time. */
export const WAYS = ['sampled', 'greedy'] as const;
export type Way = (typeof WAYS)[number];

export type BothWays = Readonly<Record<Way, readonly EvaluationRow[]>>;

export interface BothWaysOptions {
  /** Model folder; computed in float32. */
  readonly model: string;
  readonly questions: readonly Question[];
  /** With a budget, each video is decoded once for both ways. */
  readonly frames: FrameStore;
  /** How prompts are shown, as the model was trained. */
  readonly keys: VideoKeys & {
    readonly prompt_template: string;
    readonly text_after_vision?: TextAfterVision;
  };
  readonly max_completion_length: number;
  readonly seed: number;
  /** Where the rows of each way are written; a run that was killed continues there. */
  readonly folderOf: (way: Way) => string;
  readonly showProgress?: (way: Way) => Progress;
  readonly signal?: AbortSignal | undefined;
}

/** Small models answer short prompts: many at once. */
const BATCH_SIZE = 32;

/**
 * @returns rows in the order of the questions; undefined when stopped by the signal
 * @throws VideoError when a video can not be read: the ways would be of different questions
 */
export async function answerBothWays(options: BothWaysOptions): Promise<BothWays | undefined> {
  const { model: path, questions, keys, folderOf, seed, signal, max_completion_length } = options;
  const folder = openModelFolder(path);
  const { processor } = folder;
  const model = folder.loadModel({ dtype: 'float32', text_after_vision: keys.text_after_vision });
  const max_prompt_length = model.config.text_config.max_position_embeddings;
  const load = promptLoader(
    processor,
    { ...keys, question_type: 'mixed', max_prompt_length },
    options.frames,
  );
  const answer = async (way: Way): Promise<readonly EvaluationRow[] | undefined> => {
    const progress = options.showProgress?.(way);
    try {
      const { rows, missing, isComplete } = await evaluate({
        ...{ model, processor, questions, load, seed, signal, max_completion_length },
        output_dir: folderOf(way),
        settings: { model: path, way, seed, max_completion_length },
        sampling: way === 'greedy' ? { greedy: true } : { temperature: 1 },
        answer_parser: 'tolerant',
        stop_token_ids: folder.stop_token_ids,
        banned_token_ids: folder.banned_token_ids,
        batch_size: BATCH_SIZE,
        logger: createLogger({ quiet: true, fd: 2 }),
        onProgress: (done, { strict }) => progress?.update(done, { right: `${(100 * strict).toFixed(1)} %` }),
      });
      if (missing[0] !== undefined)
        throw new VideoError(
          `${missing.length} of ${questions.length} questions have no readable video; the first, ${missing[0].id}: ${missing[0].reason}`,
          {
            hint: 'see whether FFmpeg reads that file by itself; on a machine too busy to start it, run this again',
          },
        );
      return isComplete ? rows : undefined;
    } finally {
      progress?.stop();
    }
  };
  try {
    const sampled = await answer('sampled');
    if (sampled === undefined) return undefined;
    const greedy = await answer('greedy');
    return greedy && { sampled, greedy };
  } finally {
    model.dispose();
  }
}
