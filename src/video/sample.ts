/**
 * Which frames a model sees, and what time they stand for. Frames of a variable rate are chosen by their time, all others by
 * number. The counting is that of `qwen_vl_utils` (`smart_nframes`, FRAME_FACTOR 2,
 * evenly spaced indices over *decoded* frames rounded half to even), so that the same clip gives the same frames as in the
 * authors' and Qwen's Python code.
 * Source: qwen-vl-utils vision_process.py (smart_nframes, calculate_video_frame_range, fetch_video), as vendored by
 * longmalongma/TW-GRPO; defects of that copy are kept behind the preset `authors` and named there.
 */
import { VideoError } from '../base/index.ts';

/** Frames of one temporal patch; frame counts are multiples of it. */
export const FRAME_FACTOR = 2;

export interface SamplingSettings {
  /** Frames to sample for each second of video. */
  readonly fps: number;
  /** Least number of frames, as far as the video has them. */
  readonly min_frames: number;
  /** Largest number of frames. */
  readonly max_frames: number;
  /** Fixed number of frames instead of `fps`. */
  readonly nframes?: number | undefined;
  /**
   * After sampling, spread the result over exactly this many frames, repeating some of a short clip. The authors' evaluation
   * does so with 16 (SAMPLE_MODE other than "true"); their training does not.
   */
  readonly exact_frames?: number | undefined;
  /**
   * `true_time`: seconds of one temporal patch follow from the sampled frames. `constant`: always 2 / fps, as when the
   * processor is not told the sampling rate (the authors' code: 1.0 for every clip, however long).
   */
  readonly second_per_grid: 'true_time' | 'constant';
  /**
   * `transformers`: frames as its processor for Qwen3-VL counts them: any number of them, by number whatever the rate.
   * @default that of qwen_vl_utils
   */
  readonly counting?: 'transformers';
}

export interface FrameSample {
  /** Indices into the decoded frames, ascending, possibly repeated. */
  readonly indices: readonly number[];
  /**
   * Times in seconds that a prompt states in words: number over rate, as transformers computes them; the presentation times of frames
   * that were chosen by time.
   */
  readonly statedS: readonly number[];
  /** Sampled frames for each second of video, before `exact_frames`. */
  readonly sampleFps: number;
  /** Number of frames before `exact_frames`; the pixel budget is computed from it, as in the authors' code. */
  readonly numSampled: number;
  /** Seconds one temporal patch (two frames) stands for: `second_per_grid_ts` of the model. */
  readonly secondPerGridS: number;
}

/** Python's `round`: half goes to the even neighbour. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

export function roundByFactor(value: number, factor: number): number {
  return roundHalfEven(value / factor) * factor;
}

export function ceilByFactor(value: number, factor: number): number {
  return Math.ceil(value / factor) * factor;
}

export function floorByFactor(value: number, factor: number): number {
  return Math.floor(value / factor) * factor;
}

/**
 * `torch.linspace(start, end, steps)` in float32, bit for bit: both halves are computed from their own end with one
 * rounding a value (the kernel uses fused multiply-add).
 */
export function linspace(start: number, end: number, steps: number): number[] {
  if (steps === 1) return [Math.fround(start)];
  const step = Math.fround(Math.fround(end - start) / (steps - 1));
  const halfway = Math.floor(steps / 2);
  return Array.from({ length: steps }, (_, i) =>
    Math.fround(i < halfway ? start + step * i : end - step * (steps - 1 - i)),
  );
}

/**
 * How many of `totalFrames` frames to use.
 * @param totalFrames decoded frames in the range that is sampled
 * @param videoFps frames a second of the video
 * @throws VideoError when the result would not lie in [2, totalFrames]
 */
export function smartNframes(settings: SamplingSettings, totalFrames: number, videoFps: number): number {
  let nframes: number;
  if (settings.nframes !== undefined) {
    nframes = roundByFactor(settings.nframes, FRAME_FACTOR);
  } else {
    const minFrames = ceilByFactor(settings.min_frames, FRAME_FACTOR);
    const maxFrames = floorByFactor(Math.min(settings.max_frames, totalFrames), FRAME_FACTOR);
    nframes = (totalFrames / videoFps) * settings.fps;
    nframes = Math.min(Math.min(Math.max(nframes, minFrames), maxFrames), totalFrames);
    nframes = floorByFactor(nframes, FRAME_FACTOR);
  }
  if (!(nframes >= FRAME_FACTOR && nframes <= totalFrames)) {
    throw new VideoError(
      `expected between ${FRAME_FACTOR} and ${totalFrames} sampled frames, got ${nframes} (video of ${totalFrames} frames at ${videoFps} fps)`,
      { hint: 'use a longer clip, or set nframes and max_frames so that at least two frames are taken' },
    );
  }
  return nframes;
}

