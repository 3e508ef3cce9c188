/**
 * From layers of values (YAML file, `--set`) to one checked configuration that knows where each value came from.
 * The same for every kind of run; what its keys are is its schema's business.
 */
import type { z } from 'zod';
import { ConfigError, closest, type JsonObject, presentValue } from '../../base/index.ts';

/** One source of values, the later the stronger. */
export interface ConfigLayer {
  /** For error texts and comments, for example `recipes/x.yaml` or `--set`. */
  readonly source: string;
  /** A null takes the value of earlier layers away: the default (or the preset's value) is back. */
  readonly values: JsonObject;
  /** Where single values came from, when the layer knows (a resolved configuration read back). */
  readonly sources?: Readonly<Record<string, string>> | undefined;
}

/** Another project's name for one or several of our keys. */
export type Aliases = Readonly<Record<string, readonly string[]>>;

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
  /** For error texts: the layer, also where it says that a value is a default. */
  readonly origins: Record<string, string>;
  readonly notices: readonly string[];
}

/** @throws ConfigError when one layer sets a key twice under two names */
export function mergeLayers(
  layers: readonly ConfigLayer[],
  schema: z.ZodObject,
  aliases: Aliases = {},
): MergedLayers {
  const values: Record<string, unknown> = {};
  const sources: Record<string, string> = {};
  const origins: Record<string, string> = {};
  const notices: string[] = [];
  for (const layer of layers) {
    const spelling = new Map<string, string>();
    for (const [key, value] of Object.entries(layer.values)) {
      const names = aliases[key] ?? [key];
      if (aliases[key] !== undefined)
        notices.push(`${layer.source}: ${key} is read as ${names.join(' and ')}`);
      for (const name of names) {
        const other = spelling.get(name);
        if (other !== undefined && JSON.stringify(layer.values[other]) !== JSON.stringify(value))
          throw new ConfigError(
            `${layer.source}: ${other} (${JSON.stringify(layer.values[other])}) and ${key} (${JSON.stringify(value)}) set the same key, ${name}`,
            { hint: 'leave one of them out' },
          );
        spelling.set(name, key);
        delete values[name];
        delete sources[name];
        if (value === null && name in schema.shape) continue;
        const present = presentValue(name, value);
        if (present !== undefined)
          notices.push(
            `${layer.source}: ${key}: ${value} is called ${present} now; the former name goes with the next version`,
          );
        values[name] = present ?? value;
        const spelt = name === key ? '' : ` (as ${key})`;
        origins[name] = `${layer.source}${spelt}`;
        const source = layer.sources === undefined ? layer.source : layer.sources[key];
        if (source !== undefined) sources[name] = `${source}${spelt}`;
      }
    }
  }
  return { values, sources, origins, notices };
}

/**
 * Fills in the defaults and checks all keys at once.
 * @param isImplied keys that are missing only because another one is; they are not told
 * @throws ConfigError that lists every misspelt, missing or impossible key with where it was set
 */
export function checkConfig<Schema extends z.ZodObject>(
  schema: Schema,
  { values, sources, origins, notices }: MergedLayers,
  options: { readonly aliases?: Aliases; readonly isImplied?: (key: string) => boolean } = {},
): Resolved<z.output<Schema>> {
  const parsed = schema.safeParse(values);
  if (parsed.success) return { config: parsed.data, sources, notices };
  const names = [...Object.keys(schema.shape), ...Object.keys(options.aliases ?? {})];
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
