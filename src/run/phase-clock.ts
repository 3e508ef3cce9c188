/**
 * Wall time by phase, so that a step can say where it went. From the first `enter` on some phase is always running, so the
 * phases add up to the whole. On a GPU a phase may include work queued by the one before.
 */

export interface PhaseTimes {
  /** Seconds of each phase, in the order in which they were first entered. */
  readonly phases: ReadonlyMap<string, number>;
  /** Seconds from the first `enter` to `take`. */
  readonly total: number;
}

export class PhaseClock {
  readonly #now: () => number;
  #milliseconds = new Map<string, number>();
  #phase: string | undefined;
  #since = 0;
  #began = 0;

  /** @param now clock in milliseconds, for tests */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** The running phase; undefined before the first `enter` and after `take`. */
  get phase(): string | undefined {
    return this.#phase;
  }

  /** Ends the running phase and begins another. */
  enter(phase: string): void {
    const now = this.#now();
    if (this.#phase === undefined) this.#began = now;
    else this.#count(this.#phase, now);
    this.#phase = phase;
    this.#since = now;
  }

  /** Ends the running phase and forgets everything. @returns the times since the last call */
  take(): PhaseTimes {
    const now = this.#now();
    if (this.#phase === undefined) return { phases: new Map(), total: 0 };
    this.#count(this.#phase, now);
    const phases = new Map([...this.#milliseconds].map(([phase, ms]) => [phase, ms / 1000]));
    this.#milliseconds = new Map();
    this.#phase = undefined;
    return { phases, total: (now - this.#began) / 1000 };
  }

  #count(phase: string, now: number): void {
    this.#milliseconds.set(phase, (this.#milliseconds.get(phase) ?? 0) + now - this.#since);
  }
}
