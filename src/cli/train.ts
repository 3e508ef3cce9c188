/** `twgrpo train`: a GRPO or TW-GRPO run from a configuration. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Option } from 'commander';
import { parseDocument } from 'yaml';
import {
  ConfigError,
  createLogger,
  createProgress,
  EXIT_CODES,
  type JsonObject,
  type Progress,
} from '../run/index.ts';
import { type ConfigLayer, resolveGrpoConfig, runConfigLayer, runFolderOf, runGrpo } from '../train/index.ts';
import { type CommandDefinition, type ConfigOptions, configOptions, type Output } from './command.ts';
import { createTrainProgress, type TrainProgress } from './train-progress.ts';

interface TrainOptions extends ConfigOptions {
  readonly resume?: string | boolean;
  readonly resumeFromCheckpoint?: string | boolean;
}

/** Measuring prompts is shown when it takes longer than this. */
const SHOW_AFTER_MS = 2000;

/** The configuration of the run that `--resume` means, for a command line without `--config`. */
export function resumedLayer(resume: string, sets: ConfigLayer): ConfigLayer {
  if (resume !== 'auto') return runConfigLayer(runFolderOf(resume));
  const folder = sets.values['output_dir'];
  if (typeof folder !== 'string')
    throw new ConfigError('--resume auto: which run?', {
      hint: 'give its --config, or --set output_dir=..., or its folder: --resume runs/my-run',
    });
  return runConfigLayer(folder);
}

/** A YAML file as a layer of the configuration. @throws ConfigError with the line of a syntax error or duplicate key */
export function readConfigFile(file: string): ConfigLayer {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new ConfigError(`--config ${file}: cannot be read (${(cause as NodeJS.ErrnoException).code})`, {
      cause,
    });
  }
  const document = parseDocument(text);
  const [error] = document.errors;
  if (error !== undefined) throw new ConfigError(`${file}: ${error.message}`);
  const values: unknown = document.toJS() ?? {};
  if (typeof values !== 'object' || Array.isArray(values))
    throw new ConfigError(`${file}: expected a list of "key: value" lines`);
  return { source: file, values: values as JsonObject };
}

/** `key=value` texts as a layer; values are read as YAML, so `1e-6`, `true` and `[a, b]` mean what they say. */
export function readSets(sets: readonly string[]): ConfigLayer {
  const values: Record<string, unknown> = {};
  for (const text of sets) {
    const at = text.indexOf('=');
    if (at < 1)
      throw new ConfigError(`--set ${text}: expected key=value, for example --set learning_rate=1e-6`);
    const document = parseDocument(text.slice(at + 1));
    if (document.errors.length > 0) throw new ConfigError(`--set ${text}: ${document.errors[0]?.message}`);
    values[text.slice(0, at)] = document.toJS();
  }
  return { source: '--set', values: values as JsonObject };
}

/** `300 steps`, `8 minutes`, `300 steps or 8 minutes` */
function lengthText(maxSteps: number | undefined, max_minutes: number | undefined): string {
  return [
    ...(maxSteps === undefined ? [] : [`${maxSteps} steps`]),
    ...(max_minutes === undefined ? [] : [`${max_minutes} minutes`]),
  ].join(' or ');
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
  out.json(resolved);
}

export interface StopSignals {
  readonly signal: AbortSignal;
  /** 0 when nothing arrived, else 130 or 143. */
  readonly exitCode: () => number;
  /** Stops listening. */
  readonly off: () => void;
}

/**
 * Aborts at the first SIGINT or SIGTERM, so that the run ends its step and saves; a second one ends the process.
 * @param part what is finished first, in the words shown
 */
