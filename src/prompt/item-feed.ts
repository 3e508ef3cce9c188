/**
 * The data side of the loop: items in their order, decoded and prepared ahead of time. While one step trains, FFmpeg
 * decodes the next step's videos in its own processes.
 */

import { type Logger, TwgrpoError, VideoError } from '../base/index.ts';
import type { EpochSampler } from '../data/index.ts';
import { type Disposable, LoadAhead } from './load-ahead.ts';

export interface ItemFeedOptions<Item, Ready extends Disposable> {
  readonly questions: readonly Item[];
  readonly sampler: EpochSampler;
  /** Decodes and prepares one item. */
  readonly load: (question: Item) => Promise<Ready>;
  /** What to do with a video that can't be read: stop the run, or count it and take the next item. */
  readonly on_bad_video: 'error' | 'skip';
  readonly logger: Logger;
}

/** An item in its turn. */
interface Turn<Item> {
  readonly question: Item;
  /** Position after this item; what a checkpoint stores once the item was handed out. */
  readonly stateAfter: Record<string, unknown>;
  readonly epochAfter: number;
}

export class ItemFeed<Item extends { readonly id: string }, Ready extends Disposable> {
  readonly #options: ItemFeedOptions<Item, Ready>;
  readonly #turns: Turn<Item>[] = [];
  readonly #ahead: LoadAhead<Turn<Item>, Ready>;
  #state: Record<string, unknown>;
  #epoch: number;
  #skipped = 0;

  constructor(options: ItemFeedOptions<Item, Ready>) {
    this.#options = options;
    this.#ahead = new LoadAhead(({ question }) => options.load(question));
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

  /** Sees that `count` items are loading or loaded. Returns at once. */
  prefetch(count: number): void {
    const { questions, sampler } = this.#options;
    while (this.#turns.length < count) {
      const question = questions[sampler.next()] as Item;
      this.#turns.push({ question, stateAfter: sampler.state(), epochAfter: sampler.epoch });
    }
    this.#ahead.want(this.#turns);
  }

  async next(count: number): Promise<Ready[]> {
    const ready: Ready[] = [];
    let failures = 0;
    while (ready.length < count) {
      this.prefetch(count - ready.length);
      const turn = this.#turns.shift() as Turn<Item>;
      const [loaded] = await this.#ahead.take([turn]);
      this.#state = turn.stateAfter;
      this.#epoch = turn.epochAfter;
      if (loaded?.ready !== undefined) {
        ready.push(loaded.ready);
        continue;
      }
      const error = loaded?.error;
      if (this.#options.on_bad_video === 'error' || !(error instanceof VideoError)) {
        for (const prompt of ready) prompt.dispose();
        throw error;
      }
      this.#skipped += 1;
      failures += 1;
      this.#options.logger.warn(
        { item: turn.question.id, err: error },
        'video can not be read; the item is skipped',
      );
      if (failures > this.#options.questions.length)
        throw new TwgrpoError(`none of the ${this.#options.questions.length} items has a readable video`, {
          hint: 'check video_root, or look at the files with: twgrpo data check',
        });
    }
    return ready;
  }

  /** Frees prompts that were prepared but never used. */
  async dispose(): Promise<void> {
    this.#turns.length = 0;
    await this.#ahead.close();
  }
}
