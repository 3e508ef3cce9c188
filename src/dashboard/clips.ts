/**
 * The clip of a question: its file, and the frames of it that the model sees. The path comes from the run's own files, never from
 * the page.
 */
import { existsSync, statSync } from 'node:fs';
import { basename, extname } from 'node:path';
import { DataError } from '../base/index.ts';
import { mediumSettings } from '../prompt/index.ts';
import {
  contactSheet,
  decodeFrames,
  probeVideo,
  type SamplingSettings,
  sampleFrames,
  VIDEO_PRESETS,
  type VideoKeys,
  type VideoPreset,
  type VideoSettings,
  videoSettings,
} from '../video/index.ts';
import type { Clip } from './api.ts';
import type { EvaluationData } from './evaluation-data.ts';
import type { RunConfig } from './run-config.ts';
import type { RunData } from './run-data.ts';

/** What to show: the file, the part of it, how frames are chosen. */
export interface ClipSource {
  readonly path: string;
  readonly startS: number | undefined;
  readonly endS: number | undefined;
  readonly settings: SamplingSettings;
  readonly notes: readonly string[];
}

/** Kinds of file that browsers play, with their media types. */
const MEDIA_TYPES: Readonly<Record<string, string>> = {
  '.mp4': 'video/mp4',
  '.m4v': 'video/mp4',
  '.mov': 'video/mp4',
  '.webm': 'video/webm',
  '.ogv': 'video/ogg',
  '.mkv': 'video/x-matroska',
};
/** Codecs that browsers decode. */
const PLAYED_CODECS = new Set(['h264', 'vp8', 'vp9', 'av1', 'hevc']);
const SHEET = { maxFrameWidth: 224 };

/** A file of which nothing is known but how frames are chosen. */
export function clipOfFile(
  path: string,
  settings: SamplingSettings,
  part: { readonly startS: number | undefined; readonly endS: number | undefined },
): ClipSource {
  return { path, settings, ...part, notes: [] };
}

/** @throws DataError for a group that the step does not have, or a question without media */
export function clipOfGroup(run: RunData, step: number, group: number): ClipSource {
  const record = run.completions(step).find((one) => one.group === group);
  if (record === undefined) throw new DataError(`step ${step} has no group ${group}`);
  if (record.video === '') throw new DataError('this question shows no video');
  const media = run.items.get(record.item)?.media ?? [];
  const [medium] = media;
  const isWhole = run.config.get('clip') === false;
  const settings = samplingOfRun(run.config);
  return {
    path: firstFile(record.video, media.length),
    startS: isWhole ? undefined : medium?.start,
    endS: isWhole ? undefined : medium?.end,
    settings: medium === undefined ? settings : mediumSettings(settings, medium),
    notes: media.length > 1 ? [`the question shows ${media.length} videos or images; this is the first`] : [],
  };
}

/** Of several paths in one text, a blank between them, the first. */
function firstFile(paths: string, count: number): string {
  if (count < 2) return paths;
  const parts = paths.split(' ');
  const starts = parts.map((_, i) => parts.slice(0, i + 1).join(' '));
  return starts.find((path) => existsSync(path)) ?? parts[0]!;
}

/** @throws DataError for a row that the evaluation does not have */
export function clipOfRow(evaluation: EvaluationData, at: number, run: RunData | undefined): ClipSource {
  const { video } = evaluation.settings;
  const own = isSampling(video) ? video : undefined;
  const settings =
    own ?? (run === undefined ? videoSettings({ video: 'correct' }, PIXEL_UNIT) : samplingOfRun(run.config));
  const notes =
    own === undefined
      ? [
          run === undefined
            ? 'the evaluation does not say how it chose frames; shown are those of the preset "correct"'
            : 'the evaluation does not say how it chose frames; shown are those of its run',
        ]
      : [];
  return { path: evaluation.row(at).video, startS: undefined, endS: undefined, settings, notes };
}

/** Frame sizes play no part here, so the side of a merged patch may be that of any model. */
const PIXEL_UNIT = 28;

function samplingOfRun(config: RunConfig): VideoSettings {
  const preset =
    VIDEO_PRESETS.find((name) => name === config.get('video')) ?? ('correct' satisfies VideoPreset);
  const number = (key: string) => {
    const value = config.get(key);
    return typeof value === 'number' ? value : undefined;
  };
  const keys: VideoKeys = { video: preset, fps: number('fps'), max_frames: number('max_frames') };
  return videoSettings(keys, PIXEL_UNIT);
}

function isSampling(value: unknown): value is SamplingSettings {
  return (
    typeof value === 'object' &&
    value !== null &&
    ['fps', 'min_frames', 'max_frames'].every((key) => typeof Reflect.get(value, key) === 'number')
  );
}

/** @throws DataError where the file is not on this machine; VideoError where it cannot be read */
export async function describeClip(source: ClipSource): Promise<Clip> {
  const { startS, endS, settings } = source;
  const path = checkClip(source);
  const info = await probeVideo(path);
  const { indices } = sampleFrames(settings, { ...info, totalFrames: info.numFrames, startS, endS });
  return {
    name: basename(path),
    width: info.width,
    height: info.height,
    fps: info.fps,
    seconds: info.durationS,
    num_frames: info.numFrames,
    start: startS ?? null,
    end: endS ?? null,
    frames: indices.map((index) => ({ index, seconds: info.timesS[index] ?? index / info.fps })),
    is_playable: mediaType(path) !== undefined && PLAYED_CODECS.has(info.codec),
    notes: [...source.notes, ...info.notes],
  };
}

/** PNG of exactly the frames that the model sees, in order. @throws as `describeClip` */
export async function clipSheet(source: ClipSource): Promise<Uint8Array> {
  const { startS, endS, settings } = source;
  const frames = await decodeFrames(checkClip(source), (video) =>
    sampleFrames(settings, { ...video, startS, endS }),
  );
  return contactSheet(frames, { ...SHEET, columns: Math.min(frames.numFrames, 4) });
}

/** The media type a browser plays the file as; undefined where it would not, or where it is no video. */
export function mediaType(path: string): string | undefined {
  return MEDIA_TYPES[extname(path).toLowerCase()];
}

/** @throws DataError where the file is missing, or is no single file */
export function checkClip({ path }: Pick<ClipSource, 'path'>): string {
  if (!existsSync(path))
    throw new DataError(`the clip ${basename(path)} is not on this machine`, {
      hint: `the run names it ${path}; a relative path starts where the dashboard was started`,
    });
  if (!statSync(path).isFile())
    throw new DataError(`${basename(path)} is a folder of frames, which cannot be played here`);
  return path;
}
