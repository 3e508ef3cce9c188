/**
 * Writing a world to disk: MP4 files, annotations and questions in CLEVRER's official form, the same questions as JSON Lines in the
 * authors' form, and what the set is worth (`SPLIT.baselines.json`). Videos that exist already are kept, so an interrupted run goes
 * on with the same bytes.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError, lockFolder, type Notice, processWarning, writeFileAtomic } from '../../base/index.ts';
import { type Baselines, measureBaselines } from '../questions/baselines.ts';
import { QUESTION_KINDS, type QuestionKind } from '../questions/kinds.ts';
import type { SceneOptions } from '../scene/scene.ts';
import type { BatchJob } from './batch.ts';
import { makeBatches } from './batch-pool.ts';
import { jsonlPath, questionsPath } from './files.ts';

export interface WorldOptions {
  readonly output_dir: string;
  readonly num_videos: number;
  /** Video `i` of a seed is the same in every set of that seed and these settings. */
  readonly seed: number;
  /** Name of the files and of the folders of videos and annotations. @default 'train' */
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
  /** Most questions of a video; a scene may not allow so many. @default 1 */
  readonly questions_per_video?: number;
  /** Chance of a negated question. @default 0.25 */
  readonly negated_share?: number;
  /** Most options of a question. @default as many as its kind allows */
  readonly max_options?: number;
  /** Write the thinking that leads to each answer as `process` (`trace.ts`), for supervised training. @default false */
  readonly with_process?: boolean;
  /** Options for drawing the scenes. @default as suits the kind of question */
  readonly scene?: Omit<SceneOptions, 'height' | 'durationS'>;
  /** Threads that draw and encode; 0: this one. @default 0 */
  readonly threads?: number;
  /** Called with the number of videos that are done. */
  readonly onProgress?: (done: number) => void;
  readonly signal?: AbortSignal;
  /** Hears that another machine's process is waited for. @default a warning of the process */
  readonly notice?: Notice;
}

export interface WorldFiles {
  /** The questions: one `{id, problem, video, solution, dims}` a line, videos relative to `video_root`. */
  readonly jsonl_path: string;
  /** Folder the video paths of the JSON Lines file start from. */
  readonly video_root: string;
  /** The questions in CLEVRER's official form; its videos start from `videos/SPLIT`. */
  readonly questions_path: string;
  readonly baselines_path: string;
  readonly baselines: Baselines;
  readonly num_videos: number;
  readonly num_questions: number;
}

/** Videos made by one FFmpeg process. Part of what decides a file's bytes, so it is the same for every number of threads. */
const BATCH = 16;

/**
 * Makes a set of videos with their questions. The question files are written last.
 * @throws ConfigError for impossible options, or when the folder holds videos of other settings or another process makes them;
 * TwgrpoError when no scene allows a question; VideoError when encoding fails; the signal's reason when it stops the work, after the
 * batches that are being made
 */
export async function generateWorld(options: WorldOptions): Promise<WorldFiles> {
  const { output_dir, num_videos, seed, split = 'train', first_index = 0, threads = 0 } = options;
  const { width = 112, height = 112, fps = 8, num_frames = 32, scene = {} } = options;
  const { kinds = QUESTION_KINDS, questions_per_video = 1, negated_share = 0.25, max_options } = options;
  const { with_process = false } = options;
  const counts = { num_videos, questions_per_video, width, height };
  for (const [name, value] of Object.entries(counts))
    if (!Number.isInteger(value) || value < 1)
      throw new ConfigError(`${name} must be a whole number of at least 1, got ${value}`);
  if (width % 2 !== 0 || height % 2 !== 0)
    throw new ConfigError(`width and height must be even, got ${width}x${height}`);
  if (!Number.isInteger(num_frames) || num_frames < 2 || !(fps > 0))
    throw new ConfigError(`expected at least 2 frames and a positive fps, got ${num_frames} and ${fps}`);
  if (kinds.length === 0) throw new ConfigError('kinds must name at least one kind of question');
  if (!(negated_share >= 0 && negated_share <= 1))
    throw new ConfigError(`negated_share must be from 0 to 1, got ${negated_share}`);
  if (!/^[\w-]+$/.test(split))
    throw new ConfigError(`split must be a plain name, got ${JSON.stringify(split)}`);

  const lock = await lockFolder(join(output_dir, 'videos', split), options.notice ?? processWarning);
  try {
    const look = { width, height, fps, num_frames };
    const content = { kinds, questions_per_video, negated_share, max_options, scene };
    checkSettings(output_dir, split, { seed, first_index, ...look, ...content });
    const job = {
      ...{ output_dir, split, seed, ...look, with_process },
      episode: {
        ...scene,
        height: height / width,
        durationS: (num_frames - 1) / fps,
        kinds,
        questionsPerVideo: questions_per_video,
        negatedShare: negated_share,
        ...(max_options === undefined ? {} : { maxOptions: max_options }),
      },
    };
    const jobs = Array.from({ length: Math.ceil(num_videos / BATCH) }, (_, at): BatchJob => {
      const begin = at * BATCH;
      return { ...job, first: first_index + begin, count: Math.min(BATCH, num_videos - begin) };
    });
    let done = 0;
    const report = ({ count }: BatchJob): void => {
      done += count;
      options.onProgress?.(done);
    };
    const videos = (await makeBatches(jobs, threads, report, options.signal)).flatMap(
      (batch) => batch.videos,
    );

    const baselines = measureBaselines(videos.flatMap(({ guesses }) => guesses));
    const files = {
      jsonl_path: join(output_dir, jsonlPath(split)),
      questions_path: join(output_dir, questionsPath(split)),
      baselines_path: join(output_dir, `${split}.baselines.json`),
    };
    const lines = videos.flatMap(({ lines }) => lines);
    writeFileAtomic(files.questions_path, `[\n${videos.map(({ official }) => official).join(',\n')}\n]\n`);
    writeFileAtomic(files.baselines_path, `${JSON.stringify(baselines, null, 2)}\n`);
    writeFileAtomic(files.jsonl_path, lines.map((line) => `${line}\n`).join(''));
    return { ...files, video_root: output_dir, baselines, num_videos, num_questions: lines.length };
  } finally {
    await lock.release();
  }
}

/**
 * Videos of other settings under the same names must not be mixed in; halves of files that a stopped run left go away. A folder
 * without a video takes any settings: a start that failed left nothing to mix with.
 */
function checkSettings(output_dir: string, split: string, settings: Record<string, unknown>): void {
  const folder = join(output_dir, 'videos', split);
  mkdirSync(folder, { recursive: true });
  const path = join(folder, 'settings.json');
  const text = `${JSON.stringify(settings)}\n`;
  const hasVideos = readdirSync(folder, { recursive: true, encoding: 'utf8' }).some((name) =>
    name.endsWith('.mp4'),
  );
  if (!hasVideos) writeFileAtomic(path, text);
  const known = existsSync(path) ? readFileSync(path, 'utf8') : 'their settings.json is missing';
  if (known !== text) {
    throw new ConfigError(`${folder} holds videos made with other settings: ${known.trim()}`, {
      hint: 'choose another output folder or split, or delete the folder',
    });
  }
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }))
    if (/(^|[\\/])\.encoding-\w+$/.test(name)) rmSync(join(folder, name), { recursive: true, force: true });
}
