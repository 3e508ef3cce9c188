/** How long a prompt will be, without decoding its video: text through the chat template, frames by the video's size and length. */

import { VideoError } from '../base/index.ts';
import type { DataItem, VideoFacts } from '../data/index.ts';
import type { Processor } from '../models/index.ts';
import {
  FRAME_FACTOR,
  sampleFrames,
  smartResize,
  type VideoKeys,
  type VideoSettings,
  videoFrameSize,
  videoSettings,
} from '../video/index.ts';
import { type ImageLimits, imageLimits } from './load-video.ts';
import { PromptBuilder, type PromptKeys } from './prompt-builder.ts';

/**
 * A function that gives the number of prompt tokens of an item, vision tokens included. Where nothing is known of the video, or
 * the video is too short to sample, it gives the most that the settings allow.
 */
export function promptCounter(
  processor: Processor,
  keys: Omit<PromptKeys, 'max_prompt_length'> & VideoKeys,
): (item: DataItem, video?: VideoFacts) => number {
  const { pixel_unit } = processor.config;
  const settings = videoSettings(keys, pixel_unit);
  const builder = new PromptBuilder(processor, { ...keys, max_prompt_length: Number.POSITIVE_INFINITY });
  return (item, video) => {
    const text = builder.textIds(item).length;
    const pixels =
      item.media === 'image'
        ? imagePixels(imageLimits(pixel_unit), video)
        : ((video && videoPixels(settings, item, video)) ?? mostPixels(settings));
    // The placeholder itself is replaced.
    return text - 1 + Math.floor(pixels / pixel_unit ** 2);
  };
}

/** Pixels of an image as the model sees it. @throws VideoError when one side is more than 200 times the other */
function imagePixels(limits: ImageLimits, image: VideoFacts | undefined): number {
  if (image === undefined) return limits.max_pixels;
  const { height, width } = smartResize(image.height, image.width, limits);
  return height * width;
}

/** Pixels of all temporal patches; undefined when the video is too short to sample. */
function videoPixels(
  settings: VideoSettings,
  { start: startS, end: endS }: DataItem,
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

function mostPixels({ exact_frames, nframes, max_frames, max_pixels }: VideoSettings): number {
  const frames = exact_frames ?? nframes ?? max_frames;
  return Math.ceil(frames / FRAME_FACTOR) * max_pixels;
}
