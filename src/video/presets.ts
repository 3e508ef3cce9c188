/**
 * The video settings by name. `correct` is what to use; `authors` repeats the authors' runs, known slips included.
 */
import { ConfigError } from '../base/index.ts';
import type { PixelSettings } from './pixel-budget.ts';
import type { SamplingSettings } from './sample.ts';

export interface VideoSettings extends SamplingSettings, PixelSettings {
  /** Kernel that frames and images are resized with. @default 'float32' */
  readonly resize_kernel?: 'uint8';
  /** Least and largest area of an image. @default 4 to 16384 merged patches */
  readonly image?: Pick<PixelSettings, 'min_pixels' | 'max_pixels' | 'rounds_to_none'>;
}

/**
 * What a model folder says of videos and images in its processor files: frames, and areas in pixels. Of a video it is the area of all
 * frames together.
 */
export interface FolderLimits {
  readonly fps: number;
  readonly min_frames: number;
  readonly max_frames: number;
  /** Least and largest area of a whole video. */
  readonly video: { readonly shortest_edge: number; readonly longest_edge: number };
  readonly image: { readonly shortest_edge: number; readonly longest_edge: number };
  /** True where the folder asks for `cap_pixels_per_frame`. */
  readonly cap_pixels_per_frame: boolean;
  /** Merged patches of a frame at most, where frames are capped. */
  readonly max_video_tokens: number;
  /** What the files ask for and is not done here, as a sentence that names file and key; the presets that follow them refuse it. */
  readonly refused?: string | undefined;
}

/** Those of the published Qwen3-VL folders. */
const PUBLISHED_LIMITS: FolderLimits = {
  fps: 2,
  min_frames: 4,
  max_frames: 768,
  video: { shortest_edge: 4096, longest_edge: 25_165_824 },
  image: { shortest_edge: 65_536, longest_edge: 16_777_216 },
  cap_pixels_per_frame: false,
  max_video_tokens: 768,
};

/**
 * - `correct`: 2 frames a second, 4 to 16 of them, true time in the temporal positions.
 * - `authors`: the authors' training (SAMPLE_MODE "true"): the same frames, but every clip is told to the model as 2 frames a
 *   second (`second_per_grid_ts` 1.0), so long videos are squeezed.
 * - `authors_eval`: the authors' evaluation, where the setting was lost: always 16 frames, those of short clips repeated.
 * - `transformers`: what the processor of transformers 5.18 does with the files of a Qwen3-VL folder: its frames, an area that all
 *   frames share, its kernel for resizing, its markers around a whole video beside those of each slice.
 * - `transformers_capped`: the same with `cap_pixels_per_frame`, the default from 5.22 on: no frame above 768 merged patches.
 */
export const VIDEO_PRESETS = [
  'correct',
  'authors',
  'authors_eval',
  'transformers',
  'transformers_capped',
] as const;
export type VideoPreset = (typeof VIDEO_PRESETS)[number];

/** Choice and size of frames: a preset, and keys that override it one by one. */
export type VideoKeys = { readonly video: VideoPreset } & {
  readonly [Key in 'fps' | 'max_frames' | 'min_pixels' | 'max_pixels' | 'total_pixels']?:
    | VideoSettings[Key]
    | undefined;
};

/** True for the presets that follow the files of the model folder. */
export const followsFolder = (video: VideoPreset): boolean => video.startsWith('transformers');

/**
 * Which frames: the preset with the keys that were set on their own.
 * @param limits what the model folder says
 * @throws ConfigError where the preset follows a folder that asks for what is not done here, and no `fps` is set
 */
export function samplingSettings(
  { video, ...keys }: VideoKeys,
  limits: FolderLimits = PUBLISHED_LIMITS,
): SamplingSettings {
  if (followsFolder(video)) {
    if (limits.refused !== undefined && keys.fps === undefined)
      throw new ConfigError(limits.refused, {
        hint: `set fps for "video: ${video}", or choose another preset, such as "video: correct"`,
      });
    const { fps = limits.fps, max_frames = limits.max_frames } = keys;
    const min_frames = Math.min(limits.min_frames, max_frames);
    return { fps, min_frames, max_frames, second_per_grid: 'true_time', counting: 'transformers' };
  }
  const { fps = 2, max_frames = 16 } = keys;
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
 * @param limits what the model folder says; read by the presets that follow it
 * @throws ConfigError as `samplingSettings`
 */
export function videoSettings(
  keys: VideoKeys,
  pixel_unit: number,
  limits: FolderLimits = PUBLISHED_LIMITS,
): VideoSettings {
  const { fps, min_frames, max_frames, ...rest } = samplingSettings(keys, limits);
  const area = pixel_unit ** 2;
  if (followsFolder(keys.video)) {
    const { min_pixels = limits.video.shortest_edge, total_pixels = limits.video.longest_edge } = keys;
    const isCapped =
      keys.video === 'transformers_capped' || limits.cap_pixels_per_frame || keys.max_pixels !== undefined;
    const max_pixels = isCapped ? (keys.max_pixels ?? limits.max_video_tokens * area) : total_pixels;
    const { shortest_edge, longest_edge } = limits.image;
    const image = { min_pixels: shortest_edge, max_pixels: longest_edge, rounds_to_none: true };
    const sizes = {
      min_pixels,
      max_pixels,
      total_pixels,
      clip: isCapped ? 'capped' : 'free',
      image,
    } as const;
    return { fps, min_frames, max_frames, ...sizes, ...rest, pixel_unit, resize_kernel: 'uint8' };
  }
  const {
    max_pixels = 196 * area,
    // An explicit maximum means it: the preset's minimum must not undo it.
    min_pixels = Math.min(128 * area, max_pixels),
    // 90 % of a 128k-token context, in pixels.
    total_pixels = Math.trunc(128_000 * area * 0.9),
  } = keys;
  return { fps, min_frames, max_frames, min_pixels, max_pixels, total_pixels, ...rest, pixel_unit };
}
