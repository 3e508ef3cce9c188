/**
 * What a command is: a name and one line of summary (program.ts), and in its own file examples, options and a
 * function that calls one room and returns the exit code. Every command has the same common options, and the same two channels: results go to
 * stdout, all talk goes to stderr, so that `twgrpo … --json | …` always receives JSON and nothing else.
 */
import type { Command } from 'commander';

/** Options that every command understands. */
export interface CommonOptions {
  readonly json?: boolean;
  readonly quiet?: boolean;
  /** False with `--no-color`. */
  readonly color: boolean;
}

/** Options of commands that take a configuration (`configOptions`). */
export interface ConfigOptions {
  readonly config?: string;
  /** `key=value` texts in the order given; a later one wins. */
  readonly set: readonly string[];
  readonly dryRun?: boolean;
}

/** A command as the list of commands knows it, before its file is loaded. */
export interface CommandEntry {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  readonly load: () => Promise<CommandDefinition>;
}

export interface CommandDefinition {
  /** At least one complete command line that works. */
  readonly examples: readonly string[];
  /** Adds the command's own arguments and options. */
  readonly configure?: (command: Command) => void;
  /** Commands of their own under this one (`data check`); then one of them runs, never this one. */
  readonly subcommands?: readonly CommandEntry[];
  /** Does the work; a command with subcommands has none. @returns the exit code, 0 when nothing is returned. */
  readonly run?: (invocation: Invocation) => Promise<number | undefined> | number | undefined;
}

export interface Invocation {
  /** Positional arguments. */
  readonly args: readonly string[];
  /** Parsed options; a command reads them as its own options type. */
  options<Options>(): Options & CommonOptions;
  readonly out: Output;
}

/** The two places a command writes to. */
export interface Streams {
  readonly stdout: NodeJS.WritableStream & { readonly isTTY?: boolean };
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean };
}

export class Output {
  readonly #streams: Streams;
  readonly isJson: boolean;
  readonly isQuiet: boolean;
  /** Whether stdout shows colours: a terminal, no `--no-color`, and NO_COLOR not set. */
  readonly hasColor: boolean;

  constructor(streams: Streams, options: CommonOptions) {
    this.#streams = streams;
    this.isJson = options.json === true;
    this.isQuiet = options.quiet === true;
    const isWished = options.color && (process.env['NO_COLOR'] ?? '') === '';
    this.hasColor = isWished && streams.stdout.isTTY === true;
  }

  /** The result for a person; nothing with `--json`. */
  print(text = ''): void {
    if (!this.isJson) this.#streams.stdout.write(`${text}\n`);
  }

  /** A piece of the result for a person, without a line break; nothing with `--json`. */
  write(text: string): void {
    if (!this.isJson) this.#streams.stdout.write(text);
  }

  /** The result for a program; nothing without `--json`. */
  json(value: unknown): void {
    if (this.isJson) this.#streams.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
  }

  /** What is going on, on stderr; nothing with `--quiet`. */
  status(text: string): void {
    if (!this.isQuiet) this.#streams.stderr.write(`${text}\n`);
  }

  /** A warning, on stderr, also with `--quiet`. */
  warn(text: string): void {
    this.#streams.stderr.write(`warning: ${text}\n`);
  }

  bold(text: string): string {
    return this.#paint(1, 22, text);
  }
  dim(text: string): string {
    return this.#paint(2, 22, text);
  }
  red(text: string): string {
    return this.#paint(31, 39, text);
  }
  green(text: string): string {
    return this.#paint(32, 39, text);
  }
  yellow(text: string): string {
    return this.#paint(33, 39, text);
  }

  #paint(on: number, off: number, text: string): string {
    return this.hasColor ? `\u001b[${on}m${text}\u001b[${off}m` : text;
  }
}

/** Adds `--config`, `--set` and `--dry-run`; read them as `ConfigOptions`. */
export function configOptions(command: Command): Command {
  return command
    .option('--config <file>', 'YAML file with the configuration')
    .option(
      '--set <key=value>',
      'change one key of the configuration, for example --set learning_rate=1e-6 (may be repeated)',
      (text: string, previous: readonly string[]) => [...previous, text],
      [] as readonly string[],
    )
    .option('--dry-run', 'check the configuration and the files, print what would happen, and stop');
}
