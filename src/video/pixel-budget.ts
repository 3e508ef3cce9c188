/**
 * How large the frames shown to the model are: sides a multiple of a merged patch's, the area within a
 * budget that all frames of a video share.
 * Source: qwen-vl-utils vision_process.py (smart_resize, fetch_video); transformers Qwen2VLImageProcessor, and 5.18
 * `models/qwen3_vl/video_processing_qwen3_vl.py` for areas that a whole video shares.
 */
import { VideoError } from '../base/index.ts';
import { ceilByFactor, FRAME_FACTOR, floorByFactor, roundByFactor } from './sample.ts';

const MAX_RATIO = 200;

export interface PixelSettings {
  /** Side of a merged patch in pixels: `pixel_unit` of the model's config, 28 where patches of 14 are merged 2 by 2. */
  readonly pixel_unit: number;
  /** Least area of a frame, in pixels; smaller ones are enlarged. */
  readonly min_pixels: number;
  /** Largest area of a frame, in pixels. */
  readonly max_pixels: number;
  /** Largest area of all frames together, counted for two frames (one temporal patch) at a time, in pixels. */
  readonly total_pixels: number;
  /**
   * Set where `min_pixels` and `total_pixels` are areas of all frames together, each counted: `free`, a short video may spend all of it
   * on few frames; `capped`, no frame is larger than `max_pixels` or than its share.
   */
  readonly clip?: 'free' | 'capped' | undefined;
  /**
   * Whether a side under half a merged patch counts as none when areas are looked at, as in transformers, so that very flat pictures are
   * enlarged more; else as one patch, as in qwen_vl_utils. @default false
   */
  readonly rounds_to_none?: boolean | undefined;
  /** Size to resize to, rounded to whole merged patches, in place of what the areas ask for. */
  readonly resized?: FrameSize | undefined;
}

export interface FrameSize {
  readonly height: number;
  readonly width: number;
}

/**
 * Target size: both sides divisible by `pixel_unit`, area between the limits where the aspect ratio allows it.
 * @throws VideoError when one side is more than 200 times the other
 */
export function smartResize(
  height: number,
  width: number,
  limits: Omit<PixelSettings, 'total_pixels'>,
): FrameSize {
  const { pixel_unit: factor, min_pixels, max_pixels, rounds_to_none = false } = limits;
  const ratio = Math.max(height, width) / Math.min(height, width);
  if (!(ratio <= MAX_RATIO)) {
    throw tooNarrow(width, height);
  }
  const least = rounds_to_none ? 0 : factor;
  let h = Math.max(least, roundByFactor(height, factor));
  let w = Math.max(least, roundByFactor(width, factor));
  if (h * w > max_pixels) {
    const beta = Math.sqrt((height * width) / max_pixels);
    h = Math.max(factor, floorByFactor(height / beta, factor));
    w = Math.max(factor, floorByFactor(width / beta, factor));
  } else if (h * w < min_pixels) {
    const beta = Math.sqrt(min_pixels / (height * width));
    h = ceilByFactor(height * beta, factor);
    w = ceilByFactor(width * beta, factor);
  }
  return { height: h, width: w };
}

function tooNarrow(width: number, height: number): VideoError {
  return new VideoError(`expected an aspect ratio of at most ${MAX_RATIO}, got ${width}x${height}`, {
    hint: 'crop the picture first',
  });
}

/**
 * Largest area of one frame when `numFrames` share the video's total. The share never falls below 1.05 times the least area,
 * and never lifts `max_pixels` (qwen_vl_utils: a video's own `max_pixels` caps what follows from the total).
 */
export function maxPixelsPerFrame(settings: PixelSettings, numFrames: number): number {
  const share = (settings.total_pixels / numFrames) * FRAME_FACTOR;
  return Math.min(settings.max_pixels, Math.max(share, Math.floor(settings.min_pixels * 1.05)));
}

/** Size of a video's frames for the model. */
export function videoFrameSize(settings: PixelSettings, source: FrameSize, numFrames: number): FrameSize {
  const { resized, pixel_unit } = settings;
  if (resized !== undefined) return statedSize(resized, pixel_unit);
  if (settings.clip !== undefined) return clipFrameSize(settings, source, numFrames);
  const max_pixels = maxPixelsPerFrame(settings, numFrames);
  return smartResize(source.height, source.width, { ...settings, max_pixels });
}

/**
 * Size of the frames of a video whose area is counted as frames * height * width (`smart_resize` of Qwen3-VL's video processor).
 * @throws VideoError when one side is more than 200 times the other
 */
function clipFrameSize(settings: PixelSettings, source: FrameSize, numFrames: number): FrameSize {
  const { pixel_unit: factor, min_pixels } = settings;
  const most = clipArea(settings, numFrames);
  // Too narrow pictures are enlarged to one merged patch first.
  const scale = Math.max(1, factor / source.height, factor / source.width);
  const [height, width] = [Math.trunc(source.height * scale), Math.trunc(source.width * scale)];
  if (Math.max(height, width) / Math.min(height, width) > MAX_RATIO) throw tooNarrow(width, height);
  const frames = roundByFactor(numFrames, FRAME_FACTOR);
  const rounded = { height: roundByFactor(height, factor), width: roundByFactor(width, factor) };
  const area = frames * rounded.height * rounded.width;
  if (area > most) {
    const beta = Math.sqrt((numFrames * height * width) / most);
    const within = (side: number) => Math.max(factor, floorByFactor(side / beta, factor));
    return { height: within(height), width: within(width) };
  }
  if (area < min_pixels) {
    const beta = Math.sqrt(min_pixels / (numFrames * height * width));
    return { height: ceilByFactor(height * beta, factor), width: ceilByFactor(width * beta, factor) };
  }
  return rounded;
}

/** Largest area of all frames of a video together. */
export function clipArea(
  { clip, min_pixels, max_pixels, total_pixels }: PixelSettings,
  numFrames: number,
): number {
  if (clip !== 'capped') return total_pixels;
  const share = Math.min(max_pixels, Math.floor(total_pixels / numFrames));
  return numFrames * Math.max(share, Math.trunc(min_pixels * 1.05));
}

/** Least and largest area of an image, and of a stated size: 4 to 16384 merged patches. @param pixel_unit as in the model's config */
export function imageArea(pixel_unit: number): Pick<PixelSettings, 'min_pixels' | 'max_pixels'> {
  return { min_pixels: 4 * pixel_unit ** 2, max_pixels: 16_384 * pixel_unit ** 2 };
}

/** A stated size in whole merged patches (`resized_height`, `resized_width` of qwen_vl_utils). */
export function statedSize({ height, width }: FrameSize, pixel_unit: number): FrameSize {
  return smartResize(height, width, { pixel_unit, ...imageArea(pixel_unit) });
}
