/** What every command that begins or continues a training run takes: `--config`, `--set`, `--dry-run`, `--resume`. */
import { type Command, Option } from 'commander';
import { ConfigError, type JsonObject, type Output, parseYaml, readYamlFile } from '../base/index.ts';
import { type ConfigLayer, runConfigLayer, runFolderOf } from '../train/index.ts';
import { type ConfigOptions, configOptions } from './command.ts';

export interface RunOptions extends ConfigOptions {
  readonly resume?: string | boolean;
  readonly resumeFromCheckpoint?: string | boolean;
}

export function runOptions(command: Command): Command {
  return configOptions(command)
    .option(
      '--resume [auto|path]',
      "continue the run in output_dir from its newest checkpoint (auto), or the run or checkpoint of that path; without --config the configuration is the run's own",
    )
    .addOption(new Option('--resume-from-checkpoint [auto|path]', "TRL's name for --resume").hideHelp());
}

/** The layers of the configuration, weakest first, and what to resume from. @throws ConfigError naming file, key or flag */
export function readRunOptions(given: RunOptions): {
  readonly layers: readonly ConfigLayer[];
  readonly resume: string | undefined;
} {
  const asked = given.resume ?? given.resumeFromCheckpoint;
  const resume = asked === true ? 'auto' : asked === undefined || asked === false ? undefined : asked;
  const sets = readSets(given.set);
  if (given.config !== undefined) return { layers: [readConfigFile(given.config), sets], resume };
  if (resume !== undefined) return { layers: [resumedLayer(resume, sets), sets], resume };
  return { layers: [sets], resume };
}

/** The configuration of the run that `--resume` means, for a command line without `--config`. */
function resumedLayer(resume: string, sets: ConfigLayer): ConfigLayer {
  if (resume !== 'auto') return runConfigLayer(runFolderOf(resume));
  const folder = sets.values['output_dir'];
  if (typeof folder !== 'string')
    throw new ConfigError('--resume auto: which run?', {
      hint: 'give its --config, or --set output_dir=..., or its folder: --resume runs/my-run',
    });
  return runConfigLayer(folder);
}

/** A YAML file as a layer of the configuration. @throws ConfigError with the line of a syntax error or duplicate key */
function readConfigFile(file: string): ConfigLayer {
  const { values = {} } = readYamlFile(file, `--config ${file}`);
  if (typeof values !== 'object' || values === null || Array.isArray(values))
    throw new ConfigError(`${file}: expected a list of "key: value" lines`);
  return { source: file, values: values as JsonObject };
}

/** `key=value` texts as a layer; values are read as YAML, so `1e-6`, `true` and `[a, b]` mean what they say. */
function readSets(sets: readonly string[]): ConfigLayer {
  const values: Record<string, unknown> = {};
  for (const text of sets) {
    const at = text.indexOf('=');
    if (at < 1)
      throw new ConfigError(`--set ${text}: expected key=value, for example --set learning_rate=1e-6`);
    const { values: value = null } = parseYaml(text.slice(at + 1), `--set ${text}`);
    values[text.slice(0, at)] = value;
  }
  return { source: '--set', values: values as JsonObject };
}

/** Every key with its value and where it came from: what `--dry-run` shows. */
export function printResolved(
  out: Output,
  resolved: { readonly config: object; readonly sources: Readonly<Record<string, string>> },
): void {
  const width = Math.max(...Object.keys(resolved.config).map((key) => key.length));
  for (const [key, value] of Object.entries(resolved.config))
    out.print(
      `${key.padEnd(width)}  ${JSON.stringify(value)}  ${out.dim(resolved.sources[key] ?? 'default')}`,
    );
}
