#!/usr/bin/env node
/**
 * @file Makes the small model of the demo: draws videos, makes a model with random weights whose
 * tokenizer knows the words of their questions, trains it by recipes/cold-start.yaml, asks it about videos nobody has seen, and
 * writes it as bfloat16 with a model card. Run again, it goes on where it stopped. A second stage goes on from the model of a first.
 *
 * Every training video is seen once: a model of this size learns a few thousand videos by heart. So they are drawn as frames
 * and never written; they differ from decoded ones by the few grey levels that H.264 loses. Held-out videos are MP4 files.
 *
 *   node scripts/cold-start.mjs [--minutes 60 | --steps 470] [--videos 80000] [--seed 1] [--work runs/cold-start] [--output assets/cold-start]
 *   node scripts/cold-start.mjs --from runs/first --rate 0.5 --work runs/second …   go on from a model, with half the learning rates
 *   node scripts/cold-start.mjs --eye frame --output runs/frame …   a rival that is shown one frame (or none) of each video
 *   node scripts/cold-start.mjs --card runs/frame,runs/none         write the card, rivals included
 *   node scripts/cold-start.mjs --check                      ask the model in --output again and compare with its card
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parse } from 'yaml';

const root = fileURLToPath(new URL('..', import.meta.url));
const { values } = parseArgs({
  options: {
    minutes: { type: 'string' },
    steps: { type: 'string' },
    videos: { type: 'string', default: '80000' },
    seed: { type: 'string', default: '1' },
    work: { type: 'string', default: 'runs/cold-start' },
    output: { type: 'string', default: 'assets/cold-start' },
    eye: { type: 'string', default: 'video' },
    from: { type: 'string' },
    rate: { type: 'string', default: '1' },
    card: { type: 'string' },
    check: { type: 'boolean', default: false },
  },
});
const { work, output, eye } = values;
const [videos, seed] = [Number(values.videos), Number(values.seed)];

const say = (text) => process.stderr.write(`[cold-start] ${text}\n`);

const bootstrap = spawnSync(process.execPath, ['scripts/bootstrap.mjs', '--quiet'], {
  cwd: root,
  stdio: 'inherit',
});
if (bootstrap.status !== 0) process.exit(bootstrap.status ?? 1);
const load = (room) => import(new URL(`../build/js/${room}/index.js`, import.meta.url).href);
const { drawEpisode, drawFloor, LESSON, renderFrame, traceOf } = await load('world');
const { labelled, solutionText } = await load('data');
const { createTinyCheckpoint, loadModel } = await load('models');
const { frameDecoder } = await load('prompt');
const { resolveSftConfig, runSft } = await load('train');
const { createLogger } = await load('base');
const { fromTypedArray, keep } = await load('tensor');
const { sampleFrames, videoPreset } = await load('video');
const { EYES, FLOOR, heldOutSet, knownKinds, MAX_COMPLETION_LENGTH, NUM_HELD_OUT, shownFrames } =
  await import('./cold-start/held-out.mjs');
const { card } = await import('./cold-start/card.mjs');
const { describeMachine, machine } = await import('../bench/harness.mjs');
if (!EYES.includes(eye)) throw new Error(`--eye ${eye}: expected one of ${EYES.join(', ')}`);

const world = join(work, 'world');
const lines = (file) =>
  readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
function readScores(folder) {
  const file = join(folder, 'scores.json');
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8'));
  say(`no ${file}; it is written at the end of a training by this script`);
  process.exit(2);
}

if (values.card !== undefined) {
  const rivals = values.card.split(',').filter(Boolean).map(readScores);
  writeFileSync(
    join(output, 'README.md'),
    card(readScores(output), Object.fromEntries(rivals.map((one) => [one.eye, one]))),
  );
  say(`${output}/README.md is written`);
  process.exit();
}

say(`${NUM_HELD_OUT} held-out videos`);
if (values.check) {
  await check();
  process.exit();
}
const heldOut = await heldOutSet(world, seed);
const { width, height, fps, num_frames } = LESSON;
const sampled = sampleFrames(videoPreset('correct'), { totalFrames: num_frames, fps });
const stories = [];
const train = join(world, 'train.jsonl');
drawTraining();

const start = join(work, 'start');
if (values.from !== undefined) cpSync(values.from, start, { recursive: true });
else if (!existsSync(start)) {
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

const runFolder = join(work, eye === 'video' ? 'run' : `run-${eye}`);
const length =
  values.steps === undefined
    ? { max_minutes: Number(values.minutes ?? 60) }
    : { max_steps: Number(values.steps) };
const recipe = parse(readFileSync(join(root, 'recipes', 'cold-start.yaml'), 'utf8'));
const rates = Object.fromEntries(
  ['learning_rate', 'muon_learning_rate'].map((name) => [name, recipe[name] * Number(values.rate)]),
);
const layers = [
  { source: 'recipes/cold-start.yaml', values: recipe },
  {
    source: 'scripts/cold-start.mjs',
    values: {
      ...{ model_name_or_path: start, jsonl_path: train, eval_jsonl_path: heldOut.jsonl, video_root: world },
      ...{ output_dir: runFolder, max_completion_length: MAX_COMPLETION_LENGTH, seed, ...length, ...rates },
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
const model = loadModel(checkpoint, { dtype: 'bfloat16' });
const numWeights = [...model.parameters().values()].reduce((sum, weight) => sum + weight.numel(), 0);
model.save(output, { replace: true });
model.dispose();

const { step, num_questions } = lines(join(runFolder, 'metrics.jsonl')).findLast(
  (row) => row.num_questions !== undefined,
);
/** What the model it went on from was made by. */
const before =
  values.from !== undefined && existsSync(join(values.from, 'scores.json'))
    ? [readScores(values.from).made_by]
    : [];
