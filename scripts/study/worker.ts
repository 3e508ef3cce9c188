/**
 * @file One process of the study: trains and evaluates one run after another as the parent asks, and answers with what is kept of
 * a run. Decoded frames stay in memory between runs.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { createLogger, mean, readJsonLines } from '../../src/base/index.ts';
import { readItems, toQuestion } from '../../src/data/index.ts';
import { answerBothWays } from '../../src/eval/index.ts';
import { FrameStore } from '../../src/prompt/index.ts';
import type { EvaluationRow } from '../../src/stats/index.ts';
import { setNumThreads } from '../../src/tensor/index.ts';
import { type GrpoConfig, resolveGrpoConfig, runGrpo } from '../../src/train/index.ts';
import type { AnswerFigures, Answers, Job, Reply, RunResult } from './runs.ts';

const frames = new FrameStore({ budget_mib: 2048 });
const logger = createLogger({ quiet: true, fd: 2 });

setNumThreads(1);
process.on('message', async (job: Job) => {
  const send = (reply: Reply): void => void process.send?.(reply);
  try {
    send({ result: job.isTrained ? await trainAndAnswer(job) : await answer(job.model, job) });
  } catch (error) {
    send({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
});

/** Trains from the start model, then answers the held-out questions. */
async function trainAndAnswer(job: Job): Promise<RunResult> {
  const { model, values, video_root, folder, seed } = job;
  const output_dir = join(folder, 'run');
  rmSync(folder, { recursive: true, force: true });
  const began = performance.now();
  const given = { ...values, model_name_or_path: model, video_root, output_dir, seed };
  const { checkpoint } = await runGrpo({
    resolved: resolveGrpoConfig([{ source: 'study', values: given }]),
    logger,
    frames,
  });
  const seconds = (performance.now() - began) / 1000;
  const rows = readJsonLines(join(output_dir, 'metrics.jsonl')) as Record<string, number | undefined>[];
  const curve = (name: string): (number | null)[] =>
    rows.map(({ [name]: value }) => (value === undefined ? null : round(value)));
  const curves: RunResult['curves'] = {
    reward: curve('reward'),
    reward_std: curve('reward_std'),
    frac_reward_zero_std: curve('frac_reward_zero_std'),
    length: curve('completions/mean_length'),
    entropy: curve('entropy'),
  };
  if (checkpoint === undefined) throw new Error('internal: a whole run saves its model');
  const after = await answer(checkpoint, job);
  rmSync(folder, { recursive: true });
  return { seconds: round(seconds), steps: rows.length, curves, after };
}

/** Figures of both ways of answering. */
async function answer(model: string, { held_out, video_root, folder, seed, values }: Job): Promise<Answers> {
  const { prompt_template, max_frames, max_pixels, max_completion_length } = values as Pick<
    GrpoConfig,
    'prompt_template' | 'max_frames' | 'max_pixels' | 'max_completion_length'
  >;
  const answers = await answerBothWays({
    ...{ model, seed, frames, max_completion_length },
    questions: readItems(held_out).items.map((item) => toQuestion(item, { video_root })),
    keys: { video: 'correct', text_after_vision: 'spatial', prompt_template, max_frames, max_pixels },
    folderOf: (decoding) => join(folder, decoding),
  });
  if (answers === undefined) throw new Error('internal: nothing stops an evaluation of the study');
  const figures = (rows: readonly EvaluationRow[]): AnswerFigures => {
    const meanOf = (value: (row: EvaluationRow) => number): number => round(mean(rows.map(value)));

    return {
      strict: meanOf(({ score }) => (score === 1 ? 1 : 0)),
      soft: meanOf(({ score }) => score),
      length: meanOf(({ length }) => length),
      right: rows.map(({ score }) => (score === 1 ? 1 : 0)).join(''),
    };
  };
  return { sampled: figures(answers.sampled), greedy: figures(answers.greedy) };
}

function round(value: number): number {
  return Math.round(1e4 * value) / 1e4;
}
