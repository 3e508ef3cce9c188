/**
 * The configuration of a run that exists, read back from its folder, so that `--resume` needs no other file: the run goes
 * on with what it began with, and only what is set anew differs.
 */
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { isMap, isNode, isScalar } from 'yaml';
import {
  CheckpointError,
  ConfigError,
  type JsonObject,
  keysOfAlias,
  presentValue,
  readYamlFile,
  valueOfAlias,
  type Yaml,
} from '../../base/index.ts';
import type { ConfigLayer } from './config-layers.ts';

/**
 * The run folder that a `--resume` path means: itself, or the one its checkpoint lies in.
 * @throws CheckpointError when it is neither
 */
export function runFolderOf(path: string): string {
  const folder = resolve(path);
  for (const candidate of [folder, dirname(folder)])
    if (existsSync(join(candidate, 'run.json'))) return candidate;
  throw new CheckpointError(
    `${path}: ${existsSync(folder) ? 'neither a run folder nor a checkpoint in one (no run.json)' : 'no such folder'}`,
    { hint: 'give the output_dir of a run, or a checkpoint-<step> folder in it' },
  );
}

/**
 * `config.yaml` of a run folder as a layer: every key, with the source that its comment names.
 * `output_dir` is the folder itself, which may have moved since.
 * @throws ConfigError when the file is missing or damaged
 */
export function runConfigLayer(folder: string): ConfigLayer {
  const file = join(folder, 'config.yaml');
  let yaml: Yaml;
  try {
    yaml = readYamlFile(file);
  } catch (cause) {
    throw new ConfigError(`${(cause as Error).message}, so the run's configuration is unknown`, {
      hint: 'give it with --config',
      cause,
    });
  }
  const { contents } = yaml.document;
  if (!isMap(contents)) throw new ConfigError(`${file}: expected a list of "key: value" lines`);
  const sources: Record<string, string> = {};
  for (const { key, value } of contents.items)
    if (isScalar(key) && isNode(value) && value.comment != null)
      sources[String(key.value)] = value.comment.trim();
  const values = yaml.values as Record<string, unknown>;
  if (resolve(String(values['output_dir'])) !== resolve(folder)) {
    values['output_dir'] = folder;
    sources['output_dir'] = '--resume';
  }
  return { source: file, values: values as JsonObject, sources };
}

/** `key: old -> new` for every key in which a resumed run differs from what it was; a mere change of name is none. */
export function changedKeys(old: JsonObject, now: object): string[] {
  const after = JSON.parse(JSON.stringify(now)) as JsonObject;
  const before = Object.fromEntries(
    Object.entries(old).flatMap(([key, value]) =>
      (keysOfAlias(key, (name) => name in after) ?? [key]).map((name) => {
        const read = valueOfAlias(key, value, 'config.yaml');
        return [name, presentValue(name, read) ?? read];
      }),
    ),
  );
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
  keys.delete('output_dir');
  return [...keys]
    .filter((key) => JSON.stringify(before[key]) !== JSON.stringify(after[key]))
    .map((key) => `${key}: ${JSON.stringify(before[key])} -> ${JSON.stringify(after[key])}`);
}
