/**
 * Still images, and folders of frames (TVQA items of MVBench come so), as RGB frames.
 * Transparent pixels are laid on white, as qwen_vl_utils does. PNG and other lossless files give the bytes PIL gives; JPEG
 * may differ by small amounts, because FFmpeg's decoder is not libjpeg.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { readWholeFile, UnreadableFile, VideoError } from '../base/index.ts';
import type { DecodedFrames, DecodeOptions, FrameChooser, FrameSelection } from './decode.ts';
import { runFfmpeg } from './ffmpeg.ts';
import { checkMediaFile, imageInputArguments, READ_MEMORY, tooManyPixels } from './media-file.ts';
import { exifOrientation, upright, webpChunks } from './orientation.ts';
import { parseHeader } from './probe.ts';

export interface RgbImage {
  /** RGB bytes, height x width x 3. */
  readonly pixels: Uint8Array;
  readonly height: number;
  readonly width: number;
}

/** Frames of equal size, one behind the other. */
export interface RgbFrames {
  /** N x height x width x 3 bytes. */
  readonly frames: Uint8Array;
  readonly numFrames: number;
  readonly height: number;
  readonly width: number;
}

const IMAGE_FILE = /\.(png|jpe?g|webp|bmp|tiff?|gif)$/i;
const DEFAULT_MAX_SIDE = 16_384;

/** True for the name of an image that `readImage` takes. */
export function isImagePath(path: string): boolean {
  return IMAGE_FILE.test(path);
}

/**
 * Reads one PNG, JPEG, WebP, BMP or TIFF, upright by its EXIF data; of an animated GIF, PNG or WebP the first frame.
 * @throws VideoError when the file is missing, empty, damaged or not an image
 */
export async function readImage(path: string, options: DecodeOptions = {}): Promise<RgbImage> {
  checkMediaFile(path);
  const file = readImageFile(path);
  const bytes = stillOf(file);
  const pixels = new OnWhite();
  const maxSide = options.maxSide ?? DEFAULT_MAX_SIDE;
  const { exitCode, messages } = await runFfmpeg(
    [
      // FFmpeg versions differ in whether they turn pictures by their EXIF data; `upright` does it for all of them.
      '-noautorotate',
      ...imageInputArguments(bytes),
      '-frames:v',
      '1',
      '-sws_flags',
      'bicubic',
      '-f',
      'rawvideo',
      '-pix_fmt',
      'rgba',
      '-',
    ],
    {
      subject: path,
      maxMemoryBytes: READ_MEMORY,
      timeoutS: options.timeoutS ?? 60,
      input: [bytes],
      onOutput: (chunk) => pixels.add(chunk),
      maxOutputBytes: maxSide * maxSide * 4,
      signal: options.signal,
    },
  );
  const tooLarge = tooManyPixels(path, messages);
  if (tooLarge !== undefined) throw tooLarge;
  const video = parseHeader(messages)?.video;
  const problem = /^.*(?:invalid|error|truncat|corrupt|ended prematurely).*$/im.exec(messages)?.[0];
  if (exitCode !== 0 || video === undefined || pixels.numPixels === 0 || problem !== undefined) {
    throw new VideoError(
      `${path}: FFmpeg cannot read it as an image${problem === undefined ? '' : ` (${problem.replace(/\[[^\]]*\] ?/g, '').trim()})`}`,
      { hint: 'check that the file is a complete PNG, JPEG, WebP, BMP, TIFF or GIF' },
    );
  }
  const { width, height } = video;
  if (pixels.numPixels !== width * height) {
    throw new VideoError(
      `${path}: expected ${width}x${height} pixels (${width * height}), got ${pixels.numPixels}`,
    );
  }
  return upright({ pixels: pixels.rgb(), height, width }, exifOrientation(file));
}

/** The first picture of an animated WebP as a WebP of its own, for FFmpeg reads no animated ones; other files as they are. */
function stillOf(file: Buffer): Buffer {
  if (file.toString('latin1', 8, 16) !== 'WEBPVP8X' || file.length < 30 || (file[20]! & ANIMATION) === 0)
    return file;
  const frame = [...webpChunks(file, 12)].find(({ name }) => name === 'ANMF');
  // 3 bytes each of x, y, width - 1 and height - 1; a first frame that leaves a part of the canvas bare is not taken.
  const isWhole =
    frame !== undefined && file.subarray(24, 30).equals(file.subarray(frame.begin + 6, frame.begin + 12));
  if (!isWhole) return file;
  const extended = Buffer.from(file.subarray(12, 30));
  extended[8] = extended[8]! & ~ANIMATION;
  const body = Buffer.concat([Buffer.from('WEBP'), extended, file.subarray(frame.begin + 16, frame.end)]);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(body.length);
  return Buffer.concat([Buffer.from('RIFF'), length, body]);
}

