/**
 * Decoded frames of videos, kept within a memory budget. Training visits the videos over and over in ever new orders, where
 * throwing out the least recently used one would throw out what comes next; so what fits stays, and the rest is decoded anew.
 *
 * A few videos are decoded at once; more are waiting in the order they were asked for.
 */
import { availableParallelism } from 'node:os';
import { clipOf, type Question } from '../data/index.ts';
import type { VisionFrames } from '../models/index.ts';
import { dispose, keep, scope } from '../tensor/index.ts';
import { type VideoKeys, videoSettings } from '../video/index.ts';
import { loadImage, loadVideo } from './load-video.ts';

/** Frames that live at least until `dispose`. */
export interface HeldFrames extends VisionFrames {
  dispose(): void;
}

export class FrameCache {
  readonly #kept = new Map<string, VisionFrames>();
  readonly #loading = new Map<string, Promise<HeldFrames>>();
  readonly #decode: (question: Question) => Promise<VisionFrames>;
  readonly #budget: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #bytes = 0;
  #numDecoded = 0;

  /** @param decode frames of a question, owned by the caller */
  constructor(budgetMib: number, decode: (question: Question) => Promise<VisionFrames>) {
    this.#budget = budgetMib * 2 ** 20;
    this.#decode = decode;
  }

  /** Bytes of the frames that are kept. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Videos decoded so far. */
  get numDecoded(): number {
    return this.#numDecoded;
  }

  /** @throws VideoError */
  async get(question: Question): Promise<HeldFrames> {
    const clip = clipOf(question);
    // Another pack of the same video may be decoding it now; should that fail, this one tries again and says why.
    for (let other = this.#loading.get(clip); other !== undefined; other = this.#loading.get(clip))
      await other.catch(() => {});
    const kept = this.#kept.get(clip);
    if (kept !== undefined) return { ...kept, dispose: () => {} };
    const load = this.#decodeAndKeep(clip, question).finally(() => this.#loading.delete(clip));
    this.#loading.set(clip, load);
    return await load;
  }

  async #decodeAndKeep(clip: string, question: Question): Promise<HeldFrames> {
    const frames = await this.#load(question);
    const size = frames.frames.numel();
    if (this.#bytes + size > this.#budget) return { ...frames, dispose: () => dispose(frames.frames) };
    this.#bytes += size;
    this.#kept.set(clip, frames);
    return { ...frames, dispose: () => {} };
  }

  async #load(question: Question): Promise<VisionFrames> {
    if (this.#running >= availableParallelism())
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#running += 1;
    try {
      const frames = await this.#decode(question);
      this.#numDecoded += 1;
      return frames;
    } finally {
      this.#running -= 1;
      this.#waiting.shift()?.();
    }
  }

  dispose(): void {
    for (const { frames } of this.#kept.values()) dispose(frames);
    this.#kept.clear();
    this.#bytes = 0;
  }
}

/** Decodes what a question is about with the settings of a run. */
export function frameDecoder(config: VideoKeys): (question: Question) => Promise<VisionFrames> {
  const settings = videoSettings(config);
  return async ({ video, item }) => {
    const { frames, ...facts } =
      item.media === 'image'
        ? { ...(await loadImage(video)), secondPerGridS: undefined }
        : await loadVideo(video, settings, {
            startS: item.start,
            endS: item.end,
            ...(item.fps === undefined ? {} : { folderFps: item.fps }),
          });
    return { frames: keep(scope(() => frames)), secondPerGridS: facts.secondPerGridS };
  };
}
