/**
 * What the processes of a run must agree on: who writes, whether a step's numbers are good, when to stop. Each is decided here
 * and nowhere else, because processes that disagree wait for each other for ever.
 */
export interface ProcessState {
  /** Whether this process writes the run folder; accelerate's `is_main_process`. */
  readonly is_main_process: boolean;
  /** Whether these numbers are finite on every process. */
  agreeFinite(...numbers: readonly number[]): boolean;
  /** Whether any process has a reason to stop: its own clock, or a signal it got. */
  agreeStop(hasReason: boolean): boolean;
}

/** A run in one process agrees with itself. */
export const SINGLE_PROCESS: ProcessState = {
  is_main_process: true,
  agreeFinite: (...numbers) => numbers.every(Number.isFinite),
  agreeStop: (hasReason) => hasReason,
};
