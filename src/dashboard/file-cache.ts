/** What was made of a file, kept as long as the file stays as it was (its size, time of change and inode). */
import { statSync } from 'node:fs';

interface Entry<T> {
  readonly mark: string;
  readonly value: T;
}

/** Tells two states of a file apart; `none` where there is no file. */
export function markOf(path: string): string {
  const facts = statSync(path, { throwIfNoEntry: false });
  return facts === undefined ? 'none' : `${facts.ino}-${facts.size}-${facts.mtimeMs}`;
}

export class FileCache<T> {
  readonly #entries = new Map<string, Entry<T>>();
  readonly #most: number;

  /** @param most files whose values are kept; the one not asked for longest goes first */
  constructor(most: number) {
    this.#most = most;
  }

  get(path: string, make: (path: string) => T): T {
    const mark = markOf(path);
    const known = this.#entries.get(path);
    this.#entries.delete(path);
    const entry = known?.mark === mark ? known : { mark, value: make(path) };
    this.#entries.set(path, entry);
    if (this.#entries.size > this.#most) this.#entries.delete(this.#entries.keys().next().value!);
    return entry.value;
  }
}
