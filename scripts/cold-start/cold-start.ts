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
 *   node scripts/cold-start.mjs --eye frame --output runs/frame …   a baseline that is shown one frame (or none) of each video
 *   node scripts/cold-start.mjs --card runs/frame,runs/none         write the card, baselines included
 *   node scripts/cold-start.mjs --check                      ask the model in --output again and compare with its card
 */
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { parse } from 'yaml';
import { describeMachine, machine } from '../../bench/harness.ts';
import { createLogger, packageRoot, percent, percentNumber, readJsonLines } from '../../src/base/index.ts';
import { labelled, solutionText } from '../../src/data/index.ts';
import { createTinyCheckpoint, loadModel } from '../../src/models/index.ts';
import { type FrameReader, FrameStore, readFrames } from '../../src/prompt/index.ts';
import type { MetricsRow } from '../../src/run/index.ts';
import { fromTypedArray, keep } from '../../src/tensor/index.ts';
import { resolveSftConfig, runSft } from '../../src/train/index.ts';
import { sampleFrames, samplingSettings } from '../../src/video/index.ts';
import { drawEpisode, drawFloor, LESSON, renderFrame, type Story, traceOf } from '../../src/world/index.ts';
import { card } from './card.ts';
import {
  FLOOR,
  heldOutSet,
  knownKinds,
  MAX_COMPLETION_LENGTH,
  NUM_HELD_OUT,
  shownFrames,
} from './held-out.ts';
import { EYES, type Eye, readScores, type Scores } from './scores.ts';

interface TrainingRecord {
  readonly id: string;
  readonly problem: string;
  readonly video: string;
  readonly process: string;
  readonly solution: string;
  readonly dims: { readonly kind: string };
}

type Drawn = Pick<Story, 'scene' | 'motion'>;

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
const { work, output } = values;
const eye = eyeOf(values.eye);
const [videos, seed] = [Number(values.videos), Number(values.seed)];

const say = (text: string): boolean => process.stderr.write(`[cold-start] ${text}\n`);

