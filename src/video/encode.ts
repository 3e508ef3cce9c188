/**
 * Writing frames as a real MP4 file. With the same FFmpeg the same frames give the same bytes: one thread, no time
 * stamps, no version strings in the container.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { VideoError } from '../base/index.ts';
import { findFfmpeg, runFfmpeg } from './ffmpeg.ts';

export interface EncodeOptions {
  /** Pixels; even, because of 4:2:0 chroma. */
  readonly width: number;
  readonly height: number;
  /** Frames a second. */
  readonly fps: number;
  /** H.264 constant rate factor, 0 (lossless) to 51. @default 18 */
  readonly crf?: number;
  /** libx264 speed. @default 'veryfast' */
  readonly preset?: 'ultrafast' | 'veryfast' | 'fast' | 'medium' | 'slow';
  /** Wall-clock limit in seconds. @default 300 */
  readonly timeoutS?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface EncodedVideo {
  readonly path: string;
  readonly numFrames: number;
  /** `libx264`, or `mpeg4` where this FFmpeg has no H.264 encoder. */
  readonly encoder: string;
}

const encoders = new Map<string, string>();

/** The encoder this FFmpeg has for MP4. */
export function videoEncoder(): string {
  const program = findFfmpeg();
  let encoder = encoders.get(program.path);
  if (encoder === undefined) {
    const list = execFileSync(program.path, ['-hide_banner', '-encoders'], {
      encoding: 'utf8',
      timeout: 20_000,
    });
    const found = ['libx264', 'mpeg4'].find((name) => new RegExp(`^ V\\S+ ${name} `, 'm').test(list));
    if (found === undefined) {
      throw new VideoError(`${program.path} has neither the libx264 nor the mpeg4 encoder`, {
        hint: 'set FFMPEG_PATH to a complete FFmpeg build',
      });
    }
    encoder = found;
    encoders.set(program.path, encoder);
  }
  return encoder;
}

/**
 * Encodes RGB frames to an MP4 file (yuv420p). The file appears under its name only when it is complete.
 * @param frames each height x width x 3 bytes
 * @throws VideoError when sizes are odd or wrong, there is no frame, or FFmpeg fails
 */
export async function encodeVideo(
  path: string,
  frames: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  options: EncodeOptions,
): Promise<EncodedVideo> {
  const { width, height, fps } = options;
  const crf = options.crf ?? 18;
  if (!isEven(width) || !isEven(height)) {
    throw new VideoError(`${path}: expected an even positive width and height, got ${width}x${height}`);
  }
  if (!(fps > 0) || !Number.isFinite(fps))
    throw new VideoError(`${path}: expected a positive fps, got ${fps}`);
  if (!(crf >= 0 && crf <= 51)) throw new VideoError(`${path}: expected a crf from 0 to 51, got ${crf}`);
  const encoder = videoEncoder();
  const target = resolve(path);
  mkdirSync(dirname(target), { recursive: true });
  const temporary = `${target}.${process.pid}.tmp`;
  const counted = countFrames(path, frames, width * height * 3);
  // MPEG-4 has a quantiser from 2 to 31 where H.264 has a rate factor.
  const quality =
    encoder === 'libx264'
      ? ['-preset', options.preset ?? 'veryfast', '-crf', String(crf)]
      : ['-q:v', String(Math.max(2, Math.round(2 + (crf / 51) * 29)))];
  try {
    const { exitCode, messages } = await runFfmpeg(
      [
        ...['-loglevel', 'error', '-y', '-f', 'rawvideo', '-pix_fmt', 'rgb24', '-s', `${width}x${height}`],
        ...['-framerate', String(fps), '-i', 'pipe:0', '-sws_flags', 'bicubic', '-c:v', encoder, ...quality],
        ...[
          '-pix_fmt',
          'yuv420p',
          '-threads',
          '1',
          '-map_metadata',
          '-1',
          '-fflags',
          '+bitexact',
          '-flags:v',
          '+bitexact',
        ],
        ...['-movflags', '+faststart', '-f', 'mp4', `file:${temporary}`],
      ],
      { subject: path, timeoutS: options.timeoutS ?? 300, input: counted.frames, signal: options.signal },
    );
    if (exitCode !== 0) {
      throw new VideoError(
        `${path}: FFmpeg could not encode it (${messages.trim().split('\n')[0] ?? 'no message'})`,
        {
          hint: 'check the free space and the permissions of the folder',
        },
      );
    }
    if (counted.count() === 0) throw new VideoError(`${path}: no frames were given`);
    renameSync(temporary, target);
  } finally {
    rmSync(temporary, { force: true });
  }
  return { path: target, numFrames: counted.count(), encoder };
}

function isEven(size: number): boolean {
  return Number.isInteger(size) && size > 0 && size % 2 === 0;
}

function countFrames(
  path: string,
  frames: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  frameBytes: number,
): { readonly frames: AsyncIterable<Uint8Array>; readonly count: () => number } {
  let count = 0;
  async function* checked(): AsyncGenerator<Uint8Array> {
    for await (const frame of frames) {
      if (frame.length !== frameBytes) {
        throw new VideoError(`${path}: expected ${frameBytes} bytes for frame ${count}, got ${frame.length}`);
      }
      count++;
      yield frame;
    }
  }
  return { frames: checked(), count: () => count };
}
