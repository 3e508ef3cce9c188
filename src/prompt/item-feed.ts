/**
 * The data side of the loop: items in their order, decoded and prepared ahead of time. While one step trains, FFmpeg
 * decodes the next step's videos in its own processes.
 */

import { type Logger, TwgrpoError, VideoError } from '../base/index.ts';
import type { EpochSampler } from '../data/index.ts';

/** What an item became; lives until `dispose`. */
export interface Ready {
  dispose(): void;
}

export interface ItemFeedOptions<Item, Loaded extends Ready> {
  readonly questions: readonly Item[];
  readonly sampler: EpochSampler;
  /** Decodes and prepares one item. */
  readonly load: (question: Item) => Promise<Loaded>;
  /** What to do with a video that can't be read: stop the run, or count it and take the next item. */
  readonly on_bad_video: 'error' | 'skip';
  readonly logger: Logger;
}

interface Pending<Item, Loaded> {
  /** Position after this item; what a checkpoint stores once the item was handed out. */
  readonly stateAfter: Record<string, unknown>;
  readonly epochAfter: number;
  readonly result: Promise<{ ready: Loaded } | { error: unknown; question: Item }>;
}

export class ItemFeed<Item extends { readonly id: string }, Loaded extends Ready> {
  readonly #options: ItemFeedOptions<Item, Loaded>;
  readonly #pending: Pending<Item, Loaded>[] = [];
  #state: Record<string, unknown>;
  #epoch: number;
  #skipped = 0;

  constructor(options: ItemFeedOptions<Item, Loaded>) {
    this.#options = options;
    this.#state = options.sampler.state();
    this.#epoch = options.sampler.epoch;
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** Videos that could not be read since the start of this process. */
  get skipped(): number {
    return this.#skipped;
  }

  /** Position of the items handed out; prefetched ones don't count. */
  state(): Record<string, unknown> {
    return this.#state;
  }

  /** Starts loading `count` more items than wait already. Returns at once. */
  prefetch(count: number): void {
    for (let i = this.#pending.length; i < count; i++) this.#start();
  }

  async next(count: number): Promise<Loaded[]> {
    const ready: Loaded[] = [];
    let failures = 0;
    while (ready.length < count) {
      this.prefetch(count - ready.length);
      const { result, stateAfter, epochAfter } = this.#pending.shift() as Pending<Item, Loaded>;
      const loaded = await result;
      this.#state = stateAfter;
      this.#epoch = epochAfter;
      if ('ready' in loaded) {
        ready.push(loaded.ready);
        continue;
      }
      const { error, question } = loaded;
      if (this.#options.on_bad_video === 'error' || !(error instanceof VideoError)) {
        for (const prompt of ready) prompt.dispose();
        throw error;
      }
      this.#skipped += 1;
      failures += 1;
      this.#options.logger.warn(
        { item: question.id, err: error },
        'video can not be read; the item is skipped',
      );
      if (failures > this.#options.questions.length)
        throw new TwgrpoError(`none of the ${this.#options.questions.length} items has a readable video`, {
          hint: 'check video_root, or look at the files with: twgrpo data check',
        });
    }
    return ready;
  }

  #start(): void {
    const { questions, sampler, load } = this.#options;
    const question = questions[sampler.next()] as Item;
    const result = load(question).then(
      (ready) => ({ ready }),
      (error: unknown) => ({ error, question }),
    );
    this.#pending.push({ result, stateAfter: sampler.state(), epochAfter: sampler.epoch });
  }

  /** Frees prompts that were prepared but never used. */
  async dispose(): Promise<void> {
    for (const { result } of this.#pending.splice(0)) {
      const loaded = await result;
      if ('ready' in loaded) loaded.ready.dispose();
    }
  }
}
