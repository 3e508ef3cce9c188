/**
 * Settings of one video or image: those of the run, and over them what its item says. Limits mean what they mean in qwen-vl-utils.
 * Source: qwen-vl-utils `vision_process.py` (`fetch_video`, `fetch_image`, `smart_nframes`).
 */
import type { Medium } from '../data/index.ts';
import { FRAME_FACTOR, type VideoSettings } from '../video/index.ts';
import { type ImageLimits, imageLimits } from './load-video.ts';

/** Largest area of a frame whatever an item says, in merged patches (`VIDEO_MAX_TOKEN_NUM`). */
const MOST_PATCHES = 768;

/** How a video, or a folder of frames, is sampled and sized. A folder's `fps` is its own rate and chooses nothing. */
export function mediumSettings(run: VideoSettings, medium: Omit<Medium, 'path'>): VideoSettings {
  const { nframes, min_pixels = run.min_pixels } = medium;
  const fps = medium.type === 'video' ? medium.fps : undefined;
  const isCounted = [fps, nframes, medium.max_frames].some((value) => value !== undefined);
  // A least area of 105 % always fits: qwen-vl-utils lifts the largest to it.
  const least = Math.floor(min_pixels * 1.05);
  const max_pixels =
    medium.max_pixels === undefined
      ? Math.max(run.max_pixels, medium.min_pixels === undefined ? 0 : least)
      : Math.min(medium.max_pixels, Math.max(MOST_PATCHES * run.pixel_unit ** 2, least));
  const max_frames = medium.max_frames ?? run.max_frames;
  return {
    ...run,
    fps: fps ?? run.fps,
    min_frames: medium.min_frames ?? Math.min(run.min_frames, Math.max(max_frames, FRAME_FACTOR)),
    max_frames,
    nframes: nframes ?? (fps === undefined ? run.nframes : undefined),
    // An item that counts its frames is not spread over a fixed number of them.
    exact_frames: isCounted ? undefined : run.exact_frames,
    // A largest area that is stated must not be undone by the run's least.
    min_pixels: medium.min_pixels ?? Math.min(run.min_pixels, max_pixels),
    max_pixels,
    clip: run.clip && (medium.max_pixels === undefined ? run.clip : 'capped'),
    total_pixels: medium.total_pixels ?? run.total_pixels,
    resized: sizeOf(medium),
  };
}

/** How an image is sized. */
export function imageSettings(
  { pixel_unit, image }: Pick<VideoSettings, 'pixel_unit' | 'image'>,
  medium: Omit<Medium, 'path'>,
): ImageLimits {
  const { min_pixels, max_pixels, rounds_to_none } = image ?? imageLimits(pixel_unit);
  return {
    pixel_unit,
    rounds_to_none,
    min_pixels: medium.min_pixels ?? Math.min(min_pixels, medium.max_pixels ?? min_pixels),
    max_pixels: medium.max_pixels ?? Math.max(max_pixels, medium.min_pixels ?? max_pixels),
    resized: sizeOf(medium),
  };
}

function sizeOf({ resized_height: height, resized_width: width }: Omit<Medium, 'path'>) {
  return height === undefined || width === undefined ? undefined : { height, width };
}
