/**
 * Writing a small world to disk: MP4 files and a JSON Lines file of questions in the authors' form. Videos are drawn and encoded
 * in batches; a batch of which a video is missing is made again, so an interrupted run continues with the same bytes.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { labelled, solutionText } from '../data/index.ts';
import { ConfigError } from '../run/index.ts';
import { encodeMany, sampleFrames, videoPreset } from '../video/index.ts';
import { drawEpisode, type Episode } from './episode.ts';
import { QUESTION_KINDS, type QuestionKind } from './kinds.ts';
import { drawFloor, renderFrames } from './render.ts';
import type { SceneOptions } from './scene.ts';
import { type TraceOptions, traceOf } from './trace.ts';

export interface WorldOptions {
  readonly output_dir: string;
  readonly num_videos: number;
  readonly seed: number;
  /** Name of the JSONL file and of the folder under `videos/`. @default 'train' */
  readonly split?: string;
  /** Index of the first video: splits of one seed that do not overlap share no video. @default 0 */
  readonly first_index?: number;
  /** Pixels, even. @default 112 */
  readonly width?: number;
  readonly height?: number;
  /** Frames a second. @default 8 */
  readonly fps?: number;
  /** @default 32 */
  readonly num_frames?: number;
  /** Kinds of question, used in turn. @default all */
  readonly kinds?: readonly QuestionKind[];
  /** Most questions of a video. @default 1 */
  readonly questions_per_video?: number;
  /** Chance of a negated question. @default 0.25 */
  readonly negated_share?: number;
  /** Most options of a question. @default as many as its kind allows */
  readonly max_options?: number;
  /** Write the thinking that leads to each answer as `process` (`trace.ts`), for supervised training. @default false */
  readonly with_process?: boolean;
  /** How the scenes are drawn. @default as suits the kind of question */
  readonly scene?: Omit<SceneOptions, 'height' | 'durationS'>;
  /** Batches encoded at once. @default the number of processors, at most 8 */
  readonly jobs?: number;
  readonly onProgress?: (done: number) => void;
  readonly signal?: AbortSignal;
}

export interface WorldFiles {
  /** The questions: one `{id, problem, video, solution, dims}` a line, videos relative to `output_dir`. */
  readonly jsonl_path: string;
  /** Folder the video paths start from. */
  readonly video_root: string;
  readonly num_videos: number;
  readonly num_questions: number;
}

/** Videos made by one FFmpeg process. Part of what decides a file's bytes, so it is the same for every number of jobs. */
const BATCH = 16;

/**
 * Makes a set of videos with their questions. Videos that exist already are kept; the JSONL file is written last.
 * @throws ConfigError for impossible options, or when the folder holds videos of other settings
 */
export async function generateWorld(options: WorldOptions): Promise<WorldFiles> {
  const {
    output_dir,
    num_videos,
    seed,
    width = 112,
    height = 112,
    fps = 8,
    num_frames = 32,
    split = 'train',
    first_index = 0,
    kinds = QUESTION_KINDS,
    questions_per_video = 1,
    negated_share = 0.25,
    max_options,
    with_process = false,
    scene = {},
  } = options;
  if (!Number.isInteger(num_videos) || num_videos < 1)
    throw new ConfigError(`num_videos must be at least 1, got ${num_videos}`);
  if (!/^[\w-]+$/.test(split))
    throw new ConfigError(`split must be a plain name, got ${JSON.stringify(split)}`);
  const folder = join('videos', split);
  mkdirSync(join(output_dir, folder), { recursive: true });
  checkSettings(join(output_dir, folder), {
    seed,
    first_index,
    width,
    height,
    fps,
    num_frames,
    kinds,
    questions_per_video,
    negated_share,
    max_options,
    scene,
  });

  const episodeOptions = {
    ...scene,
    height: height / width,
    durationS: (num_frames - 1) / fps,
    kinds,
    questionsPerVideo: questions_per_video,
    negatedShare: negated_share,
    ...(max_options === undefined ? {} : { maxOptions: max_options }),
  };
  const floor = drawFloor({ width, height });
  const trace = with_process ? { times: sliceTimes(num_frames, fps) } : undefined;
  const lines = new Array<string>(num_videos);
  let started = 0;
  let done = 0;
  const work = async (): Promise<void> => {
    while (started < num_videos) {
      const first = started;
      const count = Math.min(BATCH, num_videos - first);
      started += count;
      options.signal?.throwIfAborted();
      const episodes = Array.from({ length: count }, (_, at) =>
        drawEpisode(seed, first_index + first + at, episodeOptions),
      );
      const videos = episodes.map(({ index }) => join(folder, `${String(index).padStart(6, '0')}.mp4`));
      const paths = videos.map((video) => join(output_dir, video));
      if (!paths.every((path) => existsSync(path))) {
        const frames = function* () {
          for (const { story } of episodes)
            yield* renderFrames(
              story.scene,
              story.motion,
              { width, height, fps, numFrames: num_frames },
              floor,
            );
        };
        await encodeMany(paths, frames(), {
          width,
          height,
          fps,
          numFrames: num_frames,
          signal: options.signal,
        });
      }
      for (const [at, episode] of episodes.entries())
        lines[first + at] = records(episode, split, videos[at]!, trace)
          .map((record) => JSON.stringify(record))
          .join('\n');
      done += count;
      options.onProgress?.(done);
    }
  };
  const jobs = Math.max(1, options.jobs ?? Math.min(8, availableParallelism()));
  await Promise.all(Array.from({ length: jobs }, work));

  const text = `${lines.join('\n')}\n`;
  const jsonl_path = join(output_dir, `${split}.jsonl`);
  writeFileSync(`${jsonl_path}.tmp`, text);
  renameSync(`${jsonl_path}.tmp`, jsonl_path);
  return { jsonl_path, video_root: output_dir, num_videos, num_questions: text.split('\n').length - 1 };
}

/**
 * Middle of each temporal slice of a video as the model sees it: two frames a second, two frames a slice (the video preset
 * `correct` and patches of two frames).
 */
function sliceTimes(numFrames: number, fps: number): number[] {
  const sampled = sampleFrames(videoPreset('correct'), { totalFrames: numFrames, fps }).indices;
  return Array.from(
    { length: Math.floor(sampled.length / 2) },
    (_, slice) => (sampled[2 * slice]! + sampled[2 * slice + 1]!) / 2 / fps,
  );
}

/** The authors' records, with an id and the dimensions to report by. */
function records(
  { index, questions, story }: Episode,
  split: string,
  video: string,
  trace: TraceOptions | undefined,
): Record<string, unknown>[] {
  return questions.map((question, at) => ({
    id: `${split}-${index}-${at}`,
    problem: [question.question, ...labelled(question.options)].join('\n'),
    video: video.replaceAll('\\', '/'),
    ...(trace === undefined ? {} : { process: traceOf(question, story, trace) }),
    solution: solutionText(question.answer),
    dims: {
      kind: question.kind,
      rung: question.rung,
      wording: question.isNegated ? 'negated' : 'plain',
      num_options: String(question.options.length),
      num_right: String(question.answer.length),
    },
  }));
}

/** Videos of other settings under the same names must not be mixed in. */
function checkSettings(folder: string, settings: Record<string, unknown>): void {
  const path = join(folder, 'settings.json');
  const text = `${JSON.stringify(settings)}\n`;
  if (!existsSync(path)) writeFileSync(path, text);
  const known = readFileSync(path, 'utf8');
  if (known === text) return;
  throw new ConfigError(`${folder} holds videos made with other settings: ${known.trim()}`, {
    hint: 'choose another output_dir or split, or delete the folder',
  });
}
