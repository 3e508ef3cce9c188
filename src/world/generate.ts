/**
 * Writing a small world to disk: MP4 files and a JSON Lines file of questions in the authors' form. Video `i` of a seed is
 * drawn from a random stream of its own, so any part can be made again, in any order and by several processes.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { labelled, Random, solutionText } from '../data/index.ts';
import { ConfigError, TwgrpoError } from '../run/index.ts';
import { encodeVideo } from '../video/index.ts';
import { type Motion, simulate } from './physics.ts';
import { drawPlan, makeQuestion, QUESTION_KINDS, type Question, type QuestionKind } from './questions.ts';
import { renderFrames } from './render.ts';
import { drawScene, type Scene, type SceneOptions } from './scene.ts';

export interface WorldOptions {
  readonly output_dir: string;
  readonly num_videos: number;
  readonly seed: number;
  /** Name of the JSONL file and of the folder under `videos/`. @default 'train' */
  readonly split?: string;
  /** Pixels, even. @default 112 */
  readonly width?: number;
  readonly height?: number;
  /** Frames a second. @default 8 */
  readonly fps?: number;
  /** @default 32 */
  readonly num_frames?: number;
  /** Kinds of question, used in turn. @default all */
  readonly kinds?: readonly QuestionKind[];
  /** How the scenes are drawn. */
  readonly scene?: Omit<SceneOptions, 'height' | 'durationS'>;
  /** Videos encoded at once. @default the number of processors, at most 8 */
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
}

/** One video with its question, before it is drawn. */
export interface Episode {
  readonly index: number;
  readonly scene: Scene;
  readonly motion: Motion;
  readonly question: Question;
}

const MAX_DRAWS = 5000;

/** Draws scenes from the stream of `index` until one can carry the planned question. */
export function drawEpisode(
  seed: number,
  index: number,
  options: { readonly kinds?: readonly QuestionKind[] } & SceneOptions,
): Episode {
  const kinds = options.kinds ?? QUESTION_KINDS;
  const random = Random.stream(seed, `episode/${index}`);
  const plan = drawPlan(random, kinds[index % kinds.length]!);
  for (let draw = 0; draw < MAX_DRAWS; draw++) {
    const scene = drawScene(random, { ...options, numObjects: options.numObjects ?? [3, 4] });
    const motion = simulate(scene.objects, scene.durationS);
    const question = makeQuestion(random, plan, scene, motion);
    if (question !== undefined) return { index, scene, motion, question };
  }
  throw new TwgrpoError(
    `no scene in ${MAX_DRAWS} draws allows a "${plan.kind}" question with ${plan.numRight} of ${plan.numOptions} options right`,
    { hint: 'allow more objects, longer videos or other speeds' },
  );
}

/**
 * Makes a set of videos with one question each. Videos that exist already are kept, so an interrupted run continues;
 * the JSONL file is written last.
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
  } = options;
  if (!Number.isInteger(num_videos) || num_videos < 1)
    throw new ConfigError(`num_videos must be at least 1, got ${num_videos}`);
  if (!/^[\w-]+$/.test(split))
    throw new ConfigError(`split must be a plain name, got ${JSON.stringify(split)}`);
  const folder = join('videos', split);
  mkdirSync(join(output_dir, folder), { recursive: true });
  checkSettings(join(output_dir, folder), {
    seed,
    width,
    height,
    fps,
    num_frames,
    kinds: options.kinds ?? QUESTION_KINDS,
    scene: options.scene ?? {},
  });

  const sceneOptions = { ...options.scene, height: height / width, durationS: (num_frames - 1) / fps };
  const lines = new Array<string>(num_videos);
  let started = 0;
  let done = 0;
  const work = async (): Promise<void> => {
    while (started < num_videos) {
      const index = started++;
      options.signal?.throwIfAborted();
      const episode = drawEpisode(seed, index, {
        ...sceneOptions,
        ...(options.kinds && { kinds: options.kinds }),
      });
      const video = join(folder, `${String(index).padStart(6, '0')}.mp4`);
      const path = join(output_dir, video);
      if (!existsSync(path)) {
        const frames = renderFrames(episode.scene, episode.motion, {
          width,
          height,
          fps,
          numFrames: num_frames,
        });
        await encodeVideo(path, frames, { width, height, fps, signal: options.signal });
      }
      lines[index] = JSON.stringify(record(episode, split, video));
      options.onProgress?.(++done);
    }
  };
  const jobs = Math.max(1, options.jobs ?? Math.min(8, availableParallelism()));
  await Promise.all(Array.from({ length: jobs }, work));

  const jsonl_path = join(output_dir, `${split}.jsonl`);
  writeFileSync(`${jsonl_path}.tmp`, `${lines.join('\n')}\n`);
  renameSync(`${jsonl_path}.tmp`, jsonl_path);
  return { jsonl_path, video_root: output_dir, num_videos };
}

/** The authors' record, with an id and the dimensions to report by. */
function record({ index, question }: Episode, split: string, video: string): Record<string, unknown> {
  return {
    id: `${split}-${String(index).padStart(6, '0')}`,
    problem: [question.question, ...labelled(question.options)].join('\n'),
    video: video.replaceAll('\\', '/'),
    solution: solutionText(question.answer),
    dims: { kind: question.kind, num_right: String(question.answer.length) },
  };
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
