/**
 * Progress of something long: one live bar on a terminal, plain lines when the output goes to a file or a pipe, nothing
 * when quiet. The caller gives the count and a few numbers; the pace and the time left are worked out here.
 */
import cliProgress from 'cli-progress';

export interface ProgressOptions {
  /** Number of units at the end. */
  readonly total: number;
  /** Name of the work that is counted, for example `train`. */
  readonly label: string;
  /** @default process.stderr */
  readonly stream?: NodeJS.WriteStream;
  readonly quiet?: boolean;
  /** Least time between two plain lines, in seconds. @default 10 */
  readonly plainEveryS?: number;
  /** Units already done when we begin (a resumed run). @default 0 */
  readonly start?: number;
  /** Clock in milliseconds, for tests. @default Date.now */
  readonly now?: () => number;
}

export interface Progress {
  /** Sets the number of finished units and the facts to show, for example `{ reward: 0.62, len: 214 }`. */
  update(done: number, facts?: Readonly<Record<string, number | string>>): void;
  /** Ends the bar and leaves the cursor on a fresh line. */
  stop(): void;
}

/** Makes the progress display that fits the stream. */
export function createProgress(options: ProgressOptions): Progress {
  const stream = options.stream ?? process.stderr;
  if (options.quiet === true) return { update: () => {}, stop: () => {} };
  const pace = new Pace(options.total, options.start ?? 0, options.now ?? (() => performance.now()));
  return stream.isTTY === true ? barProgress(options, stream, pace) : plainProgress(options, stream, pace);
}

/** Time left from the mean pace since the start. */
class Pace {
  readonly #total: number;
  readonly #start: number;
  readonly #now: () => number;
  readonly #beganMs: number;

  constructor(total: number, start: number, now: () => number) {
    this.#total = total;
    this.#start = start;
    this.#now = now;
    this.#beganMs = now();
  }

  elapsedS(): number {
    return (this.#now() - this.#beganMs) / 1000;
  }

  /** Seconds left; undefined until one unit is done. */
  etaS(done: number): number | undefined {
    const advanced = done - this.#start;
    return advanced > 0 ? (this.elapsedS() / advanced) * (this.#total - done) : undefined;
  }
}

function barProgress(options: ProgressOptions, stream: NodeJS.WriteStream, pace: Pace): Progress {
  const bar = new cliProgress.SingleBar(
    {
      format: (_, { value, total }, payload) => {
        const { time, facts } = payload as BarPayload;
        return barLine({ label: options.label, value, total, time, facts }, stream.columns ?? WIDTH);
      },
      stream,
      hideCursor: true,
      clearOnComplete: false,
      fps: 8,
      // cli-progress would otherwise own SIGINT and SIGTERM; stopping is the command's business.
      gracefulExit: false,
    },
    cliProgress.Presets.rect,
  );
  bar.start(options.total, options.start ?? 0, { facts: [], time: '?' } satisfies BarPayload);
  return {
    update: (done, facts = {}) =>
      bar.update(done, {
        facts: factTexts(facts),
        time: formatSeconds(pace.etaS(done)),
      } satisfies BarPayload),
    stop: () => bar.stop(),
  };
}

interface BarPayload {
  readonly time: string;
  readonly facts: readonly string[];
}

/** Columns of a terminal that does not say how many it has. */
const WIDTH = 80;
const BAR = 24;
/** The bar gives way to facts down to this. */
const LEAST_BAR = 6;

/** One line that fits the terminal: the bar shrinks first, then the last facts go. */
function barLine(
  { label, value, total, time, facts }: BarPayload & { label: string; value: number; total: number },
  columns: number,
): string {
  const count = `${value}/${total} · ${time} left`;
  // The last column stays free: some terminals begin a new line there.
  const free = columns - 1 - `${label} [] ${count}`.length;
  let room = free - LEAST_BAR;
  const shown: string[] = [];
  for (const fact of facts) {
    room -= fact.length;
    if (room < 0) break;
    shown.push(fact);
  }
  const size = Math.max(0, Math.min(BAR, free - shown.join('').length));
  const full = Math.round(size * Math.min(1, total > 0 ? value / total : 1));
  return `${label} [${'■'.repeat(full)}${' '.repeat(size - full)}] ${count}${shown.join('')}`;
}

function plainProgress(options: ProgressOptions, stream: NodeJS.WriteStream, pace: Pace): Progress {
  const everyS = options.plainEveryS ?? 10;
  let shownS = Number.NEGATIVE_INFINITY;
  return {
    update: (done, facts = {}) => {
      const elapsed = pace.elapsedS();
      if (done < options.total && elapsed - shownS < everyS) return;
      shownS = elapsed;
      const left =
        done < options.total ? ` · ${formatSeconds(pace.etaS(done))} left` : ` · ${formatSeconds(elapsed)}`;
      stream.write(`${options.label} ${done}/${options.total}${left}${factTexts(facts).join('')}\n`);
    },
    stop: () => {},
  };
}

function factTexts(facts: Readonly<Record<string, number | string>>): string[] {
  return Object.entries(facts).map(
    ([key, value]) => ` · ${key} ${typeof value === 'number' ? formatNumber(value) : value}`,
  );
}

function formatNumber(value: number): string {
  if (Number.isInteger(value)) return String(value);
  return Math.abs(value) >= 0.001 && Math.abs(value) < 1e6 ? value.toPrecision(3) : value.toExponential(2);
}

/** `38 s`, `4m 05s`, `5h 12m`; `?` when unknown. */
export function formatSeconds(seconds: number | undefined): string {
  if (seconds === undefined || !Number.isFinite(seconds)) return '?';
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const pad = (n: number): string => String(n).padStart(2, '0');
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${pad(whole % 60)}s`;
  return `${Math.floor(whole / 3600)}h ${pad(Math.floor((whole % 3600) / 60))}m`;
}
