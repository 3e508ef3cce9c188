/** What the demo does in which mode: how many questions, how long, on which kinds of question, with which settings. */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { CheckpointError, ConfigError, packageRoot } from '../base/index.ts';
import { type ResolvedConfig, resolveGrpoConfig } from '../train/index.ts';
import { LESSON, type WorldFiles, type WorldOptions } from '../world/index.ts';

export interface DemoMode {
  /** Held-out questions, one a clip. */
  readonly questions: number;
  /** Wall time of training at most. */
  readonly minutes: number;
  /** Wall time of everything; training gets what the rest leaves. */
  readonly total_minutes?: number;
}

export const DEMO_MODES = {
  quick: { questions: 150, minutes: 1, total_minutes: 2 },
  normal: { questions: 600, minutes: 8 },
  full: { questions: 1000, minutes: 20 },
} as const satisfies Record<string, DemoMode>;

export type DemoModeName = keyof typeof DEMO_MODES;

/** Where the demo's episodes begin, so that none of them is one the cold start was trained on. */
const FIRST_HELD_OUT = 10_000_000;
const FIRST_TRAINED = 20_000_000;

/** Questions of one training video at most. */
const QUESTIONS_PER_VIDEO = 4;
/** So many that a fast machine sees each question about three times. */
const TRAIN_VIDEOS_PER_MINUTE = 75;
const LEAST_TRAIN_VIDEOS = 16;

/** Longest answer in tokens: three options with their tracks take about forty. */
export const MAX_COMPLETION_LENGTH = 64;
/** Frames of a clip take 300 KB. */
export const VIDEO_CACHE_MIB = 512;
/** The frames as the cold start knows them. */
export const VIDEO_KEYS = {
  video: 'correct',
  // As the cold start was trained.
  text_after_vision: 'spatial',
  max_frames: 8,
  max_pixels: 112 * 112,
} as const;

/** What the cold start was never asked: it sees where objects are, and learns from rewards alone to tell which of them move. */
const KINDS = ['move'] as const satisfies WorldOptions['kinds'];

/** Question and options only, as the cold start was trained. */
export const PROMPT_TEMPLATE = 'plain';

/** The clips to draw: of the make the cold start knows, none of those it was trained on, asked about something new. */
export function demoWorlds(
  mode: DemoMode,
  folder: string,
  seed: number,
): Readonly<Record<'heldOut' | 'train', WorldOptions>> {
  const common = {
    ...LESSON,
    kinds: KINDS,
    output_dir: join(folder, 'world'),
    seed,
  };
  return {
    heldOut: { ...common, split: 'held-out', first_index: FIRST_HELD_OUT, num_videos: mode.questions },
    train: {
      ...common,
      split: 'train',
      first_index: FIRST_TRAINED,
      num_videos: Math.max(LEAST_TRAIN_VIDEOS, Math.ceil(TRAIN_VIDEOS_PER_MINUTE * mode.minutes)),
      questions_per_video: QUESTIONS_PER_VIDEO,
    },
  };
}

export interface DemoTraining {
  readonly folder: string;
  readonly model: string;
  readonly files: WorldFiles;
  readonly seed: number;
  readonly minutes: number;
}

/** TW-GRPO with our defaults, at the size of a small model. */
export function demoConfig({ folder, model, files, seed, minutes }: DemoTraining): ResolvedConfig {
  return resolveGrpoConfig([
    {
      source: 'demo',
      values: {
        model_name_or_path: model,
        dtype: 'float32',
        jsonl_path: files.jsonl_path,
        video_root: files.video_root,
        ...VIDEO_KEYS,
        prompt_template: PROMPT_TEMPLATE,
        video_cache_mib: VIDEO_CACHE_MIB,
        output_dir: join(folder, 'run'),
        loss_type: 'tw_grpo',
        reward_funcs: ['accuracy', 'format'],
        accuracy: 'soft',
        num_generations: 8,
        max_completion_length: MAX_COMPLETION_LENGTH,
        prompts_per_micro_batch: 8,
        learning_rate: 2e-4,
        lr_scheduler_type: 'constant_with_warmup',
        warmup_ratio: 0.03,
        max_minutes: minutes,
        gradient_checkpointing: false,
        // Drawn a moment ago, all of one size.
        check_prompts: false,
        save_steps: 100_000,
        seed,
      },
    },
  ]);
}

/** Training must be worth the name, however slow the rest was. */
const LEAST_MINUTES = 0.25;

/**
 * @param usedS seconds since the start
 * @param evaluationS seconds the evaluation before training took; the one after it takes as long
 */
export function trainMinutes(mode: DemoMode, usedS: number, evaluationS: number): number {
  if (mode.total_minutes === undefined) return mode.minutes;
  const left = mode.total_minutes - (usedS + evaluationS) / 60;
  return Math.min(mode.minutes, Math.max(LEAST_MINUTES, left));
}

/** Written first, so that the folder of a demo is known as one. */
export const DEMO_FILE = 'demo.json';
export const DEFAULT_FOLDER = join('runs', 'demo');

/**
 * The folder to write to. Without a wish the first free one of runs/demo, runs/demo-2, …: an earlier demo is never lost.
 * @throws ConfigError when the wished folder is not empty and must not, or cannot safely, be replaced
 */
export function chooseFolder(wish: string | undefined, replace: boolean): string {
  if (wish === undefined && !replace) {
    for (let number = 1; ; number++) {
      const folder = number === 1 ? DEFAULT_FOLDER : `${DEFAULT_FOLDER}-${number}`;
      if (isFree(folder)) return folder;
    }
  }
  const folder = wish ?? DEFAULT_FOLDER;
  if (isFree(folder)) return folder;
  if (!isDemo(folder))
    throw new ConfigError(`--output-dir ${folder}: not empty, and not the folder of an earlier demo`, {
      hint: 'choose another --output-dir',
    });
  if (!replace)
    throw new ConfigError(`--output-dir ${folder}: holds an earlier demo`, {
      hint: 'add --replace to remove it, or choose another --output-dir',
    });
  rmSync(folder, { recursive: true });
  return folder;
}

const isFree = (folder: string): boolean => !existsSync(folder) || readdirSync(folder).length === 0;

function isDemo(folder: string): boolean {
  const file = join(folder, DEMO_FILE);
  return (
    existsSync(file) &&
    (JSON.parse(readFileSync(file, 'utf8')) as { made_by?: unknown }).made_by === 'twgrpo demo'
  );
}

/** @throws CheckpointError when there is no model folder */
export function chooseModel(wish: string | undefined): string {
  const folder = wish ?? join(packageRoot(), 'assets', 'cold-start');
  if (existsSync(join(folder, 'config.json'))) return folder;
  throw wish === undefined
    ? new CheckpointError(`the cold-start model is missing: no config.json in ${folder}`, {
        hint: 'make it with `node scripts/cold-start.mjs`, or name another model with --model',
      })
    : new CheckpointError(`--model ${folder}: no config.json in it`, {
        hint: 'name a Hugging Face folder of a Qwen2.5-VL model, for example the checkpoint of a run',
      });
}
