/**
 * Decoded frames, kept within a memory budget: one store for training, held-out questions and evaluation. Training visits the
 * videos over and over in ever new orders, where throwing out the least recently used one would throw out what comes next; so
 * what fits stays, and the rest is decoded anew. A few files are decoded at once; more wait in the order they were asked for.
 */
import { availableParallelism } from 'node:os';
import { type Logger, limitConcurrency } from '../base/index.ts';
import { clipOf, type Question } from '../data/index.ts';
import type { VisionFrames } from '../models/index.ts';
import { dispose, keep, scope } from '../tensor/index.ts';
import type { VideoSettings } from '../video/index.ts';
import { imageLimits, loadImage, loadVideo } from './load-video.ts';

/** Frames that live at least until `dispose`. */
export interface HeldFrames extends VisionFrames {
  dispose(): void;
}

/** Frames owned by the caller, and what to warn of: concealed damage, assumptions. */
export type ReadFrames = VisionFrames & { readonly warnings?: readonly string[] };

/** How a question's video or image becomes frames. */
export type FrameReader = (question: Question, settings: VideoSettings) => Promise<ReadFrames>;

export interface FrameStoreOptions {
  /** Memory for kept frames; 0 keeps none. */
  readonly budget_mib: number;
  /** @default `readFrames` */
  readonly read?: FrameReader;
  /** Is told of damage that the decoder hides, and of what had to be assumed, once a file. */
  readonly logger?: Pick<Logger, 'warn'> | undefined;
}

export class FrameStore {
  readonly #kept = new Map<string, VisionFrames>();
  readonly #loading = new Map<string, Promise<HeldFrames>>();
  readonly #limit = limitConcurrency(availableParallelism());
  readonly #warned = new Set<string>();
  readonly #options: FrameStoreOptions;
  #bytes = 0;
  #numDecoded = 0;

  constructor(options: FrameStoreOptions) {
    this.#options = options;
  }

  /** Bytes of the frames that are kept. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Tensors that live until the store is disposed. */
  get numKept(): number {
    return this.#kept.size;
  }

  /** Videos and images decoded so far. */
  get numDecoded(): number {
    return this.#numDecoded;
  }

  /** Frames of a question under the settings of a run. @throws VideoError */
  async get(question: Question, settings: VideoSettings): Promise<HeldFrames> {
    const key = JSON.stringify([clipOf(question), settings]);
    // Another prompt of the same video may be decoding it now; should that fail, this one tries again and says why.
    for (let other = this.#loading.get(key); other !== undefined; other = this.#loading.get(key))
      await other.catch(() => {});
    const kept = this.#kept.get(key);
    if (kept !== undefined) return { ...kept, dispose: () => {} };
    const load = this.#load(key, question, settings).finally(() => this.#loading.delete(key));
    this.#loading.set(key, load);
    return await load;
  }

  async #load(key: string, question: Question, settings: VideoSettings): Promise<HeldFrames> {
    const { budget_mib, read = readFrames } = this.#options;
    const { warnings = [], ...frames } = await this.#limit(() => read(question, settings));
    this.#numDecoded += 1;
    this.#warn(question.video, warnings);
    const size = frames.frames.numel();
    if (this.#bytes + size > budget_mib * 2 ** 20)
      return { ...frames, dispose: () => dispose(frames.frames) };
    this.#bytes += size;
    this.#kept.set(key, frames);
    return { ...frames, dispose: () => {} };
  }

  #warn(video: string, warnings: readonly string[]): void {
    const [first] = warnings;
    if (first === undefined || this.#warned.has(video)) return;
    this.#warned.add(video);
    const more = warnings.length > 1 ? ` (and ${warnings.length - 1} more)` : '';
    this.#options.logger?.warn(`${video}: ${first}${more}`);
  }

  dispose(): void {
    for (const { frames } of this.#kept.values()) dispose(frames);
    this.#kept.clear();
    this.#bytes = 0;
  }
}

/** Decodes what a question is about. @throws VideoError */
export async function readFrames({ video, item }: Question, settings: VideoSettings): Promise<ReadFrames> {
  if (item.media === 'image') {
    const { frames } = await loadImage(video, imageLimits(settings.pixel_unit));
    return { frames: keep(scope(() => frames)) };
  }
  const { frames, secondPerGridS, indices, timesS, warnings } = await loadVideo(video, settings, {
    startS: item.start,
    endS: item.end,
    ...(item.fps === undefined ? {} : { folderFps: item.fps }),
  });
  return { frames: keep(scope(() => frames)), secondPerGridS, indices, timesS, warnings };
}
