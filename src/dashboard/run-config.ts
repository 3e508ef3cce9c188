/** `config.yaml` of a run as lines to show: each key with its value and the source that its comment names. */
import { isMap, isNode, isScalar } from 'yaml';
import { ConfigError, readYamlFile, type Yaml } from '../base/index.ts';
import type { ConfigLine } from './api.ts';

export class RunConfig {
  readonly lines: readonly ConfigLine[];
  readonly #values: Readonly<Record<string, unknown>>;

  /** @param path a file that is missing or damaged gives no lines: the run can be looked at all the same */
  constructor(path: string) {
    const yaml = readOrNothing(path);
    const contents = yaml?.document.contents;
    const items = isMap(contents) ? contents.items : [];
    this.#values = items.length === 0 ? {} : (yaml?.values as Record<string, unknown>);
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

function readOrNothing(path: string): Yaml | undefined {
  try {
    return readYamlFile(path);
  } catch (error) {
    if (error instanceof ConfigError) return undefined;
    throw error;
  }
}
