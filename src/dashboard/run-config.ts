/** `config.yaml` of a run as lines to show: each key with its value and the source that its comment names. */
import { existsSync, readFileSync } from 'node:fs';
import { isMap, isNode, isScalar, parseDocument } from 'yaml';
import type { ConfigLine } from './api.ts';

export class RunConfig {
  readonly lines: readonly ConfigLine[];
  readonly #values: Readonly<Record<string, unknown>>;

  /** @param path a file that is missing or damaged gives no lines: the run can be looked at all the same */
  constructor(path: string) {
    const document = parseDocument(existsSync(path) ? readFileSync(path, 'utf8') : '');
    const items = document.errors.length === 0 && isMap(document.contents) ? document.contents.items : [];
    this.#values = items.length === 0 ? {} : (document.toJS() as Record<string, unknown>);
    this.lines = items.map(({ key, value }) => ({
      key: isScalar(key) ? String(key.value) : String(key),
      value: JSON.stringify(this.#values[String(isScalar(key) ? key.value : key)]) ?? 'null',
      source: isNode(value) ? (value.comment?.trim() ?? '') : '',
    }));
  }

  get(key: string): unknown {
    return this.#values[key];
  }

  text(key: string): string | undefined {
    const value = this.#values[key];
    return typeof value === 'string' ? value : undefined;
  }
}
