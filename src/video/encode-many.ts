/**
 * Many short videos in one FFmpeg process, which saves the start of a process and of an encoder for each. The frames follow
 * one another in one stream that is cut into files. Each video begins with a key frame, all frames have one quantiser and look at
 * frames before them only, so the picture of a video does not depend on the others. (The last bit of a key frame's number
 * alternates, so a file has the same bytes when it has the same place in its batch.)
 */
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { VideoError } from '../base/index.ts';
import { type EncodeOptions, videoEncoder } from './encode.ts';
import { runFfmpeg } from './ffmpeg.ts';

export interface EncodeManyOptions extends Omit<EncodeOptions, 'crf'> {
  /** Frames of each video. */
  readonly numFrames: number;
  /** H.264 quantiser, 0 (lossless) to 51. @default 20 */
  readonly qp?: number;
}

/**
 * Encodes videos of one size and length to MP4 files (yuv420p). The files appear under their names when all are complete.
 * @param frames the frames of all videos in order, each height x width x 3 bytes RGB
 * @throws VideoError when sizes are odd or wrong, the number of frames is not that of the videos, or FFmpeg fails
 */
export async function encodeMany(
  paths: readonly string[],
  frames: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  options: EncodeManyOptions,
): Promise<void> {
  const { width, height, fps, numFrames, qp = 20 } = options;
  const first = paths[0];
  if (first === undefined) return;
  const isEven = (size: number): boolean => Number.isInteger(size) && size > 0 && size % 2 === 0;
  if (!isEven(width) || !isEven(height))
    throw new VideoError(`${first}: expected an even positive width and height, got ${width}x${height}`);
  if (!(fps > 0) || !Number.isFinite(fps))
    throw new VideoError(`${first}: expected a positive fps, got ${fps}`);
  if (!(qp >= 0 && qp <= 51)) throw new VideoError(`${first}: expected a qp from 0 to 51, got ${qp}`);
  const parent = dirname(resolve(first));
  mkdirSync(parent, { recursive: true });
  const folder = mkdtempSync(join(parent, '.encoding-'));
  const counted = countBytes(first, frames, width * height * 3, paths.length * numFrames);
  const cuts = paths.slice(1).map((_, at) => String((at + 1) * numFrames));
  const isX264 = videoEncoder() === 'libx264';
  // MPEG-4 has a quantiser from 2 to 31 where H.264 has one from 0 to 51.
  const quality = isX264
    ? ['-preset', options.preset ?? 'veryfast', '-qp', String(qp)]
    : ['-q:v', String(Math.max(2, Math.round(2 + (qp / 51) * 29)))];
  try {
    const { exitCode, messages } = await runFfmpeg(
      [
        ...['-loglevel', 'error', '-y', '-f', 'rawvideo', '-pix_fmt', 'rgb24', '-s', `${width}x${height}`],
        ...['-framerate', String(fps), '-i', 'pipe:0'],
        ...['-sws_flags', 'bicubic+accurate_rnd+bitexact', '-pix_fmt', 'yuv420p'],
        ...['-c:v', isX264 ? 'libx264' : 'mpeg4', ...quality, '-bf', '0', '-threads', '1'],
        ...[
          '-g',
          String(numFrames),
          '-keyint_min',
          String(numFrames),
          '-sc_threshold',
          isX264 ? '0' : '1000000000',
        ],
        ...['-map_metadata', '-1', '-fflags', '+bitexact', '-flags:v', '+bitexact'],
        ...['-f', 'segment', '-segment_format', 'mp4', '-reset_timestamps', '1'],
        ...['-segment_format_options', 'movflags=+faststart:fflags=+bitexact'],
        ...(cuts.length === 0 ? ['-segment_time', '1000000'] : ['-segment_frames', cuts.join(',')]),
        join(folder, '%06d.mp4').replaceAll('\\', '/'),
      ],
      { subject: first, timeoutS: options.timeoutS ?? 300, input: counted, signal: options.signal },
    );
    if (exitCode !== 0) {
      throw new VideoError(
        `${first}: FFmpeg could not encode it (${messages.trim().split('\n')[0] ?? 'no message'})`,
        { hint: 'check the free space and the permissions of the folder' },
      );
    }
    const made = readdirSync(folder).length;
    if (made !== paths.length)
      throw new VideoError(`${first}: expected ${paths.length} videos from FFmpeg, got ${made}`);
    for (const [at, path] of paths.entries()) {
      mkdirSync(dirname(resolve(path)), { recursive: true });
      renameSync(join(folder, `${String(at).padStart(6, '0')}.mp4`), resolve(path));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function* countBytes(
  subject: string,
  frames: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  frameBytes: number,
  numExpected: number,
): AsyncGenerator<Uint8Array> {
  let count = 0;
  for await (const frame of frames) {
    if (frame.length !== frameBytes)
      throw new VideoError(
        `${subject}: expected ${frameBytes} bytes for frame ${count}, got ${frame.length}`,
      );
    count++;
    yield frame;
  }
  if (count !== numExpected)
    throw new VideoError(`${subject}: expected ${numExpected} frames in all, got ${count}`);
}
