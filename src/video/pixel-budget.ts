/**
 * How large the frames shown to the model are: sides a multiple of 28 (14-pixel patches merged 2 by 2), the area within a
 * budget that all frames of a video share.
 * Source: qwen-vl-utils vision_process.py (smart_resize, fetch_video); transformers Qwen2VLImageProcessor.
 */
import { VideoError } from '../base/index.ts';
import { ceilByFactor, FRAME_FACTOR, floorByFactor, roundByFactor } from './sample.ts';

/** Pixels along one side of a merged patch. */
export const IMAGE_FACTOR = 28;
const MAX_RATIO = 200;

export interface PixelSettings {
  /** Least area of a frame, in pixels; smaller ones are enlarged. */
  readonly min_pixels: number;
  /** Largest area of a frame, in pixels. */
  readonly max_pixels: number;
  /** Largest area of all frames together, counted for two frames (one temporal patch) at a time, in pixels. */
  readonly total_pixels: number;
}

export interface FrameSize {
  readonly height: number;
  readonly width: number;
}

/**
 * Target size: both sides divisible by `factor`, area between the limits where the aspect ratio allows it.
 * @throws VideoError when one side is more than 200 times the other
 */
export function smartResize(
  height: number,
  width: number,
  limits: { readonly factor?: number; readonly minPixels: number; readonly maxPixels: number },
): FrameSize {
  const factor = limits.factor ?? IMAGE_FACTOR;
  const ratio = Math.max(height, width) / Math.min(height, width);
  if (!(ratio <= MAX_RATIO)) {
    throw new VideoError(`expected an aspect ratio of at most ${MAX_RATIO}, got ${width}x${height}`, {
      hint: 'crop the picture first',
    });
  }
  let h = Math.max(factor, roundByFactor(height, factor));
  let w = Math.max(factor, roundByFactor(width, factor));
  if (h * w > limits.maxPixels) {
    const beta = Math.sqrt((height * width) / limits.maxPixels);
    h = Math.max(factor, floorByFactor(height / beta, factor));
    w = Math.max(factor, floorByFactor(width / beta, factor));
  } else if (h * w < limits.minPixels) {
    const beta = Math.sqrt(limits.minPixels / (height * width));
    h = ceilByFactor(height * beta, factor);
    w = ceilByFactor(width * beta, factor);
  }
  return { height: h, width: w };
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
  return smartResize(source.height, source.width, {
    minPixels: settings.min_pixels,
    maxPixels: maxPixelsPerFrame(settings, numFrames),
  });
}
