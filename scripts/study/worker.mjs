/**
 * @file One process of the study: trains and evaluates one run after another as the parent asks, and answers with what is kept of
 * a run. Decoded frames stay in memory between runs.
 */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createLogger } from '../../build/js/base/index.js';
import { readItems, toQuestion } from '../../build/js/data/index.js';
import { answerBothWays } from '../../build/js/eval/index.js';
import { rememberVideos } from '../../build/js/prompt/index.js';
import { setNumThreads } from '../../build/js/tensor/index.js';
import { resolveGrpoConfig, runGrpo } from '../../build/js/train/index.js';

const readVideo = rememberVideos(2048);
const logger = createLogger({ quiet: true, fd: 2 });

setNumThreads(1);
process.on('message', async (job) => {
  try {
    process.send({ result: job.isTrained ? await trainAndAnswer(job) : await answer(job.model, job) });
  } catch (error) {
    process.send({ error: error.stack ?? String(error) });
  }
});

/** Trains from the start model, then answers the held-out questions. */
async function trainAndAnswer(job) {
  const { model, values, video_root, folder, seed } = job;
  const output_dir = join(folder, 'run');
  rmSync(folder, { recursive: true, force: true });
  const began = performance.now();
  const given = { ...values, model_name_or_path: model, video_root, output_dir, seed };
  const { checkpoint } = await runGrpo({
    resolved: resolveGrpoConfig([{ source: 'study', values: given }]),
    logger,
    readVideo,
  });
  const seconds = (performance.now() - began) / 1000;
  const rows = readFileSync(join(output_dir, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const curve = (name) => rows.map((row) => round(row[name]));
  const curves = {
    reward: curve('reward'),
    reward_std: curve('reward_std'),
    frac_reward_zero_std: curve('frac_reward_zero_std'),
    length: curve('completions/mean_length'),
    entropy: curve('entropy'),
  };
  const after = await answer(checkpoint, job);
  rmSync(folder, { recursive: true });
  return { seconds: round(seconds), steps: rows.length, curves, after };
}

/** Strict accuracy, soft score and length of both ways of answering; `right` has a digit for each question. */
async function answer(model, { held_out, video_root, folder, seed, values }) {
  const { prompt_template, max_frames, max_pixels, max_completion_length } = values;
  const answers = await answerBothWays({
    ...{ model, seed, readVideo, max_completion_length },
    questions: readItems(held_out).items.map((item) => toQuestion(item, { video_root })),
    keys: { video: 'correct', prompt_template, max_frames, max_pixels },
    folderOf: (way) => join(folder, way),
  });
  return Object.fromEntries(
    Object.entries(answers).map(([way, rows]) => {
      const mean = (value) => round(rows.reduce((sum, row) => sum + value(row), 0) / rows.length);
      return [
        way,
        {
          strict: mean(({ score }) => (score === 1 ? 1 : 0)),
          soft: mean(({ score }) => score),
          length: mean(({ length }) => length),
          right: rows.map(({ score }) => (score === 1 ? 1 : 0)).join(''),
        },
      ];
    }),
  );
}

function round(value) {
  return value === undefined ? null : Math.round(1e4 * value) / 1e4;
}
