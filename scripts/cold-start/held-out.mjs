/** @file What a cold-start model knows: its answers to held-out videos, kind by kind, with what it is shown of them. */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createProgress } from '../../build/js/base/index.js';
import { readItems, toQuestion } from '../../build/js/data/index.js';
import { answerBothWays } from '../../build/js/eval/index.js';
import { rememberVideos } from '../../build/js/prompt/index.js';
import { accuracy } from '../../build/js/stats/index.js';
import { full, scope, tensor } from '../../build/js/tensor/index.js';
import { generateWorld, LESSON } from '../../build/js/world/index.js';

/** Indices of the held-out videos begin here; the demo's begin at 10 million. */
const FIRST_HELD_OUT = 5_000_000;
export const NUM_HELD_OUT = 1000;
export const MAX_COMPLETION_LENGTH = 96;
/** Grey of the floor, which stands for nothing at all. */
export const FLOOR = 160;
const NUM_FRAMES = 8;
/** Memory for frames, so that the second way of answering need not decode again. */
const CACHE_MIB = 512;

/** What a model is shown of a video: all of it, its middle frame in place of every frame, or nothing. */
export const EYES = ['video', 'frame', 'none'];

/** @param {number} length frames of a video @returns {number[]} the one that is shown in each place; none for `none` */
export function shownFrames(eye, length) {
  const all = Array.from({ length }, (_, i) => i);
  return { video: all, frame: all.map(() => Math.floor(length / 2)), none: [] }[eye];
}

/** @returns {Promise<{ jsonl: string, video_root: string }>} */
export async function heldOutSet(folder, seed) {
  const { jsonl_path, video_root } = await generateWorld({
    ...LESSON,
    output_dir: folder,
    seed,
    split: 'held-out',
    first_index: FIRST_HELD_OUT,
    num_videos: NUM_HELD_OUT,
  });
  return { jsonl: jsonl_path, video_root };
}

/**
 * Strict accuracy of both ways of answering by kind of question, with 95 % Wilson intervals, and what the best constant answer gets.
 * @returns {Promise<Record<string, { n: number, best_constant: number, greedy: object, sampled: object }>>} by kind, and `all`
 */
export async function knownKinds(path, { jsonl, video_root }, { eye, folder, seed }) {
  rmSync(folder, { recursive: true, force: true });
  const questions = readItems(jsonl).items.map((item) => toQuestion(item, { video_root }));
  const readVideo = rememberVideos(CACHE_MIB);
  const answers = await answerBothWays({
    ...{ model: path, questions, seed, max_completion_length: MAX_COMPLETION_LENGTH },
    readVideo: eye === 'none' ? emptyVideo : async (...given) => shown(await readVideo(...given), eye),
    keys: {
      video: 'correct',
      max_frames: NUM_FRAMES,
      max_pixels: LESSON.width * LESSON.height,
      prompt_template: 'plain',
    },
    folderOf: (way) => join(folder, way),
    showProgress: (way) => createProgress({ total: questions.length, label: way }),
  });
  const kinds = [...new Set(answers.greedy.map(({ dims }) => dims.kind))].sort();
  const solutions = readFileSync(jsonl, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const share = (rows) => {
    const { strict, strict_interval } = accuracy(rows);
    return { strict, ...strict_interval };
  };
  const row = (isIn) => {
    const own = (way) => answers[way].filter(({ dims }) => isIn(dims.kind));
    return {
      n: own('greedy').length,
      best_constant: bestConstant(solutions.filter(({ dims }) => isIn(dims.kind))),
      greedy: share(own('greedy')),
      sampled: share(own('sampled')),
    };
  };
  return Object.fromEntries([
    ...kinds.map((kind) => [kind, row((one) => one === kind)]),
    ['all', row(() => true)],
  ]);
}

/** The video with the frames that the eye sees in place of its own. */
function shown(video, eye) {
  if (eye === 'video') return video;
  const { frames } = video;
  const seen = scope(() =>
    frames.index_select(0, tensor(shownFrames(eye, frames.shape[0]), { dtype: 'int64' })),
  );
  frames.dispose();
  return { ...video, frames: seen };
}

/** An empty floor; the file is not opened. */
async function emptyVideo() {
  const frames = full([NUM_FRAMES, 3, LESSON.height, LESSON.width], FLOOR, { dtype: 'uint8' });
  return { frames, secondPerGridS: (2 * LESSON.num_frames) / LESSON.fps / NUM_FRAMES };
}

/** Share of the questions whose solution is the commonest one of their kind. */
function bestConstant(records) {
  const byKind = new Map();
  for (const { dims, solution } of records) {
    const counts = byKind.get(dims.kind) ?? new Map();
    byKind.set(dims.kind, counts.set(solution, (counts.get(solution) ?? 0) + 1));
  }
  const most = [...byKind.values()].map((counts) => Math.max(...counts.values()));
  return most.reduce((sum, count) => sum + count, 0) / records.length;
}
