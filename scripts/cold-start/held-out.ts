/** @file What a cold-start model knows: its answers to held-out videos, kind by kind, with what it is shown of them. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { createProgress, readJsonLines } from '../../src/base/index.ts';
import { readItems, toQuestion } from '../../src/data/index.ts';
import { answerBothWays } from '../../src/eval/index.ts';
import { type FrameReader, FrameStore, type ReadFrames, readFrames } from '../../src/prompt/index.ts';
import { accuracy, type EvaluationRow } from '../../src/stats/index.ts';
import { full, scope, tensor } from '../../src/tensor/index.ts';
import { generateWorld, LESSON } from '../../src/world/index.ts';
import type { Eye, KindScores, Scores, Share } from './scores.ts';

/** Indices of the held-out videos begin here; the demo's begin at 10 million. */
const FIRST_HELD_OUT = 5_000_000;
export const NUM_HELD_OUT = 1000;
export const MAX_COMPLETION_LENGTH = 96;
/** Grey of the floor, which stands for nothing at all. */
export const FLOOR = 160;
const NUM_FRAMES = 8;
/** Memory for frames, so that the second decoding need not decode again. */
const CACHE_MIB = 512;

/**
 * The frame that is shown in each place; none for `none`.
 * @param length frames of a video
 */
export function shownFrames(eye: Eye, length: number): readonly number[] {
  const all = Array.from({ length }, (_, i) => i);
  return { video: all, frame: all.map(() => Math.floor(length / 2)), none: [] }[eye];
}

export interface HeldOutSet {
  readonly jsonl: string;
  readonly video_root: string;
}

/** Draws the held-out videos into a folder; what is there stays. */
export async function heldOutSet(folder: string, seed: number): Promise<HeldOutSet> {
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
 * @param model its folder
 * @param folder for the rows of the evaluation
 */
export async function knownKinds(
  model: string,
  { jsonl, video_root }: HeldOutSet,
  { eye, folder, seed }: { readonly eye: Eye; readonly folder: string; readonly seed: number },
): Promise<Scores['kinds']> {
  rmSync(folder, { recursive: true, force: true });
  const questions = readItems(jsonl).items.map((item) => toQuestion(item, { video_root }));
  const read: FrameReader =
    eye === 'none' ? emptyVideo : async (...given) => shown(await readFrames(...given), eye);
  const frames = new FrameStore({ budget_mib: CACHE_MIB, read });
  const answers = await answerBothWays({
    ...{ model, questions, seed, max_completion_length: MAX_COMPLETION_LENGTH },
    frames,
    keys: {
      video: 'correct',
      text_after_vision: 'spatial',
      max_frames: NUM_FRAMES,
      max_pixels: LESSON.width * LESSON.height,
      prompt_template: 'plain',
    },
    folderOf: (decoding) => join(folder, decoding),
    showProgress: (decoding) => createProgress({ total: questions.length, label: decoding }),
  });
  if (answers === undefined) throw new Error('internal: nothing stops this evaluation');
  const kinds = [...new Set(answers.greedy.map(({ dims }) => String(dims['kind'])))].sort();
  const solutions = readJsonLines(jsonl) as unknown as Solved[];
  const share = (rows: readonly EvaluationRow[]): Share => {
    const { strict, strict_interval } = accuracy(rows);
    return { strict, ...strict_interval };
  };
  const row = (isIn: (kind: string) => boolean): KindScores => {
    const own = (decoding: keyof typeof answers): EvaluationRow[] =>
      answers[decoding].filter(({ dims }) => isIn(String(dims['kind'])));
    return {
      n: own('greedy').length,
      best_constant: bestConstant(solutions.filter(({ dims }) => isIn(dims.kind))),
      greedy: share(own('greedy')),
      sampled: share(own('sampled')),
    };
  };
  return Object.fromEntries([
    ...kinds.map((kind) => [kind, row((name) => name === kind)]),
    ['all', row(() => true)],
  ]);
}

interface Solved {
  readonly dims: { readonly kind: string };
  readonly solution: string;
}

/** The video with the frames that the model is shown in place of its own. */
function shown(video: ReadFrames, eye: Eye): ReadFrames {
  if (eye === 'video') return video;
  const { frames } = video;
  const seen = scope(() =>
    frames.index_select(0, tensor(shownFrames(eye, frames.shape[0]!), { dtype: 'int64' })),
  );
  frames.dispose();
  return { ...video, frames: seen };
}

/** An empty floor; the file is not opened. */
const emptyVideo: FrameReader = async () => {
  const { width, height, fps, num_frames } = LESSON;
  return {
    frames: full([NUM_FRAMES, 3, height, width], FLOOR, { dtype: 'uint8' }),
    secondPerGridS: (2 * num_frames) / fps / NUM_FRAMES,
  };
};

/** Share of the questions whose solution is the commonest one of their kind. */
function bestConstant(records: readonly Solved[]): number {
  const byKind = new Map<string, Map<string, number>>();
  for (const { dims, solution } of records) {
    const counts = byKind.get(dims.kind) ?? new Map<string, number>();
    byKind.set(dims.kind, counts.set(solution, (counts.get(solution) ?? 0) + 1));
  }
  const most = [...byKind.values()].map((counts) => Math.max(...counts.values()));
  return most.reduce((sum, count) => sum + count, 0) / records.length;
}
