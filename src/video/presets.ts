/**
 * The video settings by name. `correct` is what to use; `authors` repeats the authors' runs, known slips included.
 */
import type { PixelSettings } from './pixel-budget.ts';
import type { SamplingSettings } from './sample.ts';

export interface VideoSettings extends SamplingSettings, PixelSettings {}

/**
 * - `correct`: 2 frames a second, 4 to 16 of them, true time in the temporal positions.
 * - `authors`: the authors' training (SAMPLE_MODE "true"): the same frames, but every clip is told to the model as 2 frames a
 *   second (`second_per_grid_ts` 1.0), so long videos are squeezed.
 * - `authors_eval`: the authors' evaluation, where the setting was lost: always 16 frames, those of short clips repeated.
 */
export const VIDEO_PRESETS = ['correct', 'authors', 'authors_eval'] as const;
export type VideoPreset = (typeof VIDEO_PRESETS)[number];

/** Choice and size of frames: a preset, and keys that override it one by one. */
export type VideoKeys = { readonly video: VideoPreset } & {
  readonly [Key in 'fps' | 'max_frames' | 'min_pixels' | 'max_pixels' | 'total_pixels']?:
    | VideoSettings[Key]
    | undefined;
};

/** Which frames: the preset with the keys that were set on their own. */
export function samplingSettings({ video, fps = 2, max_frames = 16 }: VideoKeys): SamplingSettings {
  return {
    fps,
    min_frames: Math.min(4, max_frames),
    max_frames,
    second_per_grid: video === 'correct' ? 'true_time' : 'constant',
    ...(video === 'authors_eval' ? { exact_frames: Math.min(16, max_frames) } : {}),
  };
}

/**
 * Which frames and how large: the preset with the keys that were set on their own.
 * @param pixel_unit side of a merged patch in pixels, as in the model's config; the preset's areas are counted in it
 */
export function videoSettings(keys: VideoKeys, pixel_unit: number): VideoSettings {
  const { fps, min_frames, max_frames, ...rest } = samplingSettings(keys);
  const area = pixel_unit ** 2;
  const {
    max_pixels = 196 * area,
    // An explicit maximum means it: the preset's minimum must not undo it.
    min_pixels = Math.min(128 * area, max_pixels),
    // 90 % of a 128k-token context, in pixels.
    total_pixels = Math.trunc(128_000 * area * 0.9),
  } = keys;
  return { fps, min_frames, max_frames, min_pixels, max_pixels, total_pixels, ...rest, pixel_unit };
}
