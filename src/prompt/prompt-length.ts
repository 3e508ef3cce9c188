/** How long a prompt will be, without decoding its videos: text through the chat template, frames by each file's size and length. */

import { VideoError } from '../base/index.ts';
import type { DataItem, Medium, VideoFacts } from '../data/index.ts';
import type { FrameSizes, Processor } from '../models/index.ts';
import {
  clipArea,
  FRAME_FACTOR,
  type FrameSize,
  sampleFrames,
  smartResize,
  statedSize,
  type VideoKeys,
  type VideoSettings,
  videoFrameSize,
  videoSettings,
} from '../video/index.ts';
import type { ImageLimits } from './load-video.ts';
import { imageSettings, mediumSettings } from './medium-settings.ts';
import { PromptBuilder, type PromptKeys } from './prompt-builder.ts';

/**
 * A function that gives the number of prompt tokens of an item, vision tokens included. Where nothing is known of a video, or
 * the video is too short to sample, it gives the most that the settings allow.
 */
export function promptCounter(
  processor: Processor,
  keys: Omit<PromptKeys, 'max_prompt_length'> & VideoKeys,
): (item: DataItem, facts?: readonly (VideoFacts | undefined)[]) => number {
  const { pixel_unit } = processor.config;
  const settings = videoSettings(keys, pixel_unit, processor.limits);
  const builder = new PromptBuilder(processor, { ...keys, max_prompt_length: Number.POSITIVE_INFINITY });
  return (item, facts = []) => {
    const sizes = item.media.map((medium, index): FrameSizes => {
      const own = mediumSettings(settings, medium);
      const known = facts[index];
      if (medium.type === 'image')
        return { numFrames: 1, ...imageSize(imageSettings(settings, medium), known) };
      return (known && videoSizes(own, medium, known)) ?? largestSizes(own);
    });
    return builder.countTokens(item, sizes);
  };
}

/** Size of an image as the model sees it. @throws VideoError when one side is more than 200 times the other */
function imageSize(limits: ImageLimits, image: VideoFacts | undefined): FrameSize {
  const { resized, pixel_unit, max_pixels } = limits;
  if (resized !== undefined) return statedSize(resized, pixel_unit);
  if (image === undefined) return inOneRow(max_pixels, pixel_unit);
  return smartResize(image.height, image.width, limits);
}

/** Sizes of a video as the model sees it; undefined when it is too short to sample. */
function videoSizes(
  settings: VideoSettings,
  { start: startS, end: endS }: Medium,
  video: VideoFacts,
): FrameSizes | undefined {
  try {
    const { fps, numFrames: totalFrames, timesS, durationS } = video;
    const { indices, numSampled, statedS } = sampleFrames(settings, {
      totalFrames,
      fps,
      timesS,
      durationS,
      startS,
      endS,
    });
    return { numFrames: indices.length, statedS, ...videoFrameSize(settings, video, numSampled) };
  } catch (error) {
    if (error instanceof VideoError) return undefined;
    throw error;
  }
}

/** Seconds with as many digits as a prompt will state. */
const LONG_TIME_S = 99_999;

function largestSizes(settings: VideoSettings): FrameSizes {
  const { exact_frames, nframes, max_frames, max_pixels, min_pixels, resized, pixel_unit, clip } = settings;
  const numFrames = exact_frames ?? nframes ?? max_frames;
  const statedS = Array.from({ length: numFrames }, () => LONG_TIME_S);
  if (resized !== undefined) return { numFrames, statedS, ...statedSize(resized, pixel_unit) };
  const frames = Math.ceil(numFrames / FRAME_FACTOR) * FRAME_FACTOR;
  const area =
    clip === undefined ? Math.max(max_pixels, min_pixels) : Math.ceil(clipArea(settings, numFrames) / frames);
  return { numFrames, statedS, ...inOneRow(area, pixel_unit) };
}

/** An area of whole merged patches as a size. */
function inOneRow(area: number, pixel_unit: number): FrameSize {
  return { height: pixel_unit, width: Math.floor(area / pixel_unit ** 2) * pixel_unit };
}
