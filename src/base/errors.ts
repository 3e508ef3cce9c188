/**
 * The error family: every failure a user can cause or meet is one of these, so the command line can print one clear
 * sentence and choose the exit code. A message says what was expected, what came and where; `hint` is the next step.
 * A message that begins `internal:` marks a broken promise of our own code, to be reported as a bug.
 */

/** Exit codes of the command (130 and 143 are added by the shell's signal convention). */
export const EXIT_CODES = {
  done: 0,
  failed: 1,
  config: 2,
  data: 3,
  dist: 4,
  interrupted: 130,
  terminated: 143,
} as const;

export interface ErrorDetails {
  /** What the reader should do next, one sentence. */
  readonly hint?: string | undefined;
  /** The error that led to this one. */
  readonly cause?: unknown;
}

/** Base of all our errors; used directly for failures that fit no child (exit code 1). */
export class TwgrpoError extends Error {
  /** The next step for the reader, one sentence; undefined when the message already says it. */
  readonly hint: string | undefined;
  /** Process exit code the command should use for this error. */
  readonly exitCode: number = EXIT_CODES.failed;

  constructor(message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    this.hint = details.hint;
  }
}

/** Wrong usage, flag or configuration value. */
export class ConfigError extends TwgrpoError {
  override readonly exitCode: number = EXIT_CODES.config;
}

/** Data file missing, unreadable or not of the promised form. */
export class DataError extends TwgrpoError {
  override readonly exitCode: number = EXIT_CODES.data;
}

/** A video or image that is missing, damaged, too large, or that FFmpeg cannot read in time. */
export class VideoError extends TwgrpoError {
  override readonly exitCode: number = EXIT_CODES.data;
}

/** Model folder or checkpoint missing, incomplete or inconsistent. */
export class CheckpointError extends TwgrpoError {
  override readonly exitCode: number = EXIT_CODES.data;
}

/** A name on the Hugging Face Hub that cannot be had: unknown, closed, out of reach, or damaged on its way. */
export class HubError extends TwgrpoError {
  override readonly exitCode: number = EXIT_CODES.data;
}

/** A distributed peer was lost, or the launcher's environment is incomplete. */
export class DistError extends TwgrpoError {
  override readonly exitCode: number = EXIT_CODES.dist;
}

/** An error that another rank has and tells. */
export class ToldError extends TwgrpoError {
  override readonly exitCode: number;

  constructor(message: string, exitCode: number) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Exit code for any thrown value: our errors carry theirs, everything else is 1. */
export function exitCodeOf(error: unknown): number {
  return error instanceof TwgrpoError ? error.exitCode : EXIT_CODES.failed;
}

/**
 * Plain text for a person: name and message, the chain of causes, then the hint. No stack for our own errors;
 * foreign errors and `internal:` ones keep their stack because they are bugs.
 */
export function formatError(error: unknown): string {
  if (!(error instanceof Error)) return `error: ${String(error)}`;
  const isExpected = error instanceof TwgrpoError && !error.message.startsWith('internal:');
  const lines = [`${error.name}: ${error.message}`];
  let cause: unknown = error.cause;
  for (let depth = 0; cause !== undefined && depth < 8; depth++) {
    const text = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
    if (!error.message.includes(text)) lines.push(`  caused by ${text}`);
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  if (error instanceof TwgrpoError && error.hint !== undefined) lines.push(`  next step: ${error.hint}`);
  if (!isExpected && error.stack !== undefined) {
    const frames = error.stack.split('\n').filter((line) => /^\s+at /.test(line));
    lines.push(...frames);
  }
  return lines.join('\n');
}
