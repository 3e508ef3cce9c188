/**
 * From layers of values (YAML file, `--set`) to one checked configuration that knows where each value came from.
 * The same for every kind of run; what its keys are is its schema's business.
 */
import { z } from 'zod';
import {
  ConfigError,
  closest,
  type JsonObject,
  KEY_ALIASES,
  KEY_NOTES,
  keysOfAlias,
  presentValue,
  recordOf,
  valueOfAlias,
} from '../../base/index.ts';

/** One source of values, the later the stronger. */
export interface ConfigLayer {
  /** Name in error texts and comments, for example `recipes/x.yaml` or `--set`. */
  readonly source: string;
  /** A null takes the value of earlier layers away: the default (or the preset's value) is back. */
  readonly values: JsonObject;
  /** Where single values came from, when the layer knows (a resolved configuration read back). */
  readonly sources?: Readonly<Record<string, string>> | undefined;
}

/** A configuration with where each value that is not a default came from. */
export interface Resolved<Config> {
  readonly config: Config;
  readonly sources: Readonly<Record<string, string>>;
  /** Sentences about values that were given under a former name. */
  readonly notices: readonly string[];
}

export interface MergedLayers {
  readonly values: Record<string, unknown>;
  readonly sources: Record<string, string>;
  /** Name of the layer that set a value, also of one that set it to its default; error texts say it. */
  readonly origins: Record<string, string>;
  readonly notices: readonly string[];
}

/**
 * Values by their present keys, the last layer's where several set one.
 * @throws ConfigError when one layer sets a key twice under two names, or an old key has a value nothing answers to
 */
export function mergeLayers(layers: readonly ConfigLayer[], schema: z.ZodObject): MergedLayers {
  const isKey = (name: string) => Object.hasOwn(schema.shape, name);
  // Keys come from files: one called "__proto__" is a key like any other, and unknown.
  const values = recordOf<unknown>([]);
  const sources = recordOf<string>([]);
  const origins = recordOf<string>([]);
  const notices: string[] = [];
  for (const layer of layers) {
    const spelling = new Map<string, { readonly key: string; readonly value: unknown }>();
    for (const [key, given] of Object.entries(layer.values)) {
      const named = keysOfAlias(key, isKey);
      const names = named ?? [key];
      const value = named === undefined ? given : valueOfAlias(key, given, layer.source);
      if (named !== undefined) notices.push(`${layer.source}: ${aliasNotice(key, names, given, value)}`);
      for (const name of names) {
        const other = spelling.get(name);
        if (other !== undefined && JSON.stringify(other.value) !== JSON.stringify(value))
          throw new ConfigError(
            `${layer.source}: ${other.key} (${JSON.stringify(layer.values[other.key])}) and ${key} (${JSON.stringify(given)}) set the same key, ${name}`,
            { hint: 'leave one of them out' },
          );
        spelling.set(name, { key, value });
        delete values[name];
        delete sources[name];
        if (value === null && isKey(name)) continue;
        const present = presentValue(name, value);
        if (present !== undefined)
          notices.push(
            `${layer.source}: ${key}: ${value} is called ${present} now; the former name goes with the next version`,
          );
        values[name] = present ?? textAsList(schema.shape[name], value);
        const spelt = name === key ? '' : ` (as ${key})`;
        origins[name] = `${layer.source}${spelt}`;
        const source = layer.sources === undefined ? layer.source : layer.sources[key];
        if (source !== undefined) sources[name] = `${source}${spelt}`;
      }
    }
  }
  return { values, sources, origins, notices };
}

/** `torch_dtype is read as dtype`, with the value where it has changed too, and what the key counts. */
function aliasNotice(alias: string, names: readonly string[], given: unknown, value: unknown): string {
  const changed = value === given ? '' : `: ${JSON.stringify(value)}`;
  const notes = names.flatMap((name) => (name in KEY_NOTES ? [`; ${KEY_NOTES[name]}`] : []));
  return `${alias} is read as ${names.join(' and ')}${changed}${notes.join('')}`;
}

/** A text in the place of a list of texts is its items between commas: `accuracy,format`. */
function textAsList(field: unknown, value: unknown): unknown {
  const list = unwrapped(field);
  const isTexts = list instanceof z.ZodArray && list.element instanceof z.ZodString;
  return isTexts && typeof value === 'string' ? itemsOf(value) : value;
}

/** What stands between the commas of a text. */
export function itemsOf(text: string): string[] {
  return text.split(',').map((part) => part.trim());
}

/** The schema under `default` and `optional`. */
function unwrapped(field: unknown): unknown {
  return field instanceof z.ZodDefault || field instanceof z.ZodOptional ? unwrapped(field.unwrap()) : field;
}

/**
 * Fills in the defaults and checks all keys at once.
 * @param isImplied keys that are missing only because another one is; they are not told
 * @throws ConfigError that lists every misspelt, missing or impossible key with where it was set
 */
export function checkConfig<Schema extends z.ZodObject>(
  schema: Schema,
  { values, sources, origins, notices }: MergedLayers,
  options: { readonly isImplied?: (key: string) => boolean } = {},
): Resolved<z.output<Schema>> {
  const parsed = schema.safeParse(values);
  if (parsed.success) return { config: parsed.data, sources, notices };
  const isKey = (name: string) => Object.hasOwn(schema.shape, name);
  const aliases = Object.keys(KEY_ALIASES).filter((name) => keysOfAlias(name, isKey) !== undefined);
  const names = [...Object.keys(schema.shape), ...aliases];
  const lines = parsed.error.issues.flatMap((issue) => {
    const top = String(issue.path[0]);
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => {
        if (issue.path.length > 0) return `${issue.path.join('.')}.${key} (${origins[top]}): no such key`;
        const guess = closest(key, names);
        return `${key} (${origins[key]}): no such key${guess === undefined ? '' : `; did you mean ${guess}?`}`;
      });
    if (values[top] === undefined)
      return options.isImplied?.(top) ? [] : [`${issue.path.join('.')}: missing`];
    return [
      `${issue.path.join('.')} (${origins[top]}): ${issue.message}, got ${JSON.stringify(valueAt(values, issue.path))}`,
    ];
  });
  throw new ConfigError(
    `the configuration has ${lines.length === 1 ? 'a problem' : `${lines.length} problems`}:\n  ${lines.join('\n  ')}`,
  );
}

function valueAt(values: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce((value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key], values);
}
