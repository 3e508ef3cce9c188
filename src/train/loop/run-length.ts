/**
 * How long a run lasts: a number of steps, a wall time, or whichever of the two is over first. Learning-rate schedules
 * follow the share that has passed, so a run of fixed time ends its schedule on a slow machine as on a fast one.
 */

export interface RunLengthOptions {
  readonly max_steps?: number | undefined;
  readonly max_minutes?: number | undefined;
  /** Steps of the passes over the data, which count where neither of the two is given. */
  readonly steps_of_data: number;
  /** Milliseconds that earlier attempts used. @default 0 */
  readonly used_ms?: number;
  /** Clock in milliseconds, for tests. @default performance.now */
  readonly now?: () => number;
}

export class RunLength {
  /** Undefined where time alone ends the run. */
  readonly maxSteps: number | undefined;
  readonly #maxMs: number | undefined;
  readonly #beganMs: number;
  readonly #now: () => number;
  #heldMs: number | undefined;

  /** The clock starts here. */
  constructor(options: RunLengthOptions) {
    const { max_steps, max_minutes, steps_of_data, used_ms = 0, now = () => performance.now() } = options;
    this.maxSteps = max_steps ?? (max_minutes === undefined ? steps_of_data : undefined);
    this.#maxMs = max_minutes === undefined ? undefined : max_minutes * 60_000;
    this.#now = now;
    this.#beganMs = now() - used_ms;
  }

  /** Seconds of the whole run; undefined without a wall time. */
  get maxS(): number | undefined {
    return this.#maxMs === undefined ? undefined : this.#maxMs / 1000;
  }

  /** Milliseconds so far, earlier attempts included. */
  usedMs(): number {
    return this.#now() - this.#beganMs;
  }

  /** Until the next call the run is where it was after so many milliseconds: ranks that follow one clock decide alike. */
  hold(ms: number): void {
    this.#heldMs = ms;
  }

  /** @param step steps done */
  isOver(step: number): boolean {
    return (
      step >= (this.maxSteps ?? Number.POSITIVE_INFINITY) ||
      (this.#maxMs !== undefined && (this.#heldMs ?? this.usedMs()) >= this.#maxMs)
    );
  }

  /** Where the run is, in steps or milliseconds: in the unit that will end it first, as far as can be told. */
  position(step: number): { readonly done: number; readonly total: number } {
    const bySteps = { done: step, total: this.maxSteps ?? Number.POSITIVE_INFINITY };
    if (this.#maxMs === undefined) return bySteps;
    const byTime = { done: this.#heldMs ?? this.usedMs(), total: this.#maxMs };
    return bySteps.done / bySteps.total > byTime.done / byTime.total ? bySteps : byTime;
  }
}
