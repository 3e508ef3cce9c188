/**
 * The video settings by name. `correct` is what to use; `authors` repeats the authors' runs, known slips included.
 */
import type { PixelSettings } from './pixel-budget.ts';
import type { SamplingSettings } from './sample.ts';

export interface VideoSettings extends SamplingSettings, PixelSettings {}

export const VIDEO_PRESETS = ['correct', 'authors', 'authors_eval'] as const;
export type VideoPreset = (typeof VIDEO_PRESETS)[number];

const PATCH_AREA = 28 * 28;

const TW_GRPO = {
  fps: 2,
  min_frames: 4,
  max_frames: 16,
  min_pixels: 128 * PATCH_AREA,
  max_pixels: 196 * PATCH_AREA,
  // 90 % of a 128k-token context, in pixels.
  total_pixels: Math.trunc(128_000 * PATCH_AREA * 0.9),
} as const;

/**
 * - `correct`: 2 frames a second, 4 to 16 of them, true time in the temporal positions.
 * - `authors`: the authors' training (SAMPLE_MODE "true"): the same frames, but every clip is told to the model as 2 frames a
 *   second (`second_per_grid_ts` 1.0), so long videos are squeezed.
 * - `authors_eval`: the authors' evaluation, where the setting was lost: always 16 frames, those of short clips repeated.
 */
export function videoPreset(name: VideoPreset): VideoSettings {
  switch (name) {
    case 'correct':
      return { ...TW_GRPO, second_per_grid: 'true_time' };
    case 'authors':
      return { ...TW_GRPO, second_per_grid: 'constant' };
    case 'authors_eval':
      return { ...TW_GRPO, second_per_grid: 'constant', exact_frames: 16 };
    default:
      return name satisfies never;
  }
}

/**
 * Where positions of text go on after a video: after the space it takes (transformers 5), or after its largest position
 * (transformers 4), which is what the authors trained and evaluated with.
 */
export function textAfterVision(preset: VideoPreset): 'spatial' | 'largest' {
  return preset === 'correct' ? 'spatial' : 'largest';
}

/** Where frames come from and how large they are: a preset, and keys that override it one by one. */
export interface VideoKeys {
  readonly video: VideoPreset;
  readonly fps?: number | undefined;
  readonly max_frames?: number | undefined;
  readonly min_pixels?: number | undefined;
  readonly max_pixels?: number | undefined;
  readonly total_pixels?: number | undefined;
}

/** The preset with the keys that were set on their own. */
export function videoSettings(config: VideoKeys): VideoSettings {
  const { fps, max_frames, min_pixels, max_pixels, total_pixels } = config;
  const own = Object.entries({ fps, max_frames, min_pixels, max_pixels, total_pixels }).filter(
    ([, value]) => value !== undefined,
  );
  const settings = { ...videoPreset(config.video), ...(Object.fromEntries(own) as Partial<VideoSettings>) };
  // An explicit maximum means it: the preset's minimum must not undo it.
  const least_pixels = min_pixels ?? Math.min(settings.min_pixels, settings.max_pixels);
  return {
    ...settings,
    min_pixels: least_pixels,
    min_frames: Math.min(settings.min_frames, settings.max_frames),
    ...(settings.exact_frames === undefined
      ? {}
      : { exact_frames: Math.min(settings.exact_frames, settings.max_frames) }),
  };
}
