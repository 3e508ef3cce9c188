/**
 * Decoding chosen frames to RGB. One FFmpeg pass decodes every frame in order and hands over only those whose index is
 * wanted: qwen-vl-utils samples by decoded index, so seeking by time would give other frames.
 *
 * Colours: libswscale's default conversion (`bicubic`, without `accurate_rnd`), which is bit-identical to PyAV's
 * `to_ndarray(format='rgb24')` and so to torchvision for 8-bit video; with `accurate_rnd` three quarters of all values
 * differ, by up to 20. For 10-bit video the result depends on the libswscale version.
 */
import { VideoError } from '../base/index.ts';
import { findFfmpeg, passthroughArguments, runFfmpeg } from './ffmpeg.ts';
import { inputArguments, READ_MEMORY } from './media-file.ts';
import { checkTruncation, type ProbeOptions, probeDecoded, probeVideo, type VideoInfo } from './probe.ts';

/** The result of a `FrameChooser`: at least the frames to decode. */
export interface FrameSelection {
  /** Indices among the decoded frames of the video, ascending, possibly repeated. */
  readonly indices: readonly number[];
}

export interface DecodedFrames<Sample extends FrameSelection = FrameSelection> {
  /** RGB bytes, N x height x width x 3, in the order of `sample.indices`. */
  readonly frames: Uint8Array;
  readonly numFrames: number;
  readonly height: number;
  readonly width: number;
  /** The choice of frames as the chooser gave it. */
  readonly sample: Sample;
  /** Time of each frame in seconds from the first frame. */
  readonly timesS: readonly number[];
  /** Frames a second of the video. */
  readonly fps: number;
  /** Decoded frames of the whole video. */
  readonly totalFrames: number;
  readonly durationS: number;
  /** Complaints of the decoder that still produced every frame (concealed errors). */
  readonly warnings: readonly string[];
  /** Decisions about a file out of the ordinary, one sentence each. */
  readonly notes: readonly string[];
}

export interface DecodeOptions extends ProbeOptions {
  /** Wall-clock limit for each FFmpeg process, in seconds. @default 300 */
  readonly timeoutS?: number;
  /** Decoder threads; the result is the same for any number. @default 1 */
  readonly threads?: number;
  /** Largest size of the result in bytes. @default 4 GiB */
  readonly maxBytes?: number;
  /** Treatment of a file of which some frames cannot be decoded. @default 'error' */
  readonly damaged?: 'error' | 'allow';
}

const DEFAULT_TIMEOUT_S = 300;
const DEFAULT_MAX_BYTES = 4 * 2 ** 30;

/** Chooses frames once their number and the rate are known. */
export type FrameChooser<Sample extends FrameSelection = FrameSelection> = (video: {
  readonly totalFrames: number;
  readonly fps: number;
  /** Presentation times in seconds from the first frame; absent where the rate says all. */
  readonly timesS?: readonly number[];
  readonly durationS?: number;
}) => Sample;

/**
 * Decodes the chosen frames of a video.
 * @param choose indices in ascending order (repeats allowed), or a function that gives them; it is called again when fewer
 *   frames can be decoded than the file names
 * @throws VideoError when the file is missing, no video, damaged (unless allowed), too large, or takes too long
 */
export async function decodeFrames(
  path: string,
  choose: readonly number[],
  options?: DecodeOptions,
): Promise<DecodedFrames>;
export async function decodeFrames<Sample extends FrameSelection>(
  path: string,
  choose: FrameChooser<Sample>,
  options?: DecodeOptions,
): Promise<DecodedFrames<Sample>>;
export async function decodeFrames(
  path: string,
  choose: readonly number[] | FrameChooser,
  options: DecodeOptions = {},
): Promise<DecodedFrames> {
  const info = await probeVideo(path, options);
  const sampleOf = ({ numFrames: totalFrames, fps, timesS, durationS }: VideoInfo): FrameSelection =>
    typeof choose === 'function' ? choose({ totalFrames, fps, timesS, durationS }) : { indices: choose };
  const first = await decodePass(info, sampleOf(info), options);
  if (first.totalFrames === info.numFrames) return first;
  if (options.damaged !== 'allow' && first.totalFrames < info.numFrames && first.warnings.length > 0) {
    throw new VideoError(
      `${path}: expected ${info.numFrames} frames, but only ${first.totalFrames} can be decoded (${first.warnings[0]})`,
      { hint: 'copy or download the file again, or allow damaged files' },
    );
  }
  // Packets that hold no frame to show (VP8's hidden references), or damage that is allowed: the decoder's count and its
  // times are the truth.
  const decoded = await probeDecoded(info, options);
  return await decodePass(decoded, sampleOf(decoded), options);
}

