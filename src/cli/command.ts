/**
 * What a command is: a name and one line of summary (program.ts), and in its own file examples, options and a
 * function that calls one room and returns the exit code. Every command has the same common options, and the same two channels: results go to
 * stdout, all talk goes to stderr, so that `twgrpo … --json | …` always receives JSON and nothing else.
 */

import type { Command } from 'commander';
import type { Output } from '../base/index.ts';

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
  /** Runs where the command above it is called without a word of its own: `inspect RUN` is `inspect run RUN`. */
  readonly isDefault?: boolean;
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
