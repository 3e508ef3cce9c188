/** Wall time by phase, so that a step can say where it went. On a GPU a phase may include work queued by the one before. */

export class PhaseClock {
  readonly #seconds = new Map<string, number>();
  #phase: string | undefined;
  #since = 0;

  /** Ends the running phase and begins another; undefined only ends. */
  enter(phase: string | undefined): void {
    const now = performance.now();
    if (this.#phase !== undefined)
      this.#seconds.set(this.#phase, (this.#seconds.get(this.#phase) ?? 0) + (now - this.#since) / 1000);
    this.#phase = phase;
    this.#since = now;
  }

  /** Seconds of each phase since the last call. */
  take(): ReadonlyMap<string, number> {
    this.enter(this.#phase);
    const seconds = new Map(this.#seconds);
    this.#seconds.clear();
    return seconds;
  }
}
