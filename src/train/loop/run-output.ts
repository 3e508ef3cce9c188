/**
 * What a run leaves of its steps: rows of metrics (averaged over `logging_steps`), TensorBoard events, alerts. The process that
 * writes the run folder writes here and nowhere else.
 */
import type { Logger } from '../../base/index.ts';
import { EventWriter, MetricAccumulator, type MetricsRow, type RunDirectory } from '../../run/index.ts';
import { Alarms } from './alarms.ts';
import type { TrainingState } from './training-state.ts';

export interface RunOutputOptions {
  /** Undefined in a process that does not write the run folder. */
  readonly run: RunDirectory | undefined;
  readonly logging_steps: number;
  readonly tensorboard: boolean;
  /** The state that the run goes on from. */
  readonly saved: TrainingState | undefined;
  readonly logger: Logger;
}

export class RunOutput {
  readonly #options: RunOutputOptions;
  readonly #alarms: Alarms;
  readonly #events: EventWriter | undefined;
  readonly #window = new MetricAccumulator();

  constructor(options: RunOutputOptions) {
    const { run, tensorboard, saved } = options;
    this.#options = options;
    this.#alarms = new Alarms(run?.readMetrics());
    this.#window.merge(saved?.window ?? []);
    if (run !== undefined && tensorboard)
      this.#events = new EventWriter(run.path, saved === undefined ? {} : { resumeStep: saved.step });
  }

  /** Takes in the metrics of a step; every `logging_steps` steps a row is written. @returns the step's own numbers */
  step(step: number, metrics: MetricAccumulator): MetricsRow {
    this.#window.addStep(metrics);
    if (step % this.#options.logging_steps === 0) this.row({ step, ...this.#window.reduce() });
    return { step, ...metrics.reduce() };
  }

  /** Writes a row, and what is to be said of it. */
  row(row: MetricsRow): void {
    const { run, logger } = this.#options;
    if (run === undefined) return;
    run.appendMetrics(row);
    const { step, ...numbers } = row;
    this.#events?.scalars(numbers as Record<string, number>, step);
    for (const alert of this.#alarms.check(row)) {
      run.appendAlert({ ...alert });
      logger.warn({ step: alert.step }, alert.message);
    }
  }

  /** What a checkpoint keeps of the steps since the last row. */
  state(): Pick<TrainingState, 'window'> {
    const window = this.#window.snapshot();
    return window.length === 0 ? {} : { window: window as TrainingState['window'] };
  }

  close(): void {
    this.#events?.close();
  }
}
