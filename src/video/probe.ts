/**
 * Facts about a video without decoding it. Static FFmpeg builds come without ffprobe, so the header that `ffmpeg -i`
 * prints is parsed, and `-f framecrc` lists every packet with its exact time. The number of packets that are shown (an edit list
 * may hide some, which are decoded only for the sake of later ones) is the number of frames in an undamaged file; decoding
 * checks it.
 */
import { VideoError } from '../base/index.ts';
import { findFfmpeg, passthroughArguments, runFfmpeg } from './ffmpeg.ts';
import { checkMediaFile, inputArguments, READ_MEMORY, tooManyPixels } from './media-file.ts';
import { isConstantRate } from './sample.ts';

export interface VideoInfo {
  readonly path: string;
  /** Pixels as shown, that is after rotation. */
  readonly width: number;
  readonly height: number;
  /** Clockwise quarter turns FFmpeg applies before showing, in degrees: 0, 90, 180 or 270. */
  readonly rotation: number;
  /** Frame rate as the container states it; with a variable rate the mean over `durationS`. Frames a second. */
  readonly fps: number;
  /** Number of shown packets of the video stream; equals the number of decoded frames of an undamaged file. */
  readonly numFrames: number;
  /** Presentation times of the frames in seconds, ascending, starting at 0 with the first one shown. */
  readonly timesS: readonly number[];
  /** Length of the video stream in seconds: end of its last frame. */
  readonly durationS: number;
  readonly codec: string;
  /** Pixel format in the file, for example `yuv420p`. */
  readonly pixelFormat: string;
  /** Container formats by FFmpeg's name, for example `mov,mp4,m4a,3gp,3g2,mj2`. */
  readonly container: string;
  /** Decisions about a file out of the ordinary, one sentence each. */
  readonly notes: readonly string[];
}

export interface ProbeOptions {
  /** Wall-clock limit in seconds. @default 60 */
  readonly timeoutS?: number;
  /** Largest accepted width or height in pixels. @default 16384 */
  readonly maxSide?: number;
  /** Largest accepted number of frames. @default 2,000,000 */
  readonly maxFrames?: number;
  readonly signal?: AbortSignal | undefined;
}

const DEFAULT_MAX_SIDE = 16_384;
const DEFAULT_MAX_FRAMES = 2_000_000;

/**
 * Reads header and packet times.
 * @throws VideoError when the file is missing, empty, not a video, truncated, too large, or takes too long.
 */
export async function probeVideo(path: string, options: ProbeOptions = {}): Promise<VideoInfo> {
  checkMediaFile(path);
  const packets = new PacketList(path, options.maxFrames ?? DEFAULT_MAX_FRAMES);
  // No level prefix here: continuation lines of the header (rotation) would lose their indent.
  const { exitCode, messages } = await runFfmpeg(
    [...inputArguments(path), '-map', '0:V:0', '-c', 'copy', '-f', 'framecrc', '-'],
    {
      subject: path,
      maxMemoryBytes: READ_MEMORY,
      timeoutS: options.timeoutS ?? 60,
      onOutput: (chunk) => packets.add(chunk),
      signal: options.signal,
    },
  );
  const header = parseHeader(messages);
  if (header === undefined) throw unreadable(path, messages);
  if (header.video === undefined || /Stream map '.*' matches no streams/.test(messages)) {
    throw new VideoError(`${path}: the file has no video stream (container ${header.container})`, {
      hint: 'give a file with pictures; sound alone cannot be used',
    });
  }
  if (exitCode !== 0 || packets.count === 0) throw unreadable(path, messages);
  checkTruncation(path, messages);

  const { width, height, fps: printedFps, codec, pixelFormat } = header.video;
  const maxSide = options.maxSide ?? DEFAULT_MAX_SIDE;
  if (width < 1 || height < 1 || width > maxSide || height > maxSide) {
    throw new VideoError(`${path}: expected at most ${maxSide} pixels a side, got ${width}x${height}`, {
      hint: 'scale the video down first',
    });
  }
  const isTurned = header.rotation % 180 !== 0;
  const { sampleAspect } = header.video;
  const clock = clockOf(header.container, printedFps, packets);
  const notes = [
    ...(packets.count === 1 ? ['it has a single frame, which is shown twice'] : []),
    ...(clock.note === undefined ? [] : [clock.note]),
    ...(sampleAspect === '1:1'
      ? []
      : [`its pixels are not square (${sampleAspect}); the picture is used as it is stored, not stretched`]),
  ];
  const info: VideoInfo = {
    path,
    width: isTurned ? height : width,
    height: isTurned ? width : height,
    rotation: header.rotation,
    fps: clock.fps,
    numFrames: packets.count,
    timesS: clock.timesS,
    durationS: clock.durationS,
    codec,
    pixelFormat,
    container: header.container,
    notes,
  };
  return packets.areTimed ? info : await probeDecoded({ ...info, fps: printedFps }, options);
}

