/**
 * What the data files of a run or an evaluation say of its questions beyond what its own rows hold: videos and images with their parts,
 * the kind, the source and other dimensions. The files may have moved since; then there is only what the rows say.
 */
import { existsSync } from 'node:fs';
import { type DataItem, readItemsWithIssues } from '../data/index.ts';

export class ItemBook {
  readonly #paths: readonly string[];
  #items: ReadonlyMap<string, DataItem> | undefined;

  constructor(paths: readonly string[]) {
    this.#paths = paths;
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
    const items = this.#paths.flatMap((path) => (existsSync(path) ? readItemsWithIssues(path).items : []));
    return new Map(items.map((item) => [item.id, item]));
  }
}
