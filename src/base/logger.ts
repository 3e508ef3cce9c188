/**
 * Logging: pino with synchronous destinations, because a native abort would lose what an asynchronous logger still
 * holds. People read short lines on the terminal; machines read JSON lines in `logs/rank-N.jsonl`
 * (fields: time, level, rank, msg, and whatever the call adds).
 */
import { styleText } from 'node:util';
import { pino } from 'pino';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

export type Logger = pino.Logger;

export interface LoggerOptions {
  /** Least important level that is shown to people. @default 'info' */
  readonly level?: LogLevel;
  /** Show people warnings and errors only. @default false */
  readonly quiet?: boolean;
  /** Standard output belongs to JSON results: people read standard error instead. @default false */
  readonly json?: boolean;
  /** File descriptor that people read. @default standard output, or standard error with `json` */
  readonly fd?: number;
  /** Colour the level names. @default true when the terminal allows it */
  readonly color?: boolean;
  /** File that receives every line of level debug and above as JSON. */
  readonly file?: string;
  /** Rank of this process; only rank 0 speaks below level warn. @default 0 */
  readonly rank?: number;
}

const LEVEL_NAMES: Readonly<Record<number, string>> = {
  10: 'trace',
  20: 'debug',
  30: 'info',
  40: 'warn',
  50: 'error',
  60: 'fatal',
};

/** Makes a logger. The file, when given, is created with its folder. */
export function createLogger(options: LoggerOptions = {}): Logger {
  const rank = options.rank ?? 0;
  const isSilenced = options.quiet === true || rank > 0;
  const wanted = options.level ?? 'info';
  const level = isSilenced ? higher(wanted, 'warn') : wanted;
  const stream = options.json === true ? process.stderr : process.stdout;
  const color = options.color ?? (stream.isTTY === true && process.env['NO_COLOR'] === undefined);

  const human = openDestination(options.fd ?? stream.fd, (error) => {
    // The reader of our pipe went away (`| head`): not a reason to lose the run.
    if (error.code !== 'EPIPE') throw error;
  });
  const streams: pino.StreamEntry[] = [];
  if (level !== 'silent') {
    streams.push({
      level: level as pino.Level,
      stream: { write: (line: string) => human.write(humanLine(line, color)) },
    });
  }
  if (options.file !== undefined) {
    let hasFailed = false;
    const file = openDestination(options.file, (error) => {
      if (!hasFailed) human.write(`warn the log ${options.file} can not be written: ${error.message}\n`);
      hasFailed = true;
    });
    streams.push({ level: 'debug', stream: file });
  }
  return pino(
    {
      level: options.file === undefined ? level : lower(level, 'debug'),
      base: { rank },
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    pino.multistream(streams),
  );
}

/** @param onError hears what the disk or the pipe refuses; a log is not the run */
function openDestination(
  target: number | string,
  onError: (error: NodeJS.ErrnoException) => void,
): ReturnType<typeof pino.destination> {
  const destination = pino.destination({ dest: target, sync: true, mkdir: true });
  destination.on('error', onError);
  return destination;
}

function higher(a: LogLevel, b: Exclude<LogLevel, 'silent'>): LogLevel {
  if (a === 'silent') return a;
  return pino.levels.values[a]! > pino.levels.values[b]! ? a : b;
}

function lower(a: LogLevel, b: Exclude<LogLevel, 'silent'>): LogLevel {
  if (a === 'silent') return b;
  return pino.levels.values[a]! < pino.levels.values[b]! ? a : b;
}

/** One JSON line as people want it: `warn  skipped clip  file=a.mp4 count=3`. */
export function humanLine(line: string, color: boolean): string {
  const { level, time: _time, rank, msg, ...rest } = JSON.parse(line) as Record<string, unknown>;
  const name = LEVEL_NAMES[Number(level)] ?? String(level);
  const style = Number(level) >= 50 ? 'red' : Number(level) >= 40 ? 'yellow' : 'dim';
  // Information speaks for itself; only other levels are named.
  let text = name === 'info' ? '' : `${color ? styleText(style, name) : name} `;
  if (rank !== 0) text += `[rank ${String(rank)}] `;
  text += typeof msg === 'string' ? msg : '';
  for (const [key, value] of Object.entries(rest)) {
    if (key === 'err' && typeof value === 'object' && value !== null && 'message' in value) {
      text += ` (${String(value.message)})`;
    } else {
      text += ` ${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`;
    }
  }
  return `${text}\n`;
}
