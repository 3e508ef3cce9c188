/** `twgrpo train`: a GRPO or TW-GRPO run from a configuration. */
import { readFileSync } from 'node:fs';
import { parseDocument } from 'yaml';
import { ConfigError, createLogger, createProgress, EXIT_CODES, type JsonObject } from '../run/index.ts';
import { type ConfigLayer, resolveGrpoConfig, runGrpo, type StepReport } from '../train/index.ts';
import { type CommandDefinition, type ConfigOptions, configOptions, type Output } from './command.ts';

interface TrainOptions extends ConfigOptions {
  readonly resume?: string | boolean;
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

/** The numbers of a step that people watch. */
export function stepFacts({ metrics }: StepReport): Record<string, number | string> {
  const show = (label: string, key: string) => {
    const value = metrics[key];
    return typeof value === 'number' ? { [label]: value } : {};
  };
  return {
    ...show('reward', 'reward'),
    ...show('acc', 'rewards/accuracy/mean'),
    ...show('len', 'completions/mean_length'),
    ...show('loss', 'loss'),
    ...show('grad', 'grad_norm'),
    ...show('s', 'step_time'),
  };
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
 */
export function stopSignals(out: Output): StopSignals {
  const controller = new AbortController();
  let received: 'SIGINT' | 'SIGTERM' | undefined;
  const listen = (name: 'SIGINT' | 'SIGTERM') => () => {
    if (received !== undefined)
      process.exit(name === 'SIGINT' ? EXIT_CODES.interrupted : EXIT_CODES.terminated);
    received = name;
    out.status(`${name}: finishing this step and saving; once more to stop at once`);
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
    'twgrpo train --config runs/my-run/config.yaml --resume auto',
  ],
  configure: (command) =>
    void configOptions(command).option(
      '--resume [checkpoint]',
      'continue the run in output_dir from its newest checkpoint (auto), or from the one named',
    ),
  run: async ({ options, out }) => {
    const given = options<TrainOptions>();
    const layers = [
      ...(given.config === undefined ? [] : [readConfigFile(given.config)]),
      readSets(given.set),
    ];
    const resolved = resolveGrpoConfig(layers);
    if (given.dryRun) {
      const width = Math.max(...Object.keys(resolved.config).map((key) => key.length));
      for (const [key, value] of Object.entries(resolved.config))
        out.print(
          `${key.padEnd(width)}  ${JSON.stringify(value)}  ${out.dim(resolved.sources[key] ?? 'default')}`,
        );
      out.json(resolved);
      return EXIT_CODES.done;
    }
    const logger = createLogger({ quiet: out.isQuiet, fd: 2, color: out.hasColor });
    const stop = stopSignals(out);
    let progress: ReturnType<typeof createProgress> | undefined;
    try {
      const result = await runGrpo({
        resolved,
        logger,
        signal: stop.signal,
        ...(given.resume === undefined
          ? {}
          : { resume: given.resume === true ? 'auto' : String(given.resume) }),
        onStart: ({ step, maxSteps, numItems }) => {
          out.status(
            `${numItems} questions, ${maxSteps} steps${step > 0 ? `, resuming after step ${step}` : ''}; output in ${resolved.config.output_dir}`,
          );
          progress = createProgress({ total: maxSteps, label: 'train', start: step, quiet: out.isQuiet });
        },
        onStep: (report) => progress?.update(report.step, stepFacts(report)),
      });
      progress?.stop();
      out.print(`${result.stopped ? 'stopped after' : 'done:'} ${result.step} of ${result.max_steps} steps`);
      out.print(`model    ${result.checkpoint}`);
      out.print(`metrics  ${result.output_dir}/metrics.jsonl`);
      out.json(result);
      return stop.exitCode();
    } finally {
      progress?.stop();
      stop.off();
    }
  },
};
