/**
 * @file One process of the study: trains and evaluates one run after another as the parent asks, and answers with what is kept of
 * a run. Decoded frames stay in memory between runs.
 */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { readItems } from '../../build/js/data/index.js';
import { evaluate } from '../../build/js/eval/index.js';
import { Processor, Qwen2_5VL, readGenerationConfig } from '../../build/js/models/index.js';
import { bannedTokenIds, promptLoader, stopTokenIds, toQuestion } from '../../build/js/rollout/index.js';
import { createLogger } from '../../build/js/run/index.js';
import { setNumThreads } from '../../build/js/tensor/index.js';
import { resolveGrpoConfig, runGrpo } from '../../build/js/train/index.js';
import { rememberVideos } from '../../build/js/video/index.js';

const readVideo = rememberVideos(2048);
const logger = createLogger({ quiet: true, fd: 2 });
const WAYS = { sampled: { temperature: 1 }, greedy: { greedy: true } };

setNumThreads(1);
process.on('message', async (job) => {
  try {
    process.send({ result: job.values === undefined ? await answer(job.model, job) : await runJob(job) });
  } catch (error) {
    process.send({ error: error.stack ?? String(error) });
  }
});

/** Trains from the start model, then answers the held-out questions. */
async function runJob(job) {
  const { model, values, video_root, folder, seed } = job;
  const output_dir = join(folder, 'run');
  rmSync(output_dir, { recursive: true, force: true });
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
async function answer(
  path,
  { held_out, video_root, folder, seed, values: { prompt_template, max_frames, max_pixels } = {}, ...job },
) {
  const keys = job.keys ?? { prompt_template, max_frames, max_pixels };
  const questions = readItems(held_out).items.map((item) => toQuestion(item, { video_root }));
  const processor = Processor.fromPretrained(path);
  const model = Qwen2_5VL.fromPretrained(path, { dtype: 'float32', text_after_vision: 'spatial' });
  const generation = readGenerationConfig(path, model.config);
  const load = promptLoader(
    processor,
    {
      video: 'correct',
      ...keys,
      question_type: 'mixed',
      max_prompt_length: model.config.text_config.max_position_embeddings,
    },
    readVideo,
  );
  const found = {};
  for (const [way, sampling] of Object.entries(WAYS)) {
    const output_dir = join(folder, way);
    rmSync(output_dir, { recursive: true, force: true });
    const { rows } = await evaluate({
      model,
      processor,
      questions,
      load,
      output_dir,
      settings: { model: path, way, seed },
      max_completion_length: 64,
      sampling,
      seed,
      answer_parser: 'tolerant',
      stop_token_ids: stopTokenIds(generation, model.config),
      banned_token_ids: bannedTokenIds(processor, generation),
      batch_size: 32,
      logger,
    });
    const mean = (value) => rows.reduce((sum, row) => sum + value(row), 0) / rows.length;
    found[way] = {
      strict: round(mean(({ score }) => (score === 1 ? 1 : 0))),
      soft: round(mean(({ score }) => score)),
      length: round(mean(({ length }) => length)),
      right: rows.map(({ score }) => (score === 1 ? 1 : 0)).join(''),
    };
  }
  model.dispose();
  return found;
}

function round(value) {
  return value === undefined ? null : Math.round(1e4 * value) / 1e4;
}
