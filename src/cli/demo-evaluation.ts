/** Answers to the demo's held-out questions, as the policy samples and greedily, by the settings it trains with. */
import { join } from 'node:path';
import { type EvaluationRow, evaluate } from '../eval/index.ts';
import { Processor, Qwen2_5VL, readGenerationConfig } from '../models/index.ts';
import { bannedTokenIds, promptLoader, type Question, stopTokenIds } from '../rollout/index.ts';
import { createLogger, createProgress } from '../run/index.ts';
import type { VideoLoader } from '../video/index.ts';
import type { Output } from './command.ts';
import { MAX_COMPLETION_LENGTH, PROMPT_TEMPLATE, VIDEO_KEYS } from './demo-plan.ts';

/** Ways of answering: drawn at temperature 1, which is the policy that training rewards, and the likeliest token each time. */
export const WAYS = ['sampled', 'greedy'] as const;
export type Way = (typeof WAYS)[number];
export const WAY_WORDS: Readonly<Record<Way, string>> = {
  sampled: 'as the policy samples (temperature 1)',
  greedy: 'greedy (the likeliest token each time)',
};

export interface DemoEvaluation {
  /** `rememberVideos`, so that four evaluations decode each clip once. */
  readonly readVideo: VideoLoader;
  readonly when: 'before' | 'after';
  readonly model: string;
  readonly questions: readonly Question[];
  readonly folder: string;
  readonly seed: number;
  readonly signal: AbortSignal;
}

/** @returns rows in the order of the questions; undefined when stopped */
export async function evaluateDemo(
  options: DemoEvaluation,
  out: Output,
): Promise<Readonly<Record<Way, readonly EvaluationRow[]>> | undefined> {
  const { when, model: path, questions, folder, seed, signal, readVideo } = options;
  const processor = Processor.fromPretrained(path);
  const model = Qwen2_5VL.fromPretrained(path, { dtype: 'float32', text_after_vision: 'spatial' });
  const generation = readGenerationConfig(path, model.config);
  const keys = {
    ...VIDEO_KEYS,
    prompt_template: PROMPT_TEMPLATE,
    question_type: 'mixed',
    max_prompt_length: model.config.text_config.max_position_embeddings,
  } as const;
  const load = promptLoader(processor, keys, readVideo);
  const answer = async (way: Way): Promise<readonly EvaluationRow[] | undefined> => {
    const progress = createProgress({
      total: questions.length,
      label: `${when}, ${way}`,
      quiet: out.isQuiet,
    });
    try {
      const { rows, isComplete } = await evaluate({
        model,
        processor,
        questions,
        load,
        output_dir: join(folder, 'eval', `${when}-${way}`),
        settings: { model: path, way, seed, max_completion_length: MAX_COMPLETION_LENGTH },
        max_completion_length: MAX_COMPLETION_LENGTH,
        sampling: way === 'greedy' ? { greedy: true } : { temperature: 1 },
        seed,
        answer_parser: 'tolerant',
        stop_token_ids: stopTokenIds(generation, model.config),
        banned_token_ids: bannedTokenIds(processor, generation),
        batch_size: 32,
        logger: createLogger({ quiet: true, fd: 2 }),
        onProgress: (done, { strict }) => progress.update(done, { right: `${(100 * strict).toFixed(1)} %` }),
        signal,
      });
      return isComplete ? rows : undefined;
    } finally {
      progress.stop();
    }
  };
  try {
    const sampled = await answer('sampled');
    const greedy = sampled && (await answer('greedy'));
    return greedy && { sampled: sampled!, greedy };
  } finally {
    model.dispose();
  }
}
