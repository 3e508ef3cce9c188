/**
 * From layers of values (preset, YAML file, `--set`) to one checked configuration that knows where each value came from.
 *
 * Order of precedence: defaults < loss preset < YAML file < `--set`.
 */
import type { z } from 'zod';
import { LOSS_PRESETS } from '../rl/index.ts';
import { ConfigError, type JsonObject } from '../run/index.ts';
import { type GrpoConfig, grpoConfigSchema } from './config-schema.ts';

export { CONFIG_SECTIONS, type GrpoConfig, grpoConfigSchema } from './config-schema.ts';

/** Other projects' names for our keys. */
const ALIASES: Readonly<Record<string, readonly string[]>> = {
  alpha: ['token_weight_max'],
  freeze_vision_modules: ['freeze_vision', 'freeze_merger'],
};

export interface ResolvedConfig {
  readonly config: GrpoConfig;
  /** Where each value that is not a default came from. */
  readonly sources: Readonly<Record<string, string>>;
}

/** One source of values, the later the stronger. */
export interface ConfigLayer {
  /** For error texts and comments, for example `recipes/x.yaml` or `--set`. */
  readonly source: string;
  /** A null takes the value of earlier layers away: the default (or the preset's value) is back. */
  readonly values: JsonObject;
  /** Where single values came from, when the layer knows (a resolved configuration read back). */
  readonly sources?: Readonly<Record<string, string>> | undefined;
}

/**
 * Merges the layers, fills in the loss preset and the defaults, and checks everything at once.
 * @throws ConfigError that lists every misspelt, missing or impossible key with where it was set
 */
export function resolveGrpoConfig(layers: readonly ConfigLayer[]): ResolvedConfig {
  const values: Record<string, unknown> = {};
  const sources: Record<string, string> = {};
  /** For error texts: the layer, also where it says that a value is a default. */
  const origins: Record<string, string> = {};
  for (const layer of layers) {
    const spelling = new Map<string, string>();
    for (const [key, value] of Object.entries(layer.values)) {
      for (const name of ALIASES[key] ?? [key]) {
        const other = spelling.get(name);
        if (other !== undefined && JSON.stringify(layer.values[other]) !== JSON.stringify(value))
          throw new ConfigError(
            `${layer.source}: ${other} (${JSON.stringify(layer.values[other])}) and ${key} (${JSON.stringify(value)}) set the same key, ${name}`,
            { hint: 'leave one of them out' },
          );
        spelling.set(name, key);
        delete values[name];
        delete sources[name];
        if (value === null && name in grpoConfigSchema.shape) continue;
        values[name] = value;
        const spelt = name === key ? '' : ` (as ${key})`;
        origins[name] = `${layer.source}${spelt}`;
        const source = layer.sources === undefined ? layer.source : layer.sources[key];
        if (source !== undefined) sources[name] = `${source}${spelt}`;
      }
    }
  }
  const lossType = values['loss_type'];
  if (typeof lossType === 'string' && lossType in LOSS_PRESETS) {
    for (const [key, value] of Object.entries(LOSS_PRESETS[lossType as keyof typeof LOSS_PRESETS])) {
      if (key in values) continue;
      values[key] = value;
      sources[key] = origins[key] = `loss_type ${lossType}`;
    }
  }
  const parsed = grpoConfigSchema.safeParse(values);
  if (!parsed.success) throw new ConfigError(explain(parsed.error, origins, values));
  const config = parsed.data;
  checkAcross(config);
  return { config, sources };
}

function explain(
  error: z.ZodError,
  origins: Readonly<Record<string, string>>,
  values: Readonly<Record<string, unknown>>,
): string {
  const known = Object.keys(grpoConfigSchema.shape);
  const lines = error.issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => {
        const guess = closest(key, [...known, ...Object.keys(ALIASES)]);
        return `${key} (${origins[key]}): no such key${guess === undefined ? '' : `; did you mean ${guess}?`}`;
      });
    const key = issue.path.join('.');
    const top = String(issue.path[0]);
    if (values[top] === undefined) {
      // A missing loss preset leaves all its keys missing; one line says it.
      if (top !== 'loss_type' && top in LOSS_PRESETS.grpo) return [];
      return [`${key}: missing`];
    }
    return [`${key} (${origins[top]}): ${issue.message}, got ${JSON.stringify(values[top])}`];
  });
  return `the configuration has ${lines.length === 1 ? 'a problem' : `${lines.length} problems`}:\n  ${lines.join('\n  ')}`;
}

/** What one key alone can't show. */
function checkAcross(config: GrpoConfig): void {
  if (config.reward_weights !== undefined && config.reward_weights.length !== config.reward_funcs.length)
    throw new ConfigError(
      `reward_weights has ${config.reward_weights.length} numbers, reward_funcs ${config.reward_funcs.length} names; they belong together`,
    );
  if (
    config.min_pixels !== undefined &&
    config.max_pixels !== undefined &&
    config.min_pixels > config.max_pixels
  )
    throw new ConfigError(
      `min_pixels (${config.min_pixels}) must not be above max_pixels (${config.max_pixels})`,
    );
  if (config.delta !== undefined && config.delta <= 1 + config.epsilon_high)
    throw new ConfigError(
      `delta (${config.delta}) must be above 1 + epsilon_high (${1 + config.epsilon_high})`,
    );
}

/** The known name nearest to a misspelt one, if it is near at all. */
function closest(word: string, known: readonly string[]): string | undefined {
  const ranked = known
    .map((name) => ({ name, distance: editDistance(word, name) }))
    .sort((a, b) => a.distance - b.distance);
  const [best] = ranked;
  return best !== undefined && best.distance <= Math.max(2, word.length / 3) ? best.name : undefined;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}