/**
 * First and last frame of the clip from `startS` to `endS` seconds.
 * @throws VideoError when no two frames lie in it
 */
export function frameRange(
  totalFrames: number,
  videoFps: number,
  startS: number | undefined,
  endS: number | undefined,
): { readonly first: number; readonly last: number } {
  const lengthS = totalFrames / videoFps;
  const clamp = (timeS: number): number => Math.max(0, Math.min(timeS, lengthS));
  const first = startS === undefined ? 0 : Math.ceil(clamp(startS) * videoFps);
  const last =
    endS === undefined ? totalFrames - 1 : Math.min(Math.floor(clamp(endS) * videoFps), totalFrames - 1);
  if (first >= last && (startS !== undefined || endS !== undefined)) {
    throw outside(lengthS, startS, endS);
  }
  return { first, last };
}

function outside(lengthS: number, startS: number | undefined, endS: number | undefined): VideoError {
  return new VideoError(
    `expected a clip inside the ${lengthS.toFixed(2)} s of the video, got ${startS ?? 0} s to ${endS ?? lengthS} s`,
    { hint: 'check start and end of the item' },
  );
}

/** True when every frame i lies nearer to i mean frame lengths behind the first one than to its neighbours' places. */
export function isConstantRate(timesS: readonly number[]): boolean {
  const step = (timesS.at(-1) ?? 0) / (timesS.length - 1);
  return timesS.length < 3 || timesS.every((timeS, index) => Math.abs(timeS - index * step) <= 0.5 * step);
}

/** Of the frames chosen the one in the middle, twice, since a temporal patch takes two; sized as all of them would be. */
export function middleFrame(sample: FrameSample): FrameSample {
  const middle = sample.indices.length >> 1;
  const twice = <T>(values: readonly T[]) => Array.from({ length: FRAME_FACTOR }, () => values[middle]!);
  return { ...sample, indices: twice(sample.indices), statedS: twice(sample.statedS) };
}

/** Chooses the frames of a video with `totalFrames` decoded frames at `videoFps`, from `startS` to `endS`. */
export function sampleFrames(settings: SamplingSettings, video: SampledVideo): FrameSample {
  try {
    return sampleChecked(settings, video);
  } catch (error) {
    if (!(error instanceof VideoError) || video.path === undefined) throw error;
    throw new VideoError(`${video.path}: ${error.message}`, { hint: error.hint });
  }
}

export interface SampledVideo {
  /** Named in error messages. */
  readonly path?: string;
  /** Decoded frames of the whole video. */
  readonly totalFrames: number;
  readonly fps: number;
  /** Presentation times in seconds from the first frame, ascending; absent where frames come at a constant rate. */
  readonly timesS?: readonly number[] | undefined;
  /** Seconds to the end of the last frame; goes with `timesS`. */
  readonly durationS?: number | undefined;
  readonly startS?: number | undefined;
  readonly endS?: number | undefined;
}

function sampleChecked(settings: SamplingSettings, video: SampledVideo): FrameSample {
  if (!(video.fps > 0) || !Number.isFinite(video.fps)) {
    throw new VideoError(`expected a positive frame rate, got ${video.fps}`, {
      hint: 'the container states no usable rate',
    });
  }
  if (settings.counting === 'transformers') return sampleAsTransformers(settings, video);
  if (video.totalFrames === 1) return onlyFrame(settings, video.fps);
  const { timesS } = video;
  // The authors' code, which the constant time repeats, goes by number whatever the rate.
  if (settings.second_per_grid === 'true_time' && timesS !== undefined && !isConstantRate(timesS))
    return sampleByTime(settings, { ...video, timesS });
  const { first, last } = frameRange(video.totalFrames, video.fps, video.startS, video.endS);
  const totalFrames = last - first + 1;
  const nframes = smartNframes(settings, totalFrames, video.fps);
  return frameSample(settings, linspace(first, last, nframes).map(roundHalfEven), totalFrames, video.fps);
}

