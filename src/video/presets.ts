/**
 * The video settings by name. `correct` is what to use; `reference` repeats the authors' runs, known slips included.
 */
import type { PixelSettings } from './pixel-budget.ts';
import type { SamplingSettings } from './sample.ts';

export interface VideoSettings extends SamplingSettings, PixelSettings {}

export const VIDEO_PRESETS = ['correct', 'reference', 'reference_eval'] as const;
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
 * - `reference`: the authors' training (SAMPLE_MODE "true"): the same frames, but every clip is told to the model as 2 frames a
 *   second (`second_per_grid_ts` 1.0), so long videos are squeezed.
 * - `reference_eval`: the authors' evaluation, where the setting was lost: always 16 frames, those of short clips repeated.
 */
export function videoPreset(name: VideoPreset): VideoSettings {
  switch (name) {
    case 'correct':
      return { ...TW_GRPO, second_per_grid: 'true_time' };
    case 'reference':
      return { ...TW_GRPO, second_per_grid: 'constant' };
    case 'reference_eval':
      return { ...TW_GRPO, second_per_grid: 'constant', exact_frames: 16 };
    default:
      return name satisfies never;
  }
}
