/** Size and length of what a question is about, found out without decoding it: for the data doctor and before training alike. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { listFrames, type ProbeOptions, probeVideo, readImage, type VideoInfo } from '../video/index.ts';
import type { Medium } from './item.ts';

/** The facts of a video that a prompt's length depends on. */
export type VideoFacts = Pick<VideoInfo, 'width' | 'height' | 'fps' | 'numFrames' | 'durationS'> &
  Partial<Pick<VideoInfo, 'timesS' | 'notes'>>;

/** Frames a second of a folder that nothing is said about: TVQA's. */
export const FOLDER_FPS = 3;

/**
 * Size and length of a video, a folder of frames or an image; a folder is taken for frames whatever the item says.
 * @throws VideoError when it can not be read
 */
export async function mediaFacts(
  path: string,
  { type, fps: folderFps = FOLDER_FPS }: Pick<Medium, 'type' | 'fps'>,
  options: ProbeOptions = {},
): Promise<VideoFacts> {
  const isFolder = type === 'frames' || statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  if (type === 'video' && !isFolder) return await probeVideo(path, options);
  const files = isFolder ? listFrames(path).map((name) => join(path, name)) : [path];
  const { height, width } = await readImage(files[0]!, options);
  return { height, width, fps: folderFps, numFrames: files.length, durationS: files.length / folderFps };
}