export function stopSignals(out: Output, part = 'step'): StopSignals {
  const controller = new AbortController();
  let received: 'SIGINT' | 'SIGTERM' | undefined;
  const listen = (name: 'SIGINT' | 'SIGTERM') => () => {
    if (received !== undefined)
      process.exit(name === 'SIGINT' ? EXIT_CODES.interrupted : EXIT_CODES.terminated);
    received = name;
    out.status(`${name}: finishing this ${part} and saving; once more to stop at once`);
    controller.abort();
  };
  const [onInt, onTerm] = [listen('SIGINT'), listen('SIGTERM')];
  process.on('SIGINT', onInt);
  process.on('SIGTERM', onTerm);
  return {
    signal: controller.signal,
    exitCode: () =>
      received === undefined
        ? EXIT_CODES.done
        : received === 'SIGINT'
          ? EXIT_CODES.interrupted
          : EXIT_CODES.terminated,
    off: () => {
      process.off('SIGINT', onInt);
      process.off('SIGTERM', onTerm);
    },
  };
}

export const train: CommandDefinition = {
  examples: [
    'twgrpo train --config recipes/tw-grpo.yaml --set model_name_or_path=models/Qwen2.5-VL-7B-Instruct',
    'twgrpo train --config recipes/tw-grpo.yaml --set loss_type=grpo --dry-run',
    'twgrpo train --config recipes/tw-grpo.yaml --resume auto',
    'twgrpo train --resume runs/tw-grpo',
  ],
  configure: (command) =>
    void configOptions(command)
      .option(
        '--resume [auto|path]',
        "continue the run in output_dir from its newest checkpoint (auto), or the run or checkpoint of that path; without --config the configuration is the run's own",
      )
      .addOption(new Option('--resume-from-checkpoint [auto|path]', "TRL's name for --resume").hideHelp()),
  run: async ({ options, out }) => {
    const given = options<TrainOptions>();
    const asked = given.resume ?? given.resumeFromCheckpoint;
    const resume = asked === true ? 'auto' : asked === undefined || asked === false ? undefined : asked;
    const sets = readSets(given.set);
    const layers = [sets];
    if (given.config !== undefined) layers.unshift(readConfigFile(given.config));
    else if (resume !== undefined) layers.unshift(resumedLayer(resume, sets));
    const resolved = resolveGrpoConfig(layers);
    if (given.dryRun) {
      printResolved(out, resolved);
      return EXIT_CODES.done;
    }
    const logger = createLogger({
      quiet: out.isQuiet,
      fd: 2,
      color: out.hasColor,
      file: join(resolved.config.output_dir, 'logs', 'rank-0.jsonl'),
    });
    const began = performance.now();
    const stop = stopSignals(out);
    const { max_minutes } = resolved.config;
    let checking: Progress | undefined;
    let progress: TrainProgress | undefined;
    try {
      const result = await runGrpo({
        resolved,
        logger,
        signal: stop.signal,
        resume,
        onCheck: (done, total) => {
          if (performance.now() - began < SHOW_AFTER_MS) return;
          checking ??= createProgress({ total, label: 'measuring prompts', quiet: out.isQuiet });
          checking.update(done);
        },
        onStart: ({ step, maxSteps, usedS, numItems }) => {
          checking?.stop();
          out.status(
            `${numItems} questions, ${lengthText(maxSteps, max_minutes)}${step > 0 ? `, resuming after step ${step}` : ''}; output in ${resolved.config.output_dir}`,
          );
          progress = createTrainProgress({ maxSteps, max_minutes, step, usedS, quiet: out.isQuiet });
        },
        onStep: (report) => progress?.update(report),
      });
      progress?.stop();
      const ofAll = result.max_steps === undefined ? '' : ` of ${result.max_steps}`;
      out.print(`${result.stopped ? 'stopped after' : 'done:'} ${result.step}${ofAll} steps`);
      if (result.checkpoint !== undefined) out.print(`model    ${result.checkpoint}`);
      out.print(`metrics  ${result.output_dir}/metrics.jsonl`);
      out.json(result);
      return stop.exitCode();
    } finally {
      checking?.stop();
      progress?.stop();
      stop.off();
    }
  },
};
