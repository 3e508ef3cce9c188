/** What the tests of this room share: a folder with a tiny model, questions about a real video, and runs on them. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SMALLEST } from '../../tests/support/smallest-model.ts';
import { createLogger, type JsonObject } from '../base/index.ts';
import { createTinyCheckpoint, type TinyCheckpointOptions } from '../models/index.ts';
import type { MetricsRow } from '../run/index.ts';
import { resolveGrpoConfig } from './config/config.ts';
import { type GrpoRunOptions, runGrpo } from './grpo/grpo-run.ts';
import type { RunResult } from './loop/run-loop.ts';

const CLIP = join(import.meta.dirname, '../../tests/goldens/video/h264.mp4');

/** Writes the smallest model. */
export function writeModel(folder: string, options: TinyCheckpointOptions = {}): string {
  const dir = join(folder, 'model');
  createTinyCheckpoint(dir, { ...SMALLEST, seed: 5, ...options });
  return dir;
}

/** Questions about one clip, each with its own text and answer. */
export function writeQuestions(folder: string, count = 5, video = CLIP): string {
  const file = join(folder, 'questions.jsonl');
  const rows = Array.from({ length: count }, (_, i) => ({
    problem: `Which shape moves in part ${i}?\nA. circle\nB. square\nC. star`,
    video,
    solution: `<answer>${['A', 'B,C', 'C'][i % 3]}</answer>`,
  }));
  writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return file;
}

/** A reward that random text earns in many sizes: the share of its characters in the first half of the alphabet. */
const DENSE_REWARD = `export function reward(inputs) {
  return inputs.map(({ completion }) => {
    const low = [...completion].filter((one) => /[a-m]/i.test(one)).length;
    return low / Math.max(completion.length, 1);
  });
}
`;

/** Keys of a run that takes a few hundredths of a second a step. */
export function quickKeys(folder: string): JsonObject {
  const reward = join(folder, 'dense.mjs');
  writeFileSync(reward, DENSE_REWARD);
  return {
    model_name_or_path: join(folder, 'model'),
    jsonl_path: join(folder, 'questions.jsonl'),
    video_root: '/',
    loss_type: 'tw_grpo',
    reward_funcs: [reward, 'accuracy'],
    num_generations: 4,
    max_completion_length: 6,
    max_frames: 2,
    max_pixels: 56 * 56,
    prompts_per_micro_batch: 2,
    learning_rate: 1e-3,
    max_steps: 4,
    num_threads: 1,
    max_prompt_length: 512,
    check_prompts: false,
    probe: false,
  };
}

const quiet = () => createLogger({ quiet: true, fd: 2 });

/** A run with these keys. */
export async function train(
  keys: JsonObject,
  options: Partial<Omit<GrpoRunOptions, 'resolved'>> = {},
): Promise<RunResult> {
  const resolved = resolveGrpoConfig([{ source: 'test', values: keys }]);
  return await runGrpo({ resolved, logger: quiet(), ...options });
}

/** A run that is told to stop once step `last` is done. */
export async function trainUntil(
  last: number,
  keys: JsonObject,
  options: Pick<GrpoRunOptions, 'resume'> = {},
): Promise<RunResult> {
  const stop = new AbortController();
  return await train(keys, {
    ...options,
    signal: stop.signal,
    onStep: ({ step }) => {
      if (step === last) stop.abort();
    },
  });
}

const isMeasured = (key: string) => /^time\/|^step_time$|^tokens_per_second$|^memory\//.test(key);

/** Rows of metrics.jsonl. */
export function rowsOf(outputDir: string): MetricsRow[] {
  const lines = readFileSync(join(outputDir, 'metrics.jsonl'), 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line) as MetricsRow);
}

/** Rows of metrics.jsonl without what was measured of the machine. */
export function metricsOf(outputDir: string): MetricsRow[] {
  return rowsOf(outputDir).map(
    (row) => Object.fromEntries(Object.entries(row).filter(([key]) => !isMeasured(key))) as MetricsRow,
  );
}
