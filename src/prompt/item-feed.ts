/**
 * The data side of the loop: items in their order, decoded and prepared ahead of time. While one step trains, FFmpeg
 * decodes the next step's videos in its own processes.
 *
 * Several ranks share a feed: all know the whole order, each loads its part of it, the items in turn, and what one can not read is
 * told to the others, so that all take the next item instead. Who has an item depends on its place in the order alone.
 */

import { type Logger, TwgrpoError, VideoError } from '../base/index.ts';
import type { EpochSampler } from '../data/index.ts';
import type { Processes } from '../dist/index.ts';
import { type Disposable, LoadAhead, type Loaded } from './load-ahead.ts';

export interface ItemFeedOptions<Item, Ready extends Disposable> {
  readonly questions: readonly Item[];
  readonly sampler: EpochSampler;
  /** Decodes and prepares one item. */
  readonly load: (question: Item) => Promise<Ready>;
  /** What to do with a video that can't be read: stop the run, or count it and take the next item. */
  readonly on_bad_video: 'error' | 'skip';
  readonly logger: Logger;
  /** The ranks that share the feed. @default this process alone */
  readonly processes?: Pick<Processes, 'rank' | 'world_size' | 'gather'> | undefined;
}

/** An item of a draw that this rank has. */
export interface Placed<Ready> {
  /** Place among the readable items of the draw, those of all ranks. */
  readonly place: number;
  readonly ready: Ready;
}

/** An item in its turn. */
interface Turn<Item> {
  readonly question: Item;
  /** The rank that loads it. */
  readonly rank: number;
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

  /** Sees that this rank's share of the next `count` items is loading or loaded. Returns at once. */
  prefetch(count: number): void {
    const { questions, sampler } = this.#options;
    const { rank = 0, world_size = 1 } = this.#options.processes ?? {};
    while (this.#turns.length < count) {
      const owner = sampler.numDrawn % world_size;
      const question = questions[sampler.next()] as Item;
      const [stateAfter, epochAfter] = [sampler.state(), sampler.epoch];
      this.#turns.push({ question, rank: owner, stateAfter, epochAfter });
    }
    this.#ahead.want(this.#turns.filter((turn) => turn.rank === rank));
  }

  /** The next `count` items that can be read; those of this rank, with their places. All ranks ask for as many. */
  async next(count: number): Promise<Placed<Ready>[]> {
    const { rank = 0 } = this.#options.processes ?? {};
    const ready: Placed<Ready>[] = [];
    let [place, failures] = [0, 0];
    try {
      while (place < count) {
        this.prefetch(count - place);
        const turns = this.#turns.splice(0, count - place);
        const own = turns.filter((turn) => turn.rank === rank);
        const loaded = new Map((await this.#ahead.take(own)).map((one, i) => [own[i]!, one]));
        const isBad = await this.#agree(turns, loaded);
        for (const [i, turn] of turns.entries()) {
          this.#state = turn.stateAfter;
          this.#epoch = turn.epochAfter;
          if (isBad[i] === true) {
            this.#skip(turn, loaded.get(turn)?.error);
            failures += 1;
            continue;
          }
          const one = loaded.get(turn)?.ready;
          if (one !== undefined) ready.push({ place, ready: one });
          place += 1;
        }
        if (failures > this.#options.questions.length)
          throw new TwgrpoError(`none of the ${this.#options.questions.length} items has a readable video`, {
            hint: 'check video_root, or look at the files with: twgrpo data check',
          });
      }
    } catch (error) {
      for (const one of ready) one.ready.dispose();
      throw error;
    }
    return ready;
  }

  /** Which items nobody can read. @throws what a load failed with, where that must end the run; on other ranks an error that says so */
  async #agree(
    turns: readonly Turn<Item>[],
    loaded: ReadonlyMap<Turn<Item>, Loaded<Ready>>,
  ): Promise<boolean[]> {
    const { processes, on_bad_video } = this.#options;
    const isFatal = (error: unknown) => on_bad_video === 'error' || !(error instanceof VideoError);
    const failed = turns.flatMap((turn, i) => {
      const error = loaded.get(turn)?.error;
      return error === undefined ? [] : [{ i, error }];
    });
    const fatal = failed.find(({ error }) => isFatal(error));
    const told = {
      fatal: fatal === undefined ? undefined : String(fatal.error),
      bad: failed.map(({ i }) => i),
    };
    const all = (await processes?.gather(told, 'agreement on the items of a step')) ?? [told];
    const stopped = all.findIndex((one) => one.fatal !== undefined);
    if (stopped >= 0) {
      for (const one of loaded.values()) one.ready?.dispose();
      throw fatal?.error ?? new TwgrpoError(`rank ${stopped} can not go on: ${all[stopped]!.fatal}`);
    }
    const bad = new Set(all.flatMap((one) => one.bad));
    return turns.map((_, i) => bad.has(i));
  }

  #skip(turn: Turn<Item>, error: unknown): void {
    this.#skipped += 1;
    if (error === undefined) return;
    this.#options.logger.warn(
      { item: turn.question.id, err: error },
      'video can not be read; the item is skipped',
    );
  }

  /** Frees prompts that were prepared but never used. */
  async dispose(): Promise<void> {
    this.#turns.length = 0;
    await this.#ahead.close();
  }
}