const scores = {
  ...{ eye, seed, num_weights: numWeights },
  made_by: [...before, ['node scripts/cold-start.mjs', ...process.argv.slice(2)].join(' ')].join(' && '),
  training: `${step} steps of 24 videos, ${num_questions} questions`,
  machine: describeMachine(machine()).split('\n')[0],
  kinds: await knownKinds(output, heldOut, { eye, folder: join(work, `eval-${eye}`), seed }),
};
writeFileSync(join(output, 'scores.json'), `${JSON.stringify(scores, null, 2)}\n`);
writeFileSync(join(output, 'README.md'), card(scores, {}));
say(`${output} is ready`);

/** Asks again; says where the answers leave the intervals of the card. */
async function check() {
  const stored = readScores(output);
  const again = await heldOutSet(join(work, 'check'), stored.seed);
  const found = await knownKinds(output, again, {
    eye: stored.eye,
    folder: join(work, 'eval-check'),
    seed: stored.seed,
  });
  let isEqual = true;
  for (const [kind, { n, greedy, sampled: drawn }] of Object.entries(found)) {
    for (const [way, now] of Object.entries({ greedy, sampled: drawn })) {
      const { strict, low, high } = stored.kinds[kind][way];
      const isIn = low <= now.strict && now.strict <= high;
      isEqual &&= isIn;
      const [is, was, from, to] = [now.strict, strict, low, high].map((share) =>
        (100 * share).toFixed(1).padStart(5),
      );
      process.stdout.write(
        `${kind.padEnd(10)} ${way.padEnd(8)} ${n} questions  now ${is} %, card ${was} % (${from}–${to})${isIn ? '' : '  OUTSIDE'}\n`,
      );
    }
  }
  process.stdout.write(isEqual ? 'all within the intervals of the card\n' : 'the card does not hold\n');
  process.exitCode = isEqual ? 0 : 1;
}

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
    const planes = new Uint8Array(sampled.indices.length * 3 * width * height).fill(FLOOR);
    let at = 0;
    for (const place of shownFrames(eye, sampled.indices.length)) {
      const time = sampled.indices[place] / fps;
      const rgb = renderFrame(story.scene, story.motion, time, { width, height }, floor);
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
