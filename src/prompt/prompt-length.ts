/** How long a prompt will be, without decoding its videos: text through the chat template, frames by each file's size and length. */

import { VideoError } from '../base/index.ts';
import type { DataItem, Medium, VideoFacts } from '../data/index.ts';
import type { Processor } from '../models/index.ts';
import {
  FRAME_FACTOR,
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
  const settings = videoSettings(keys, pixel_unit);
  const builder = new PromptBuilder(processor, { ...keys, max_prompt_length: Number.POSITIVE_INFINITY });
  return (item, facts = []) => {
    const text = builder.textIds(item).length;
    const tokens = item.media.map((medium, index) => {
      const own = mediumSettings(settings, medium);
      const known = facts[index];
      const pixels =
        medium.type === 'image'
          ? imagePixels(imageSettings(pixel_unit, medium), known)
          : ((known && videoPixels(own, medium, known)) ?? mostPixels(own));
      // The placeholder itself is replaced.
      return Math.floor(pixels / pixel_unit ** 2) - 1;
    });
    return tokens.reduce((sum, count) => sum + count, text);
  };
}

/** Pixels of an image as the model sees it. @throws VideoError when one side is more than 200 times the other */
function imagePixels(limits: ImageLimits, image: VideoFacts | undefined): number {
  const { resized, pixel_unit, max_pixels } = limits;
  if (image === undefined && resized === undefined) return max_pixels;
  const { height, width } =
    resized === undefined
      ? smartResize(image!.height, image!.width, limits)
      : statedSize(resized, pixel_unit);
  return height * width;
}

/** Pixels of all temporal patches; undefined when the video is too short to sample. */
function videoPixels(
  settings: VideoSettings,
  { start: startS, end: endS }: Medium,
  video: VideoFacts,
): number | undefined {
  try {
    const { fps, numFrames: totalFrames, timesS, durationS } = video;
    const { indices, numSampled } = sampleFrames(settings, {
      totalFrames,
      fps,
      timesS,
      durationS,
      startS,
      endS,
    });
    const { height, width } = videoFrameSize(settings, video, numSampled);
    return Math.ceil(indices.length / FRAME_FACTOR) * height * width;
  } catch (error) {
    if (error instanceof VideoError) return undefined;
    throw error;
  }
}

function mostPixels(settings: VideoSettings): number {
  const { exact_frames, nframes, max_frames, max_pixels, min_pixels, resized, pixel_unit } = settings;
  const frames = exact_frames ?? nframes ?? max_frames;
  const size = resized && statedSize(resized, pixel_unit);
  const area = size === undefined ? Math.max(max_pixels, min_pixels) : size.height * size.width;
  return Math.ceil(frames / FRAME_FACTOR) * area;
}
