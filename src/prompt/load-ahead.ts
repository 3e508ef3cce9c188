/**
 * Loads what comes next while the present work goes on, for training and evaluation alike: a few loads at once, in order, each
 * result kept until it is taken. A load that fails is a result too, told when its turn comes: whether it ends the run is for
 * the taker to say.
 */
import { limitConcurrency } from '../base/index.ts';

/** What a load gave. */
export type Loaded<Ready> =
  | { readonly ready: Ready; readonly error?: undefined }
  | { readonly ready?: undefined; readonly error: unknown };

/** What a task became; lives until `dispose`. */
export interface Disposable {
  dispose(): void;
}

export class LoadAhead<Task, Ready extends Disposable> {
  readonly #load: (task: Task) => Promise<Ready>;
  readonly #slots = new Map<Task, Promise<Loaded<Ready>>>();
  readonly #limit: ReturnType<typeof limitConcurrency>;

  /** @param numLoaders loads running at once; without a number, as many as are wanted */
  constructor(load: (task: Task) => Promise<Ready>, numLoaders = Number.POSITIVE_INFINITY) {
    this.#load = load;
    this.#limit = limitConcurrency(numLoaders);
  }

  /** Begins to load what is not loading yet, behind what was asked for earlier. Returns at once. */
  want(tasks: readonly Task[]): void {
    for (const task of tasks) {
      if (this.#slots.has(task)) continue;
      this.#slots.set(
        task,
        this.#limit(async (): Promise<Loaded<Ready>> => {
          // Closed before its turn: nobody waits for it.
          if (!this.#slots.has(task)) return { error: new Error('internal: closed') };
          try {
            return { ready: await this.#load(task) };
          } catch (error) {
            return { error };
          }
        }),
      );
    }
  }

  /** Results of tasks in order; they belong to the caller, who disposes them. */
  take(tasks: readonly Task[]): Promise<Loaded<Ready>[]> {
    this.want(tasks);
    const results = Promise.all(tasks.map((task) => this.#slots.get(task)!));
    return results.finally(() => {
      for (const task of tasks) this.#slots.delete(task);
    });
  }

  /** Forgets and disposes what nobody took, waiting for loads under way. */
  async close(): Promise<void> {
    const slots = [...this.#slots.values()];
    this.#slots.clear();
    for (const slot of slots) (await slot).ready?.dispose();
  }
}