const world = join(work, 'world');
if (values.card !== undefined) {
  const baselines = values.card
    .split(',')
    .filter(Boolean)
    .map(readScores)
    .flatMap((scores) => (scores.eye === 'video' ? [] : [[scores.eye, scores] as const]));
  writeFileSync(join(output, 'README.md'), card(readScores(output), new Map(baselines)));
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
const sampled = sampleFrames(samplingSettings({ video: 'correct' }), { totalFrames: num_frames, fps });
const stories: Drawn[] = [];
const train = join(world, 'train.jsonl');
drawTraining();

const start = join(work, 'start');
if (values.from !== undefined) cpSync(values.from, start, { recursive: true });
else if (!existsSync(start)) {
  createTinyCheckpoint(start, {
    seed,
    corpus: (readJsonLines(train) as unknown as TrainingRecord[])
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
const recipe = parse(readFileSync(join(packageRoot(), 'recipes', 'cold-start.yaml'), 'utf8')) as Record<
  string,
  unknown
>;
const rates = Object.fromEntries(
  ['learning_rate', 'muon_learning_rate'].map((name) => [name, Number(recipe[name]) * Number(values.rate)]),
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
  frames: new FrameStore({ budget_mib: resolved.config.video_cache_mib, read: drawnFrames() }),
  onStep: ({ step, usedS, metrics }) => {
    if (step % 20 === 0)
      say(
        `step ${step}, ${(usedS / 60).toFixed(1)} min: loss ${shown(metrics['loss'], 3)}, token accuracy ${shown(metrics['mean_token_accuracy'], 3)}, ${shown(metrics['videos_per_second'], 1)} videos/s`,
      );
  },
  onEvaluation: (step, _, { strict }) => say(`step ${step}: held out ${percent(strict)} strict`),
});

const checkpoint = join(runFolder, newestCheckpoint());
const model = loadModel(checkpoint, { dtype: 'bfloat16' });
const numWeights = [...model.parameters().values()].reduce((sum, weight) => sum + weight.numel(), 0);
model.save(output, { replace: true });
model.dispose();

const lastRow = (readJsonLines(join(runFolder, 'metrics.jsonl')) as MetricsRow[]).findLast(
  (row) => row['num_questions'] !== undefined,
);
if (lastRow === undefined) throw new Error(`internal: ${runFolder} holds no step of training`);
const { step, num_questions } = lastRow;
/** The command that made the model it went on from. */
const before =
  values.from !== undefined && existsSync(join(values.from, 'scores.json'))
    ? [readScores(values.from).made_by]
    : [];
const scores: Scores = {
  ...{ eye, seed, num_weights: numWeights },
  made_by: [...before, ['node scripts/cold-start.mjs', ...process.argv.slice(2)].join(' ')].join(' && '),
  training: `${step} steps of 24 videos, ${num_questions} questions`,
  machine: describeMachine(machine()).split('\n')[0]!,
  kinds: await knownKinds(output, heldOut, { eye, folder: join(work, `eval-${eye}`), seed }),
};
writeFileSync(join(output, 'scores.json'), `${JSON.stringify(scores, null, 2)}\n`);
writeFileSync(join(output, 'README.md'), card(scores, new Map()));
say(`${output} is ready`);

/** Asks again; says where the answers leave the intervals of the card. */
async function check(): Promise<void> {
  const stored = readScores(output);
  const again = await heldOutSet(join(work, 'check'), stored.seed);
  const found = await knownKinds(output, again, {
    eye: stored.eye,
    folder: join(work, 'eval-check'),
    seed: stored.seed,
  });
  let isEqual = true;
  for (const [kind, { n, greedy, sampled: drawn }] of Object.entries(found)) {
    for (const [decoding, now] of Object.entries({ greedy, sampled: drawn })) {
      const { strict, low, high } = stored.kinds[kind]![decoding as 'greedy' | 'sampled'];
      const isIn = low <= now.strict && now.strict <= high;
      isEqual &&= isIn;
      const [is, was, from, to] = [now.strict, strict, low, high].map((share) =>
        percentNumber(share).padStart(5),
      );
      process.stdout.write(
        `${kind.padEnd(10)} ${decoding.padEnd(8)} ${n} questions  now ${is} %, card ${was} % (${from}–${to})${isIn ? '' : '  OUTSIDE'}\n`,
      );
    }
  }
  process.stdout.write(isEqual ? 'all within the intervals of the card\n' : 'the card does not hold\n');
  process.exitCode = isEqual ? 0 : 1;
}

/** Draws the stories of all training videos, and writes their questions with the thinking behind each answer. */
function drawTraining(): void {
  say(`${videos} training videos`);
  const { kinds, max_options, scene } = LESSON;
  const times = Array.from(
    { length: sampled.indices.length / 2 },
    (_, slice) => (sampled.indices[2 * slice]! + sampled.indices[2 * slice + 1]!) / 2 / fps,
  );
  const records: TrainingRecord[] = [];
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

/** Frames of training videos, drawn at the moments the sampler of `src/video` chooses; held-out videos are decoded. */
function drawnFrames(): FrameReader {
  const floor = drawFloor({ width, height });
  return async (medium, settings) => {
    const drawn = /^drawn\/(\d+)$/.exec(medium.path);
    const story = drawn === null ? undefined : stories[Number(drawn[1])];
    if (story === undefined) return readFrames(medium, settings);
    const planes = new Uint8Array(sampled.indices.length * 3 * width * height).fill(FLOOR);
    let at = 0;
    for (const place of shownFrames(eye, sampled.indices.length)) {
      const time = sampled.indices[place]! / fps;
      const rgb = renderFrame(story.scene, story.motion, time, { width, height }, floor);
      for (let channel = 0; channel < 3; channel++)
        for (let i = channel; i < rgb.length; i += 3) planes[at++] = rgb[i]!;
    }
    const frames = keep(fromTypedArray(planes, [sampled.indices.length, 3, height, width]));
    return { frames, secondPerGridS: sampled.secondPerGridS };
  };
}

function newestCheckpoint(): string {
  const last = (readJsonLines(join(runFolder, 'metrics.jsonl')) as MetricsRow[]).at(-1);
  if (last === undefined) throw new Error(`internal: ${runFolder} holds no step of training`);
  return `checkpoint-${last.step}`;
}

function eyeOf(name: string): Eye {
  const known = EYES.find((eye) => eye === name);
  if (known === undefined) throw new Error(`--eye ${name}: expected one of ${EYES.join(', ')}`);
  return known;
}

function shown(value: unknown, digits: number): string {
  return Number(value).toFixed(digits);
}