async function decodePass(
  info: VideoInfo,
  sample: FrameSelection,
  options: DecodeOptions,
): Promise<DecodedFrames> {
  const { indices } = sample;
  const { path, width, height, numFrames: totalFrames } = info;
  checkIndices(path, indices, totalFrames);
  const unique = [...new Set(indices)];
  const frameBytes = width * height * 3;
  const maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES;
  if (indices.length * frameBytes > maxBytes) {
    throw new VideoError(
      `${path}: ${indices.length} frames of ${width}x${height} need ${indices.length * frameBytes} bytes, more than the limit of ${maxBytes}`,
      { hint: 'take fewer frames, or scale the video down first' },
    );
  }
  const program = findFfmpeg();
  const collected = new FrameCollector(unique.length * frameBytes);
  const { exitCode, messages } = await runFfmpeg(
    [
      // Lines of progress, which come where decoding takes long, would stand among the messages.
      ...['-nostats', '-loglevel', 'level+verbose', '-threads', String(options.threads ?? 1)],
      // Where the picture size changes inside the file, a new filter graph would count frames from 0 again.
      ...['-reinit_filter', '0'],
      ...inputArguments(path),
      ...[
        '-map',
        '0:V:0',
        '-vf',
        `select='${selectExpression(unique)}',scale=${width}:${height}:flags=bicubic`,
      ],
      ...passthroughArguments(program),
      ...['-f', 'rawvideo', '-pix_fmt', 'rgb24', '-'],
    ],
    {
      subject: path,
      maxMemoryBytes: READ_MEMORY,
      timeoutS: options.timeoutS ?? DEFAULT_TIMEOUT_S,
      onOutput: (chunk) => collected.add(chunk),
      maxOutputBytes: unique.length * frameBytes,
      signal: options.signal,
      program,
    },
  );
  if (options.damaged !== 'allow') checkTruncation(path, messages);
  const warnings = complaints(messages);
  const decoded = /Input stream #0:\d+ \(video\): \d+ packets read \(\d+ bytes\); (\d+) frames decoded/.exec(
    messages,
  );
  if (decoded === null || (exitCode !== 0 && options.damaged !== 'allow')) {
    throw new VideoError(
      `${path}: FFmpeg could not decode it${warnings[0] === undefined ? '' : ` (${warnings[0]})`}`,
      {
        hint: 'copy or download the file again',
      },
    );
  }
  const numDecoded = Number(decoded[1]);
  const isComplete = collected.numBytes === unique.length * frameBytes;
  if (numDecoded === totalFrames && !isComplete) {
    throw new VideoError(
      `${path}: expected ${unique.length} frames of ${width}x${height} (${unique.length * frameBytes} bytes), got ${collected.numBytes} bytes`,
      { hint: 'the picture size may change inside the file; encode it again' },
    );
  }
  return {
    frames: isComplete ? spread(collected.bytes, unique, indices, frameBytes) : new Uint8Array(0),
    numFrames: indices.length,
    height,
    width,
    sample,
    timesS: indices.map((index) => info.timesS[index]!),
    fps: info.fps,
    totalFrames: numDecoded,
    durationS: info.durationS,
    warnings,
    notes: info.notes,
  };
}

function checkIndices(path: string, indices: readonly number[], totalFrames: number): void {
  if (indices.length === 0) throw new VideoError(`${path}: no frame was asked for`);
  let previous = 0;
  for (const index of indices) {
    if (!Number.isInteger(index) || index < previous || index >= totalFrames) {
      throw new VideoError(
        `${path}: frame indices must ascend within 0 to ${totalFrames - 1}, got ${index}${index < previous ? ` after ${previous}` : ''}`,
      );
    }
    previous = index;
  }
}

/** An FFmpeg expression that is true for the frames wanted; neighbours are joined to keep it short. */
export function selectExpression(indices: readonly number[]): string {
  const runs: [number, number][] = [];
  for (const index of indices) {
    const run = runs.at(-1);
    if (run !== undefined && run[1] === index - 1) run[1] = index;
    else runs.push([index, index]);
  }
  return runs.map(([from, to]) => (from === to ? `eq(n,${from})` : `between(n,${from},${to})`)).join('+');
}

class FrameCollector {
  readonly bytes: Uint8Array;
  numBytes = 0;

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
  }

  add(chunk: Buffer): void {
    this.bytes.set(chunk, this.numBytes);
    this.numBytes += chunk.length;
  }
}

/** Repeats frames where indices repeat; without repeats the buffer is handed on as it is. */
function spread(
  bytes: Uint8Array,
  unique: readonly number[],
  indices: readonly number[],
  frameBytes: number,
): Uint8Array {
  if (unique.length === indices.length) return bytes;
  const position = new Map(unique.map((index, at) => [index, at]));
  const frames = new Uint8Array(indices.length * frameBytes);
  for (const [at, index] of indices.entries()) {
    const from = position.get(index)! * frameBytes;
    frames.set(bytes.subarray(from, from + frameBytes), at * frameBytes);
  }
  return frames;
}

function complaints(messages: string): string[] {
  const found: string[] = [];
  for (const line of messages.split('\n')) {
    if (!/\[(?:error|fatal|panic)\]/.test(line)) continue;
    found.push(line.replace(/\[[^\]]*@ 0x[0-9a-f]+\] ?|\[(?:error|fatal|panic)\] ?/g, '').trim());
    if (found.length >= 20) break;
  }
  return found;
}
