#!/usr/bin/env node
/**
 * @file Makes the small model of the demo from nothing, in one command: draws videos, makes a model with random weights whose
 * tokenizer knows the words of their questions, trains it by recipes/cold-start.yaml, asks it about videos nobody has seen, and
 * writes it as bfloat16 with a model card. Run again, it goes on where it stopped.
 *
 * Every training video is seen once: a model of this size learns a few thousand videos by heart. So they are drawn as frames
 * and never written; they differ from decoded ones by the few grey levels that H.264 loses. Held-out videos are MP4 files.
 *
 *   node scripts/cold-start.mjs [--minutes 60] [--videos 80000] [--seed 1] [--work runs/cold-start] [--output assets/cold-start]
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parse } from 'yaml';

const root = fileURLToPath(new URL('..', import.meta.url));
const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    videos: { type: 'string', default: '80000' },
    seed: { type: 'string', default: '1' },
    work: { type: 'string', default: 'runs/cold-start' },
    output: { type: 'string', default: 'assets/cold-start' },
  },
});
const { work, output } = values;
const [minutes, videos, seed] = [Number(values.minutes), Number(values.videos), Number(values.seed)];

/** Indices of the held-out videos begin here; the demo's begin at 10 million. */
const FIRST_HELD_OUT = 5_000_000;
const NUM_HELD_OUT = 1000;

const say = (text) => process.stderr.write(`[cold-start] ${text}\n`);

