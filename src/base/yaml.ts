/**
 * YAML of a configuration that a stranger may have written: of bounded size, with aliases that may not multiply it, and every failure an
 * error with file and line.
 */
import { type Document, parseDocument } from 'yaml';
import { ConfigError } from './errors.ts';
import { isDeeper } from './json-file.ts';
import { readTextFile, UnreadableFile } from './text-file.ts';
import { withinTime } from './time-limit.ts';

/** The longest configuration of the recipes has 3 KB. */
const MAX_BYTES = 2 ** 18;
const MAX_DEPTH = 64;
/** The parser takes a time that grows with the square of the depth of lists in lists. */
const LIMIT_MS = 5000;
/** Nodes that aliases may add, the default of the `yaml` package: a few shared blocks, not a bomb. */
const MAX_ALIASES = 100;

export interface Yaml {
  /** The text with its comments. */
  readonly document: Document.Parsed;
  /** What it says, as plain values; undefined for an empty text. */
  readonly values: unknown;
}

/**
 * @param label file or flag, for messages
 * @throws ConfigError for what is no YAML, with the line; for too long a text, too deep a nesting, and aliases that multiply it
 */
export function parseYaml(text: string, label: string): Yaml {
  if (text.length > MAX_BYTES)
    throw new ConfigError(
      `${label}: ${text.length} characters long; a configuration has at most ${MAX_BYTES}`,
    );
  if (isDeeper(text, MAX_DEPTH)) throw refused(label, 'nested too deeply to be read');
  const tooLong = (): Error => refused(label, `not read within ${LIMIT_MS / 1000} s`);
  try {
    return withinTime(LIMIT_MS, () => parse(text), tooLong);
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause;
    throw refused(label, reasonOf(cause), cause);
  }
}

function parse(text: string): Yaml {
  const document = parseDocument(text);
  const [error] = document.errors;
  if (error !== undefined) throw error;
  const values: unknown = document.toJS({ maxAliasCount: MAX_ALIASES }) ?? undefined;
  try {
    JSON.stringify(values);
  } catch {
    throw new Error('an alias stands inside of what it means, so the values have no end');
  }
  return { document, values };
}

function refused(label: string, reason: string, cause?: unknown): ConfigError {
  return new ConfigError(`${label}: ${reason}`, {
    cause,
    hint: 'A configuration is a list of "key: value" lines; write lists and repeated values out.',
  });
}

function reasonOf(cause: unknown): string {
  const message = cause instanceof Error ? cause.message : String(cause);
  return message.startsWith('Maximum call stack') ? 'nested too deeply to be read' : message;
}

/** The same of a file. @throws ConfigError also when it cannot be read */
export function readYamlFile(file: string, label = file): Yaml {
  try {
    return parseYaml(readTextFile(file, MAX_BYTES), file);
  } catch (cause) {
    if (!(cause instanceof UnreadableFile)) throw cause;
    throw new ConfigError(`${label}: ${cause.message}`, {
      hint: 'check the path; recipes/ has configurations to begin with',
      cause: cause.cause,
    });
  }
}
