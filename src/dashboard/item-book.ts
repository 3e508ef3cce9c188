/**
 * What the data file of a run says of its questions beyond what completions hold: the part of the video, the kind, the source and
 * other dimensions. The file may have moved since; then there is only what the completions say.
 */
import { existsSync } from 'node:fs';
import { type DataItem, readItemsWithIssues } from '../data/index.ts';
import type { RunConfig } from './run-config.ts';

export class ItemBook {
  readonly #path: string | undefined;
  #items: ReadonlyMap<string, DataItem> | undefined;

  constructor(config: RunConfig) {
    this.#path = config.text('jsonl_path');
  }

  get(id: string): DataItem | undefined {
    this.#items ??= this.#read();
    return this.#items.get(id);
  }

  /** Source, kind and further dimensions of a question. */
  labels(id: string): Readonly<Record<string, string>> {
    const item = this.get(id);
    if (item === undefined) return {};
    const { source, type, dims } = item;
    return { ...(source === '' ? {} : { source }), ...(type === 'multiple choice' ? {} : { type }), ...dims };
  }

  #read(): ReadonlyMap<string, DataItem> {
    if (this.#path === undefined || !existsSync(this.#path)) return new Map();
    return new Map(readItemsWithIssues(this.#path).items.map((item) => [item.id, item]));
  }
}