/** Source: transformers 5.18 `models/qwen3_vl/video_processing_qwen3_vl.py` `sample_frames`. */
function sampleAsTransformers(settings: SamplingSettings, video: SampledVideo): FrameSample {
  const { first, last } = frameRange(video.totalFrames, video.fps, video.startS, video.endS);
  const totalFrames = last - first + 1;
  const { fps, min_frames, max_frames } = settings;
  const wanted = settings.nframes ?? Math.trunc((totalFrames / video.fps) * fps);
  const nframes = Math.min(Math.max(wanted, min_frames), max_frames, totalFrames);
  // numpy's linspace, which ends exactly where it is told to.
  const step = (totalFrames - 1) / Math.max(nframes - 1, 1);
  const indices = Array.from(
    { length: nframes },
    (_, i) => first + (i === nframes - 1 && i > 0 ? totalFrames - 1 : roundHalfEven(i * step)),
  );
  return frameSample(settings, indices, totalFrames, video.fps);
}

/** A temporal patch takes two frames: a single one is shown twice, as transformers repeats the last of an odd number. */
function onlyFrame(settings: SamplingSettings, fps: number): FrameSample {
  const indices = Array.from({ length: settings.exact_frames ?? FRAME_FACTOR }, () => 0);
  const secondPerGridS = FRAME_FACTOR / (settings.second_per_grid === 'constant' ? settings.fps : fps);
  const statedS = indices.map(() => 0);
  return { indices, statedS, sampleFps: fps, numSampled: FRAME_FACTOR, secondPerGridS };
}

/**
 * Frames of a variable rate: moments evenly spread over the clip, and for each the frame that is on the screen
 * (torchcodec's `get_frames_played_at`).
 */
function sampleByTime(
  settings: SamplingSettings,
  video: SampledVideo & { readonly timesS: readonly number[] },
): FrameSample {
  const { timesS, startS = 0 } = video;
  const durationS = video.durationS ?? timesS.at(-1)!;
  const endS = Math.min(video.endS ?? durationS, durationS);
  if (!(startS < endS)) throw outside(durationS, video.startS, video.endS);
  const begin = Math.max(0, startS);
  const first = shownAt(timesS, begin);
  const last = shownAt(timesS, endS);
  // One frame that stays on the screen can be looked at twice.
  const numFrames = Math.max(FRAME_FACTOR, last - first + 1);
  const fps = numFrames / (endS - begin);
  const nframes = smartNframes(settings, numFrames, fps);
  const until = Math.min(endS, timesS[last]!);
  const step = (Math.max(until, begin) - begin) / (nframes - 1);
  const indices = Array.from({ length: nframes }, (_, i) => shownAt(timesS, begin + i * step));
  return frameSample(settings, indices, numFrames, fps, timesS);
}

/** Index of the last frame that begins at `timeS` or before; times are rounded in some containers, to 1 ms. */
function shownAt(timesS: readonly number[], timeS: number): number {
  let low = 0;
  for (let high = timesS.length; high - low > 1; ) {
    const middle = (low + high) >> 1;
    if (timesS[middle]! <= timeS + 1e-6) low = middle;
    else high = middle;
  }
  return low;
}

/**
 * @param sampled indices out of `totalFrames` frames at `videoFps` a second
 * @param timesS presentation times of all frames, where the frames were chosen by them
 */
function frameSample(
  settings: SamplingSettings,
  sampled: readonly number[],
  totalFrames: number,
  videoFps: number,
  timesS?: readonly number[],
): FrameSample {
  const numSampled = sampled.length;
  const { exact_frames } = settings;
  // `.long()` cuts the fraction off here, where the first spread rounds.
  const indices =
    exact_frames === undefined
      ? sampled
      : linspace(0, numSampled - 1, exact_frames).map((at) => sampled[Math.trunc(at)]!);
  const sampleFps = (numSampled / totalFrames) * videoFps;
  return {
    indices,
    statedS: indices.map((index) => timesS?.[index] ?? index / videoFps),
    sampleFps,
    numSampled,
    secondPerGridS: secondPerGrid(settings, indices, totalFrames, videoFps, sampleFps),
  };
}

function secondPerGrid(
  settings: SamplingSettings,
  indices: readonly number[],
  totalFrames: number,
  videoFps: number,
  sampleFps: number,
): number {
  if (settings.second_per_grid === 'constant') return FRAME_FACTOR / settings.fps;
  if (settings.exact_frames === undefined) return FRAME_FACTOR / sampleFps;
  return (FRAME_FACTOR * totalFrames) / (indices.length * videoFps);
}
