/**
 * Loads what comes next while the present batch is being answered: a few loads at once, in order, each result kept until
 * it is released. A load that fails is a result too, told when its turn comes.
 */
import { limitConcurrency } from '../base/index.ts';

/** What a load gave. */
export type Loaded<Ready> =
  | { readonly ready: Ready; readonly error?: undefined }
  | { readonly ready?: undefined; readonly error: unknown };

export interface Disposable {
  dispose(): void;
}

export class Prefetch<Task, Ready extends Disposable> {
  readonly #load: (task: Task) => Promise<Ready>;
  readonly #slots = new Map<Task, Promise<Loaded<Ready>>>();
  readonly #limit: ReturnType<typeof limitConcurrency>;

  /** @param numLoaders loads running at once */
  constructor(load: (task: Task) => Promise<Ready>, numLoaders: number) {
    this.#load = load;
    this.#limit = limitConcurrency(numLoaders);
  }

  /** Begins to load what is not loading yet, behind what was asked for earlier. */
  want(tasks: readonly Task[]): void {
    for (const task of tasks) {
      if (this.#slots.has(task)) continue;
      this.#slots.set(
        task,
        this.#limit(async (): Promise<Loaded<Ready>> => {
          // Released before its turn: nobody waits for it.
          if (!this.#slots.has(task)) return { error: new Error('internal: released') };
          try {
            return { ready: await this.#load(task) };
          } catch (error) {
            return { error };
          }
        }),
      );
    }
  }

  /** Results of tasks in order. They stay here until `release`. */
  take(tasks: readonly Task[]): Promise<Loaded<Ready>[]> {
    this.want(tasks);
    return Promise.all(tasks.map((task) => this.#slots.get(task)!));
  }

  /** Forgets tasks and disposes their results, waiting for loads under way. */
  async release(tasks: Iterable<Task>): Promise<void> {
    const slots = [...tasks].flatMap((task) => {
      const slot = this.#slots.get(task);
      this.#slots.delete(task);
      return slot === undefined ? [] : [slot];
    });
    for (const slot of slots) (await slot).ready?.dispose();
  }

  /** Releases everything. */
  close(): Promise<void> {
    return this.release([...this.#slots.keys()]);
  }
}
