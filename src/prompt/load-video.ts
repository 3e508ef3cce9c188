/**
 * From a file to what the model's processor takes: sample, decode, choose the size, resize. One call, one set of settings,
 * and everything that was decided is in the result, so that it can be written down beside a score.
 */
import { statSync } from 'node:fs';
import { FOLDER_FPS } from '../data/index.ts';
import type { Tensor } from '../tensor/index.ts';
import {
  type DecodeOptions,
  decodeFrames,
  type FrameChooser,
  type FrameSample,
  imageArea,
  middleFrame,
  type PixelSettings,
  readFrameFolder,
  readImage,
  sampleFrames,
  smartResize,
  statedSize,
  type VideoSettings,
  videoFrameSize,
} from '../video/index.ts';
import { type ResizeKernel, resizeFrames } from './resize.ts';

export interface LoadVideoOptions extends DecodeOptions {
  /** Clip of the video to use, in seconds. */
  readonly startS?: number | undefined;
  readonly endS?: number | undefined;
  /** Frames a second of a folder of frames. @default 3, as TVQA's */
  readonly folderFps?: number | undefined;
  /** Show of all frames that would be shown only the one in the middle. @default false */
  readonly onlyMiddle?: boolean | undefined;
  /** @default that of the settings, else 'float32' */
  readonly kernel?: ResizeKernel | undefined;
}

export interface LoadedVideo {
  /** uint8 tensor [N, 3, height, width]; sides divisible by `pixel_unit`. */
  readonly frames: Tensor;
  readonly numFrames: number;
  readonly height: number;
  readonly width: number;
  /** Size in the file, after rotation. */
  readonly sourceHeight: number;
  readonly sourceWidth: number;
  readonly indices: readonly number[];
  readonly timesS: readonly number[];
  /** Times in seconds that a prompt states in words. */
  readonly statedS: readonly number[];
  /** Frames a second and number of frames of the whole file. */
  readonly fps: number;
  readonly totalFrames: number;
  readonly sampleFps: number;
  /** Seconds a temporal patch stands for (`second_per_grid_ts`). */
  readonly secondPerGridS: number;
  readonly warnings: readonly string[];
}

/**
 * Loads a video file, or a folder of frames.
 * @throws VideoError as `decodeFrames`; also when the clip is too short to sample
 */
export async function loadVideo(
  path: string,
  settings: VideoSettings,
  options: LoadVideoOptions = {},
): Promise<LoadedVideo> {
  const { startS, endS, onlyMiddle } = options;
  const choose: FrameChooser<FrameSample> = (video) => {
    const sample = sampleFrames(settings, { ...video, startS, endS, path });
    return onlyMiddle ? middleFrame(sample) : sample;
  };
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  const decoded = isFolder
    ? await readFrameFolder(path, options.folderFps ?? FOLDER_FPS, choose, options)
    : await decodeFrames(path, choose, options);
  const { indices, statedS, numSampled, sampleFps, secondPerGridS } = decoded.sample;
  const size = videoFrameSize(settings, decoded, numSampled);
  return {
    frames: resizeFrames(decoded, size, options.kernel ?? settings.resize_kernel),
    numFrames: indices.length,
    ...size,
    sourceHeight: decoded.height,
    sourceWidth: decoded.width,
    indices,
    timesS: decoded.timesS,
    statedS,
    fps: decoded.fps,
    totalFrames: decoded.totalFrames,
    sampleFps,
    secondPerGridS,
    warnings: [
      ...decoded.warnings,
      ...decoded.notes,
      ...(isFolder && options.folderFps === undefined
        ? [`its images are taken to be ${FOLDER_FPS} a second, for nothing says otherwise`]
        : []),
    ],
  };
}

export interface LoadedImage {
  /** uint8 tensor [1, 3, height, width]; sides divisible by `pixel_unit`. */
  readonly frames: Tensor;
  readonly height: number;
  readonly width: number;
  readonly sourceHeight: number;
  readonly sourceWidth: number;
}

/** Size limits of a still image. */
export type ImageLimits = Omit<PixelSettings, 'total_pixels'>;

/** Size limits of a still image in qwen_vl_utils: 4 to 16384 merged patches. @param pixel_unit as in the model's config */
export function imageLimits(pixel_unit: number): ImageLimits {
  return { pixel_unit, ...imageArea(pixel_unit) };
}

/** Loads a still image. */
export async function loadImage(
  path: string,
  limits: ImageLimits,
  options: LoadVideoOptions = {},
): Promise<LoadedImage> {
  const image = await readImage(path, options);
  const size =
    limits.resized === undefined
      ? smartResize(image.height, image.width, limits)
      : statedSize(limits.resized, limits.pixel_unit);
  const frames = resizeFrames({ frames: image.pixels, numFrames: 1, ...image }, size, options.kernel);
  return { frames, ...size, sourceHeight: image.height, sourceWidth: image.width };
}