function run(program, args) {
  say(`${program} ${args.join(' ')}`);
  const { status, signal } = spawnSync(program, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  if (status !== 0) {
    say(`stopped (${signal ?? `exit code ${status}`}); the same command goes on`);
    process.exit(status ?? 1);
  }
}
const twgrpo = (...args) => run(process.execPath, ['build/js/cli/main.js', ...args]);

run(process.execPath, ['scripts/bootstrap.mjs', '--quiet']);
const load = (room) => import(new URL(`../build/js/${room}/index.js`, import.meta.url).href);
const { drawEpisode, drawFloor, generateWorld, LESSON, renderFrame, traceOf } = await load('world');
const { labelled, solutionText } = await load('data');
const { createTinyCheckpoint, Qwen2_5VL } = await load('models');
const { frameDecoder, resolveSftConfig, runSft } = await load('train');
const { createLogger } = await load('run');
const { fromTypedArray, keep } = await load('tensor');
const { sampleFrames, videoPreset } = await load('video');

const world = join(work, 'world');
const lines = (file) =>
  readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
say(`${NUM_HELD_OUT} held-out videos`);
const { jsonl_path: heldOut } = await generateWorld({
  ...LESSON,
  output_dir: world,
  seed,
  split: 'held-out',
  first_index: FIRST_HELD_OUT,
  num_videos: NUM_HELD_OUT,
});
const { width, height, fps, num_frames } = LESSON;
const sampled = sampleFrames(videoPreset('correct'), { totalFrames: num_frames, fps });
const stories = [];
const train = join(world, 'train.jsonl');
drawTraining();

const start = join(work, 'start');
if (!existsSync(start)) {
  createTinyCheckpoint(start, {
    seed,
    corpus: lines(train)
      .slice(0, 1500)
      .flatMap(({ problem, process, solution }) => [problem, `${process}\n${solution}`]),
    vocab_size: 512,
    hidden_size: 96,
    intermediate_size: 256,
    num_hidden_layers: 3,
    num_attention_heads: 3,
    num_key_value_heads: 1,
    // Width gets most of the pairs, the slow ones among them: they tell columns apart and carry what has no place.
    rope_theta: 1000,
    mrope_section: [2, 3, 11],
    // The floor becomes 0, so that a patch without an object says nothing: with CLIP's mean small models hardly learn places.
    pixels: { mean: 0.627, std: 0.2 },
    chat_template: 'short',
    vision: {
      depth: 2,
      hidden_size: 64,
      num_heads: 2,
      intermediate_size: 160,
      window_size: 112,
      fullatt_block_indexes: [0, 1],
    },
  });
}

const runFolder = join(work, 'run');
const layers = [
  {
    source: 'recipes/cold-start.yaml',
    values: parse(readFileSync(join(root, 'recipes', 'cold-start.yaml'), 'utf8')),
  },
  {
    source: 'scripts/cold-start.mjs',
    values: {
      ...{ model_name_or_path: start, jsonl_path: train, eval_jsonl_path: heldOut, video_root: world },
      ...{ output_dir: runFolder, max_minutes: minutes, seed },
    },
  },
];
const resolved = resolveSftConfig(layers);
await runSft({
  resolved,
  logger: createLogger({ fd: 2 }),
  resume: 'auto',
  decode: drawnFrames(resolved.config),
  onStep: ({ step, usedS, metrics }) => {
    if (step % 20 === 0)
      say(
        `step ${step}, ${(usedS / 60).toFixed(1)} min: loss ${metrics.loss.toFixed(3)}, token accuracy ${metrics.mean_token_accuracy.toFixed(3)}, ${metrics.videos_per_second.toFixed(1)} videos/s`,
      );
  },
  onEvaluation: (step, _, { strict }) => say(`step ${step}: held out ${(100 * strict).toFixed(1)} % strict`),
});

const checkpoint = join(runFolder, newestCheckpoint());
const model = Qwen2_5VL.fromPretrained(checkpoint, { dtype: 'bfloat16' });
const numWeights = [...model.parameters().values()].reduce((sum, weight) => sum + weight.numel(), 0);
model.save(output, { replace: true });
model.dispose();

const scores = {};
for (const [name, options] of [
  ['greedy', ['--temperature', '0']],
  ['sampled', ['--temperature', '1', '--seed', String(seed)]],
]) {
  const folder = join(work, `eval-${name}`);
  twgrpo(
    'eval',
    ...['--model', output, '--data', heldOut, '--video-root', world, '--output-dir', folder],
    ...['--protocol', 'tw-grpo', '--prompt-template', 'plain', '--max-frames', '8', '--max-pixels', '12544'],
    ...['--max-completion-length', '96', '--batch-size', '32', ...options],
  );
  scores[name] = JSON.parse(readFileSync(join(folder, 'report.json'), 'utf8')).accuracy;
}
writeFileSync(join(output, 'README.md'), card());
say(`${output} is ready`);

/** Draws the stories of all training videos, and writes their questions with the thinking behind each answer. */
function drawTraining() {
  say(`${videos} training videos`);
  const { kinds, max_options, scene } = LESSON;
  const times = Array.from(
    { length: sampled.indices.length / 2 },
    (_, slice) => (sampled.indices[2 * slice] + sampled.indices[2 * slice + 1]) / 2 / fps,
  );
  const records = [];
  for (let index = 0; index < videos; index++) {
    const { story, questions } = drawEpisode(seed, index, {
      ...{
        ...scene,
        height: height / width,
        durationS: (num_frames - 1) / fps,
        kinds,
        maxOptions: max_options,
      },
      questionsPerVideo: 3,
    });
    stories.push({ scene: story.scene, motion: story.motion });
    for (const [at, question] of questions.entries())
      records.push({
        id: `${index}-${at}`,
        problem: [question.question, ...labelled(question.options)].join('\n'),
        video: `drawn/${index}`,
        process: traceOf(question, story, { times }),
        solution: solutionText(question.answer),
        dims: { kind: question.kind },
      });
  }
  mkdirSync(world, { recursive: true });
  writeFileSync(train, `${records.map((record) => JSON.stringify(record)).join('\n')}\n`);
}

/** Frames of a training video as the video room would sample them; held-out videos are decoded. */
function drawnFrames(config) {
  const decode = frameDecoder(config);
  const floor = drawFloor({ width, height });
  return async (question) => {
    const story = stories[Number(question.id.split('-')[0])];
    if (story === undefined) return decode(question);
    const planes = new Uint8Array(sampled.indices.length * 3 * width * height);
    let at = 0;
    for (const frame of sampled.indices) {
      const rgb = renderFrame(story.scene, story.motion, frame / fps, { width, height }, floor);
      for (let channel = 0; channel < 3; channel++)
        for (let i = channel; i < rgb.length; i += 3) planes[at++] = rgb[i];
    }
    const frames = keep(fromTypedArray(planes, [sampled.indices.length, 3, height, width]));
    return { frames, secondPerGridS: sampled.secondPerGridS };
  };
}

function newestCheckpoint() {
  const { step } = lines(join(runFolder, 'metrics.jsonl')).at(-1);
  return `checkpoint-${step}`;
}

function card() {
  const percent = (share) => `${(100 * share).toFixed(1)}`;
  const cell = ({ strict, strict_interval: { low, high } }) =>
    `${percent(strict)} (${percent(low)}–${percent(high)})`;
  const constant = bestConstants();
  const kinds = Object.keys(scores.greedy.by.kind);
  const rows = [
    ...kinds.map((kind) => [kind, scores.greedy.by.kind[kind], scores.sampled.by.kind[kind], constant[kind]]),
    ['all', scores.greedy.overall, scores.sampled.overall, undefined],
  ].map(
    ([kind, greedy, sampled, best]) =>
      `| ${kind} | ${greedy.n} | ${cell(greedy)} | ${cell(sampled)} | ${best === undefined ? '' : percent(best)} |`,
  );
  return `---
license: apache-2.0
library_name: twgrpo
---
# Cold start

A Qwen2.5-VL-shaped model of ${(numWeights / 1e6).toFixed(2)} million weights that has learned to look at short synthetic videos. It is where
\`twgrpo demo\` starts from, and good for nothing else: it knows ${kinds.length} kinds of question about three coloured objects.

- **Made by** \`node scripts/cold-start.mjs --minutes ${minutes} --videos ${videos} --seed ${seed}\` (torch ${torchVersion()}, ${cpus()[0].model}, ${cpus().length} cores, other work beside it)
- **Data** videos with up to three questions each (\`src/world/lesson.ts\`), at most ${videos} of them, each seen once, frames drawn and not decoded; seed ${seed}, indices from 0
- **Training** ${trainingFacts()}
- **Answers** are tracks, one an option: colour, its cell in each second (\`aa\` upper left to \`dd\` lower right; \`out\`, \`none\`), then the option's letter or \`no\`

Strict accuracy (the chosen set is the right set) on ${NUM_HELD_OUT} held-out videos, indices ${FIRST_HELD_OUT} and on, with 95 % Wilson intervals:

| kind | questions | greedy % | temperature 1 % | best constant answer % |
|---|---:|---|---|---:|
${rows.join('\n')}

The best constant answer is the letter set that is most often right among the held-out questions of the kind. A model without video and one
with a single frame have not been trained; \`twgrpo world generate\` prints what such shortcuts score.
`;
}

function bestConstants() {
  const counts = {};
  for (const { dims, solution } of lines(heldOut)) {
    counts[dims.kind] ??= { total: 0, by: {} };
    const kind = counts[dims.kind];
    kind.total++;
    kind.by[solution] = (kind.by[solution] ?? 0) + 1;
  }
  return Object.fromEntries(
    Object.entries(counts).map(([kind, { total, by }]) => [kind, Math.max(...Object.values(by)) / total]),
  );
}

function trainingFacts() {
  const last = lines(join(runFolder, 'metrics.jsonl')).findLast((row) => row.num_questions !== undefined);
  return `${last.step} steps of 24 videos, ${last.num_questions} questions seen, ${minutes} minutes of wall time; Muon 0.02 and AdamW 3e-3 (\`recipes/cold-start.yaml\`)`;
}

function torchVersion() {
  return JSON.parse(readFileSync(join(root, 'build', 'engine.json'), 'utf8')).torch_version ?? 'as installed';
}