const ANIMATION = 2;

/** An uncompressed TIFF of as many pixels as are read fits in. */
const MAX_FILE_BYTES = 2 ** 30;

function readImageFile(path: string): Buffer {
  try {
    return readWholeFile(path, MAX_FILE_BYTES);
  } catch (cause) {
    if (!(cause instanceof UnreadableFile)) throw cause;
    throw new VideoError(`${path}: ${cause.message}`, { cause: cause.cause });
  }
}

/** Alpha blending on white with PIL's rounding, piece by piece as RGBA arrives: a large picture is not held twice. */
class OnWhite {
  numPixels = 0;
  readonly #pieces: Uint8Array[] = [];
  #rest = Buffer.alloc(0);

  add(chunk: Buffer): void {
    const rgba = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const end = rgba.length - (rgba.length % 4);
    const rgb = new Uint8Array((end / 4) * 3);
    for (let from = 0, to = 0; from < end; from += 4, to += 3) {
      const alpha = rgba[from + 3]!;
      for (let channel = 0; channel < 3; channel++) {
        const sum = rgba[from + channel]! * alpha + 255 * (255 - alpha) + 128;
        rgb[to + channel] = ((sum >> 8) + sum) >> 8;
      }
    }
    this.#pieces.push(rgb);
    this.#rest = Buffer.from(rgba.subarray(end));
    this.numPixels += end / 4;
  }

  /** RGB bytes of all pixels. */
  rgb(): Uint8Array {
    const all = new Uint8Array(this.numPixels * 3);
    let at = 0;
    for (const piece of this.#pieces) {
      all.set(piece, at);
      at += piece.length;
    }
    return all;
  }
}

/** Names of a folder's images in natural order: `frame2` before `frame10`. @throws VideoError when it is missing or holds none */
export function listFrames(folder: string): string[] {
  let names: string[];
  try {
    names = readdirSync(folder).filter(isImagePath);
  } catch (cause) {
    throw new VideoError(`${folder}: no such folder of frames`, { cause });
  }
  if (names.length === 0) throw new VideoError(`${folder}: the folder holds no images`);
  const order = new Intl.Collator('en', { numeric: true });
  return names.sort(order.compare);
}

/**
 * Reads chosen images of a folder as if they were the frames of a video.
 * @param fps frames a second that the images stand for
 * @throws VideoError when the folder is missing or empty, or its images differ in size
 */
export async function readFrameFolder(
  folder: string,
  fps: number,
  choose: readonly number[],
  options?: DecodeOptions,
): Promise<DecodedFrames>;
export async function readFrameFolder<Sample extends FrameSelection>(
  folder: string,
  fps: number,
  choose: FrameChooser<Sample>,
  options?: DecodeOptions,
): Promise<DecodedFrames<Sample>>;
export async function readFrameFolder(
  folder: string,
  fps: number,
  choose: readonly number[] | FrameChooser,
  options: DecodeOptions = {},
): Promise<DecodedFrames> {
  const names = listFrames(folder);
  const sample =
    typeof choose === 'function' ? choose({ totalFrames: names.length, fps }) : { indices: choose };
  const { indices } = sample;
  let frames = new Uint8Array(0);
  let size: { readonly width: number; readonly height: number } | undefined;
  for (const [at, index] of indices.entries()) {
    const name = names[index];
    if (name === undefined) {
      throw new VideoError(`${folder}: frame indices must lie within 0 to ${names.length - 1}, got ${index}`);
    }
    const image = await readImage(join(folder, name), options);
    if (size === undefined) {
      size = image;
      frames = new Uint8Array(indices.length * image.pixels.length);
    } else if (size.width !== image.width || size.height !== image.height) {
      throw new VideoError(
        `${join(folder, name)}: expected ${size.width}x${size.height} pixels as in the first frame, got ${image.width}x${image.height}`,
      );
    }
    frames.set(image.pixels, at * image.pixels.length);
  }
  if (size === undefined) throw new VideoError(`${folder}: no frame was asked for`);
  return {
    frames,
    numFrames: indices.length,
    height: size.height,
    width: size.width,
    sample,
    timesS: indices.map((index) => index / fps),
    fps,
    totalFrames: names.length,
    durationS: names.length / fps,
    warnings: [],
    notes: names.length === 1 ? ['it has a single frame, which is shown twice'] : [],
  };
}
