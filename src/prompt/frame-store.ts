/**
 * Decoded frames, kept within a memory budget: one store for training, held-out questions and evaluation. Training visits the
 * videos over and over in ever new orders, where throwing out the least recently used one would throw out what comes next; so
 * what fits stays, and the rest is decoded anew. A few files are decoded at once; more wait in the order they were asked for.
 */
import { availableParallelism } from 'node:os';
import { type Logger, limitConcurrency } from '../base/index.ts';
import type { FoundMedium, Question } from '../data/index.ts';
import type { VisionFrames } from '../models/index.ts';
import { dispose, keep, scope } from '../tensor/index.ts';
import type { VideoSettings } from '../video/index.ts';
import { loadImage, loadVideo } from './load-video.ts';
import { imageSettings, mediumSettings } from './medium-settings.ts';

/** Frames that live at least until `dispose`. */
export interface HeldFrames extends VisionFrames {
  dispose(): void;
}

/** Frames owned by the caller, and what to warn of: concealed damage, assumptions. */
export type ReadFrames = VisionFrames & { readonly warnings?: readonly string[] };

/** How a video or image becomes frames, under the settings of the run. */
export type FrameReader = (medium: FoundMedium, settings: VideoSettings) => Promise<ReadFrames>;

/** Frames of all videos and images of a question, in their order. */
export interface HeldMedia {
  readonly frames: readonly HeldFrames[];
  dispose(): void;
}

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

  /** Frames of all media of a question under the settings of a run. @throws VideoError of the first that can not be read */
  async getAll({ media }: Pick<Question, 'media'>, settings: VideoSettings): Promise<HeldMedia> {
    const results = await Promise.allSettled(media.map((medium) => this.get(medium, settings)));
    const frames = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    const dispose = (): void => {
      for (const one of frames) one.dispose();
    };
    const failed = results.find((result) => result.status === 'rejected');
    if (failed === undefined) return { frames, dispose };
    dispose();
    throw failed.reason;
  }

  /** Frames of one medium. @throws VideoError */
  async get(medium: FoundMedium, settings: VideoSettings): Promise<HeldFrames> {
    const { path: _path, ...shown } = medium;
    const key = JSON.stringify([shown, settings]);
    // Another prompt of the same video may be decoding it now; should that fail, this one tries again and says why.
    for (let other = this.#loading.get(key); other !== undefined; other = this.#loading.get(key))
      await other.catch(() => {});
    const kept = this.#kept.get(key);
    if (kept !== undefined) return { ...kept, dispose: () => {} };
    const load = this.#load(key, medium, settings).finally(() => this.#loading.delete(key));
    this.#loading.set(key, load);
    return await load;
  }

  async #load(key: string, medium: FoundMedium, settings: VideoSettings): Promise<HeldFrames> {
    const { budget_mib, read = readFrames } = this.#options;
    const { warnings = [], ...frames } = await this.#limit(() => read(medium, settings));
    this.#numDecoded += 1;
    this.#warn(medium.file, warnings);
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

/** Decodes a video, a folder of frames or an image, as its item and the run want it. @throws VideoError */
export async function readFrames(medium: FoundMedium, settings: VideoSettings): Promise<ReadFrames> {
  return await read(medium, settings, false);
}

/** `readFrames` with one frame of a video: of those that it would show, the one in the middle. @throws VideoError */
export async function readMiddleFrame(medium: FoundMedium, settings: VideoSettings): Promise<ReadFrames> {
  return await read(medium, settings, true);
}

async function read(medium: FoundMedium, settings: VideoSettings, onlyMiddle: boolean): Promise<ReadFrames> {
  const { type, file, start, end, fps } = medium;
  if (type === 'image') {
    const { frames } = await loadImage(file, imageSettings(settings, medium), {
      kernel: settings.resize_kernel,
    });
    return { frames: keep(scope(() => frames)) };
  }
  const { frames, secondPerGridS, indices, timesS, statedS, warnings } = await loadVideo(
    file,
    mediumSettings(settings, medium),
    {
      startS: start,
      endS: end,
      onlyMiddle,
      ...(type === 'video' || fps === undefined ? {} : { folderFps: fps }),
    },
  );
  return { frames: keep(scope(() => frames)), secondPerGridS, indices, timesS, statedS, warnings };
}