/** Bare streams without times of their own: what FFmpeg makes up for them differs between its versions. */
const TIMELESS = new Set(['h264', 'hevc']);

interface Clock {
  readonly fps: number;
  readonly timesS: readonly number[];
  readonly durationS: number;
  readonly note?: string;
}

function clockOf(container: string, printedFps: number, packets: PacketList): Clock {
  const { count } = packets;
  const timesS = packets.timesS();
  const durationS = packets.spanS();
  if (TIMELESS.has(container) || (count > 1 && timesS.at(-1) === 0)) {
    return {
      fps: printedFps,
      timesS: timesS.map((_, index) => index / printedFps),
      durationS: count / printedFps,
      note: `it holds no times; they are counted at ${printedFps} frames a second`,
    };
  }
  const fps = isConstantRate(timesS) ? exactFps(printedFps, count, durationS) : count / durationS;
  return { fps, timesS, durationS };
}

/**
 * The facts of a file whose decoder gives other frames than its packets promise, taken from the decoder: every frame is decoded once
 * for its time.
 */
export async function probeDecoded(info: VideoInfo, options: ProbeOptions = {}): Promise<VideoInfo> {
  const { path } = info;
  const frames = new PacketList(path, options.maxFrames ?? DEFAULT_MAX_FRAMES);
  const program = findFfmpeg();
  await runFfmpeg(
    [
      ...[...inputArguments(path), '-map', '0:V:0', '-vf', 'scale=16:16', ...passthroughArguments(program)],
      ...['-enc_time_base', '-1', '-c:v', 'rawvideo', '-f', 'framecrc', '-'],
    ],
    {
      subject: path,
      maxMemoryBytes: READ_MEMORY,
      timeoutS: options.timeoutS ?? 300,
      onOutput: (chunk) => frames.add(chunk),
      signal: options.signal,
      program,
    },
  );
  if (frames.count === 0) throw new VideoError(`${path}: no frame of it can be decoded`);
  const { fps, timesS, durationS } = clockOf(info.container, info.fps, frames);
  return { ...info, numFrames: frames.count, fps, timesS, durationS };
}

/** @throws VideoError when FFmpeg said that the file ends too early. */
export function checkTruncation(path: string, messages: string): void {
  const line = /^.*(partial file|ended prematurely|truncat\w+ (?:file|packet)).*$/im.exec(messages);
  if (line !== null) {
    throw new VideoError(`${path}: the file is cut off (${tidy(line[0])})`, {
      hint: 'copy or download it again',
    });
  }
}

function unreadable(path: string, messages: string): VideoError {
  const tooLarge = tooManyPixels(path, messages);
  if (tooLarge !== undefined) return tooLarge;
  checkTruncation(path, messages);
  if (messages.includes('moov atom not found')) {
    return new VideoError(`${path}: not a complete MP4 file: it holds no index (moov atom not found)`, {
      hint: 'the file is cut off, or is no video at all; copy or download it again',
    });
  }
  const lines = messages
    .split('\n')
    .map(tidy)
    .filter(
      (line) =>
        /invalid|error|could not|not supported|unknown|fail/i.test(line) &&
        !line.startsWith('Error opening input file'),
    );
  return new VideoError(
    `${path}: FFmpeg cannot read it as a video${lines[0] === undefined ? '' : ` (${lines[0]})`}`,
    {
      hint: 'check that it is a video file and not, for example, a saved web page',
    },
  );
}

