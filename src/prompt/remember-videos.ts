/**
 * Frames kept in memory, so that a video asked for again need not be decoded again. Training visits the videos over and over in
 * ever new orders, where throwing out the least recently used one would throw out what comes next; so what fits
 * stays, and the rest is decoded anew.
 */
import { fromTypedArray } from '../tensor/index.ts';
import type { VideoSettings } from '../video/index.ts';
import { type LoadedVideo, type LoadVideoOptions, loadVideo } from './load-video.ts';

export type VideoLoader = typeof loadVideo;

interface Kept {
  readonly facts: Omit<LoadedVideo, 'frames'>;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/**
 * A `loadVideo` with a memory.
 * @param budgetMib memory for frames; 0 for none
 */
export function rememberVideos(budgetMib: number, load: VideoLoader = loadVideo): VideoLoader {
  const kept = new Map<string, Kept>();
  let left = budgetMib * 2 ** 20;
  return async (path: string, settings: VideoSettings, options: LoadVideoOptions = {}) => {
    const key = JSON.stringify([path, settings, options]);
    const known = kept.get(key);
    if (known !== undefined) return { ...known.facts, frames: fromTypedArray(known.bytes, known.shape) };
    const video = await load(path, settings, options);
    const { frames, ...facts } = video;
    if (frames.numel() <= left && !kept.has(key)) {
      left -= frames.numel();
      kept.set(key, { facts, shape: frames.shape, bytes: frames.toTypedArray() as Uint8Array });
    }
    return video;
  };
}
