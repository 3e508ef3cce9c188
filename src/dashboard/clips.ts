/**
 * The clip of a question: its file, and the frames of it that the model sees. The path comes from the run's own files, never from
 * the page.
 */
import { existsSync, statSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { DataError } from '../base/index.ts';
import { FOLDER_FPS, type Medium, recordedFiles } from '../data/index.ts';
import { mediumSettings } from '../prompt/index.ts';
import {
  contactSheet,
  decodeFrames,
  type FrameChooser,
  type FrameSample,
  isImagePath,
  listFrames,
  probeVideo,
  readFrameFolder,
  readImage,
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
  readonly kind: Clip['kind'];
  readonly path: string;
  readonly num_media: number;
  readonly startS: number | undefined;
  readonly endS: number | undefined;
  /** Of a folder of frames, how many are a second. */
  readonly folderFps: number;
  readonly settings: SamplingSettings;
  readonly notes: readonly string[];
}

/** Which of the media of a question, and where files lie that were moved since. */
export interface ClipWish {
  /** From 0. */
  readonly medium: number;
  readonly video_root: string | undefined;
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
const IMAGE_WIDTH = 896;

/** A file of which nothing is known but how frames are chosen. */
export function clipOfFile(
  path: string,
  settings: SamplingSettings,
  part: { readonly startS: number | undefined; readonly endS: number | undefined },
): ClipSource {
  return { kind: kindOfFile(path), path, num_media: 1, settings, folderFps: FOLDER_FPS, ...part, notes: [] };
}

/** @throws DataError for a group that the step does not have, or a question without such a medium */
export function clipOfGroup(run: RunData, step: number, group: number, wish: ClipWish): ClipSource {
  const record = run.completions(step).find((one) => one.group === group);
  if (record === undefined) throw new DataError(`step ${step} has no group ${group}`);
  const media = run.items.get(record.item)?.media;
  const isWhole = run.config.get('clip') === false;
  return sourceOf(
    { video: record.video, media, isWhole, settings: samplingOfRun(run.config), notes: [] },
    wish,
  );
}

/** @throws DataError for a row that the evaluation does not have, or a question without such a medium */
export function clipOfRow(
  evaluation: EvaluationData,
  at: number,
  run: RunData | undefined,
  wish: ClipWish,
): ClipSource {
  const { id, video } = evaluation.row(at);
  const own = evaluation.settings['video'];
  const correct = videoSettings({ video: 'correct' }, PIXEL_UNIT);
  const isKnown = isSampling(own);
  const settings = isKnown ? { ...correct, ...own } : run === undefined ? correct : samplingOfRun(run.config);
  const notes = isKnown
    ? []
    : [
        `the evaluation does not say how it chose frames; shown are those of ${run === undefined ? 'the preset "correct"' : 'its run'}`,
      ];
  const isWhole = evaluation.settings['clip'] === false;
  return sourceOf({ video, media: evaluation.questions.get(id)?.media, isWhole, settings, notes }, wish);
}

interface Shown {
  /** As the row names its media. */
  readonly video: string;
  /** As the data file names them, where it is at hand. */
  readonly media: readonly Medium[] | undefined;
  /** Parts of videos are not looked at. */
  readonly isWhole: boolean;
  readonly settings: VideoSettings;
  readonly notes: readonly string[];
}

function sourceOf({ video, media, isWhole, settings, notes }: Shown, wish: ClipWish): ClipSource {
  const files = recordedFiles(video, media?.length, wish.video_root);
  const path = files[wish.medium];
  if (path === undefined)
    throw new DataError(
      files.length === 0
        ? 'this question shows no video'
        : `the question shows ${files.length} videos or images, there is no number ${wish.medium}`,
    );
  // Of a data file that was changed since, another number of media says nothing about these.
  const medium = media?.length === files.length ? media[wish.medium] : undefined;
  return {
    kind: medium?.type ?? kindOfFile(path),
    path,
    num_media: files.length,
    startS: isWhole ? undefined : medium?.start,
    endS: isWhole ? undefined : medium?.end,
    folderFps: (medium?.type === 'frames' ? medium.fps : undefined) ?? FOLDER_FPS,
    settings: medium === undefined ? settings : mediumSettings(settings, medium),
    notes,
  };
}

function kindOfFile(path: string): Clip['kind'] {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return 'frames';
  return isImagePath(path) ? 'image' : 'video';
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
  const { kind, num_media, startS, endS } = source;
  const path = checkClip(source);
  const { frames, ...facts } = await (kind === 'video'
    ? videoFacts(path, source)
    : kind === 'frames'
      ? folderFacts(path, source)
      : imageFacts(path));
  return {
    kind,
    num_media,
    name: basename(path),
    ...facts,
    start: startS ?? null,
    end: endS ?? null,
    frames,
    notes: [...source.notes, ...facts.notes],
  };
}

type ClipFacts = Omit<Clip, 'kind' | 'num_media' | 'name' | 'start' | 'end'>;

async function videoFacts(path: string, { settings, startS, endS }: ClipSource): Promise<ClipFacts> {
  const info = await probeVideo(path);
  const { width, height, fps, numFrames, durationS, codec, notes } = info;
  const { indices } = sampleFrames(settings, { ...info, totalFrames: numFrames, startS, endS });
  return {
    ...{ width, height, fps, seconds: durationS, num_frames: numFrames, notes },
    frames: indices.map((index) => ({ index, seconds: info.timesS[index] ?? index / fps })),
    is_playable: mediaType(path) !== undefined && PLAYED_CODECS.has(codec),
  };
}

async function folderFacts(path: string, source: ClipSource): Promise<ClipFacts> {
  const { settings, startS, endS, folderFps: fps } = source;
  const names = listFrames(path);
  const { width, height } = await readImage(join(path, names[0]!));
  const { indices } = sampleFrames(settings, { totalFrames: names.length, fps, startS, endS });
  return {
    ...{ width, height, fps, seconds: names.length / fps, num_frames: names.length },
    frames: indices.map((index) => ({ index, seconds: index / fps })),
    is_playable: false,
    notes: ['a folder of frames'],
  };
}

async function imageFacts(path: string): Promise<ClipFacts> {
  const { width, height } = await readImage(path);
  const frames = [{ index: 0, seconds: 0 }];
  return {
    width,
    height,
    fps: 0,
    seconds: 0,
    num_frames: 1,
    frames,
    is_playable: false,
    notes: ['an image'],
  };
}

/** PNG of exactly the frames that the model sees, in order. @throws as `describeClip` */
export async function clipSheet(source: ClipSource): Promise<Uint8Array> {
  const { kind, startS, endS, settings, folderFps } = source;
  const path = checkClip(source);
  if (kind === 'image') {
    const { pixels, width, height } = await readImage(path);
    return contactSheet({ frames: pixels, numFrames: 1, width, height }, { maxFrameWidth: IMAGE_WIDTH });
  }
  const choose: FrameChooser<FrameSample> = (video) => sampleFrames(settings, { ...video, startS, endS });
  const frames = await (kind === 'frames'
    ? readFrameFolder(path, folderFps, choose)
    : decodeFrames(path, choose));
  return contactSheet(frames, { ...SHEET, columns: Math.min(frames.numFrames, 4) });
}

/** The media type a browser plays the file as; undefined where it would not, or where it is no video. */
export function mediaType(path: string): string | undefined {
  return MEDIA_TYPES[extname(path).toLowerCase()];
}

/** @throws DataError where it is missing */
export function checkClip({ path }: Pick<ClipSource, 'path'>): string {
  if (!existsSync(path))
    throw new DataError(`the clip ${basename(path)} is not on this machine`, {
      hint: `the run names it ${path}; a relative path starts where the dashboard was started; --video-root names the folder that clips were moved to`,
    });
  return path;
}