/** The line without its `[mov @ 0x55…]` prefix, whose address differs from run to run. */
function tidy(line: string): string {
  return line.replace(/\[(?:in#\d+|[\w,]+)(?:\/[\w,]+)? @ 0x[0-9a-f]+\] ?/g, '').trim();
}

interface Header {
  readonly container: string;
  readonly rotation: number;
  readonly video:
    | {
        readonly width: number;
        readonly height: number;
        readonly fps: number;
        readonly codec: string;
        readonly pixelFormat: string;
        /** Width to height of a pixel, `1:1` where nothing is said. */
        readonly sampleAspect: string;
      }
    | undefined;
}

/** The first input's container and its first real video stream, from what `ffmpeg -i` prints. */
export function parseHeader(messages: string): Header | undefined {
  const start = /^Input #0, (.+), from '/m.exec(messages);
  if (start === null) return undefined;
  const container = start[1]!;
  const input = messages.slice(start.index).split(/^(?:Stream mapping:|Output #0)/m)[0]!;
  const lines = input.split('\n');
  const index = lines.findIndex(
    (line) => /^\s*Stream #0:\d+.*: Video: /.test(line) && !line.includes('(attached pic)'),
  );
  if (index < 0) return { container, rotation: 0, video: undefined };
  const line = lines[index]!;
  const codec = /Video: (\w+)/.exec(line)?.[1] ?? 'unknown';
  const size = /, (\d+)x(\d+)/.exec(line);
  const rate = /, ([\d.]+)(k?) fps/.exec(line) ?? /, ([\d.]+)(k?) tbr/.exec(line);
  // `yuv420p(tv, bt709)` or `rgb24`: the item after the codec, whose own parentheses may hold commas.
  const pixelFormat = /Video: \w+(?: \([^)]*\))*, (\w+)/.exec(line)?.[1] ?? 'unknown';
  let rotation = 0;
  for (const after of lines.slice(index + 1)) {
    if (/^\s*Stream #/.test(after)) break;
    const matrix = /displaymatrix: rotation of (-?[\d.]+) degrees/.exec(after);
    // FFmpeg prints the matrix counter-clockwise; people turn clockwise.
    if (matrix !== null) rotation = (((Math.round(-Number(matrix[1]) / 90) * 90) % 360) + 360) % 360;
  }
  return {
    container,
    rotation,
    video: {
      width: Number(size?.[1] ?? 0),
      height: Number(size?.[2] ?? 0),
      fps: rate === null ? Number.NaN : Number(rate[1]) * (rate[2] === 'k' ? 1000 : 1),
      codec,
      pixelFormat,
      sampleAspect: /[ [,]SAR (\d+:\d+)/.exec(line)?.[1]?.replace(/^(?:0:.*|(\d+):\1)$/, '1:1') ?? '1:1',
    },
  };
}

/**
 * FFmpeg prints the rate with two decimals. Frames over seconds is exact where it agrees with that; else the NTSC
 * fraction behind the printed number, else the printed number.
 */
export function exactFps(printed: number, numFrames: number, spanS: number): number {
  const counted = spanS > 0 ? numFrames / spanS : Number.NaN;
  if (!Number.isFinite(printed) || printed <= 0) return counted;
  // Millisecond containers hold rounded times: whole printed rates are exact as they are.
  if (Number.isInteger(printed) && Math.abs(counted - printed) < 0.01) return printed;
  const ntsc = (Math.round(printed) * 1000) / 1001;
  if (Math.abs(ntsc - printed) < 0.005001) return ntsc;
  if (Math.abs(counted - printed) < 0.005001) return counted;
  return printed;
}

/** Flag of a packet that is decoded and not shown (AV_PKT_FLAG_DISCARD). */
const DISCARD = 4;

/** Packets of `-f framecrc`: a `#tb` line, then `stream, dts, pts, duration, size, checksum`, and flags other than "key frame". */
class PacketList {
  readonly #path: string;
  readonly #maxFrames: number;
  readonly #starts: number[] = [];
  #rest = '';
  #tick = 0;
  #end = Number.NEGATIVE_INFINITY;
  #numUntimed = 0;

  constructor(path: string, maxFrames: number) {
    this.#path = path;
    this.#maxFrames = maxFrames;
  }

  get count(): number {
    return this.#starts.length;
  }

  /** True when every packet has a time; AVI and MPEG program streams give one to some only, and the decoder finds the others. */
  get areTimed(): boolean {
    return this.#numUntimed === 0;
  }

  add(chunk: Buffer): void {
    const lines = (this.#rest + chunk.toString('latin1')).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#addLine(line);
  }

  #addLine(line: string): void {
    if (line.startsWith('#')) {
      const base = /^#tb 0: (\d+)\/(\d+)/.exec(line);
      if (base !== null) this.#tick = Number(base[1]) / Number(base[2]);
      return;
    }
    const fields = line.split(',');
    if (fields.length < 6) return;
    const flags = Number(/F=(0x[0-9a-f]+)/i.exec(line)?.[1] ?? 0);
    if ((flags & DISCARD) !== 0) return;
    const pts = Number(fields[2]);
    if (pts < -Number.MAX_SAFE_INTEGER) this.#numUntimed += 1;
    this.#starts.push(pts);
    this.#end = Math.max(this.#end, pts + Number(fields[3]));
    if (this.#starts.length > this.#maxFrames) {
      throw new VideoError(`${this.#path}: expected at most ${this.#maxFrames} frames, got more`, {
        hint: 'cut the video into shorter files',
      });
    }
  }

  timesS(): number[] {
    const sorted = Float64Array.from(this.#starts).sort();
    const first = sorted[0] ?? 0;
    return Array.from(sorted, (pts) => (pts - first) * this.#tick);
  }

  spanS(): number {
    const first = this.#starts.reduce((least, pts) => Math.min(least, pts), Number.POSITIVE_INFINITY);
    return this.count === 0 ? 0 : (this.#end - first) * this.#tick;
  }
}
