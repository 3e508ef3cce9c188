/**
 * A batch of videos: draws their episodes, writes what is missing, and returns all that the files of the whole set need. Batches know
 * nothing of each other, so any number of them can be made at once, in any order.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '../../base/index.ts';
import { encodeMany, sampleFrames, samplingSettings } from '../../video/index.ts';
import { drawEpisode, type EpisodeOptions } from '../questions/episode.ts';
import { type Guesses, guesses } from '../questions/shortcuts.ts';
import { drawFloor, renderFrames } from '../scene/render.ts';
import { annotation, annotationPath, authorsRecords, officialQuestions, videoPath } from './files.ts';

export interface BatchJob {
  readonly output_dir: string;
  readonly split: string;
  readonly seed: number;
  /** Index of its first video. */
  readonly first: number;
  readonly count: number;
  readonly width: number;
  readonly height: number;
  readonly fps: number;
  readonly num_frames: number;
  /** Write the thinking that leads to each answer. */
  readonly with_process: boolean;
  readonly episode: EpisodeOptions;
}

export interface BatchResult {
  /** The records of each video: an entry of the official question file, lines of the JSON Lines file, and the answers of shortcuts. */
  readonly videos: readonly {
    readonly official: string;
    readonly lines: readonly string[];
    readonly guesses: readonly Guesses[];
  }[];
}

/** @throws TwgrpoError when no scene allows a question; VideoError when encoding fails */
export async function makeBatch(job: BatchJob): Promise<BatchResult> {
  const { output_dir, split, seed, first, count, width, height, fps, num_frames } = job;
  const episodes = Array.from({ length: count }, (_, at) => drawEpisode(seed, first + at, job.episode));
  for (const episode of episodes) {
    const path = join(output_dir, annotationPath(split, episode.index));
    if (!existsSync(path)) writeFileAtomic(path, `${JSON.stringify(annotation(episode, fps, num_frames))}\n`);
  }
  const paths = episodes.map(({ index }) => join(output_dir, videoPath(split, index)));
  // A file's last bits depend on its place among the files of its FFmpeg process: a batch is made as a whole or not at all.
  if (!paths.every((path) => existsSync(path))) {
    const floor = drawFloor({ width, height });
    const frames = function* () {
      for (const { story } of episodes)
        yield* renderFrames(story.scene, story.motion, { width, height, fps, numFrames: num_frames }, floor);
    };
    await encodeMany(paths, frames(), { width, height, fps, numFrames: num_frames });
  }
  const trace = job.with_process ? { times: sliceTimes(num_frames, fps) } : undefined;
  return {
    videos: episodes.map((episode) => ({
      official: JSON.stringify(officialQuestions(episode)),
      lines: authorsRecords(episode, split, trace).map((record) => JSON.stringify(record)),
      guesses: episode.questions.map((question) => guesses(episode, question)),
    })),
  };
}

/**
 * Middle of each temporal slice of a video as the model sees it: two frames a second, two frames a slice (the video preset
 * `correct` and patches of two frames).
 */
function sliceTimes(numFrames: number, fps: number): number[] {
  const sampled = sampleFrames(samplingSettings({ video: 'correct' }), {
    totalFrames: numFrames,
    fps,
  }).indices;
  return Array.from(
    { length: Math.floor(sampled.length / 2) },
    (_, slice) => (sampled[2 * slice]! + sampled[2 * slice + 1]!) / 2 / fps,
  );
}
