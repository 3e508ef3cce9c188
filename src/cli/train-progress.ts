/** The line that is watched while a model trains: how far, what a step is like, how long still. */
import { createProgress } from '../base/index.ts';
import type { StepReport } from '../train/index.ts';

export interface TrainProgressOptions {
  /** Undefined where time alone ends the run; then seconds are counted. */
  readonly maxSteps: number | undefined;
  readonly max_minutes: number | undefined;
  /** Steps and seconds of earlier attempts. */
  readonly step: number;
  readonly usedS: number;
  readonly quiet: boolean;
  /** Least time between two plain lines, in seconds. @default 10 */
  readonly plainEveryS?: number;
}

export interface TrainProgress {
  /** @param more facts to show behind the usual ones */
  update(report: StepReport, more?: Readonly<Record<string, number | string>>): void;
  stop(): void;
}

export function createTrainProgress(options: TrainProgressOptions): TrainProgress {
  const { maxSteps, max_minutes = 0, step, usedS, quiet, plainEveryS = 10 } = options;
  const common = { quiet, plainEveryS };
  if (maxSteps !== undefined) {
    const progress = createProgress({ ...common, total: maxSteps, label: 'train', start: step });
    return {
      update: (report, more) => progress.update(report.step, { ...stepFacts(report), ...more }),
      stop: () => progress.stop(),
    };
  }
  const totalS = Math.ceil(max_minutes * 60);
  const beganMs = performance.now() - usedS * 1000;
  const progress = createProgress({
    ...common,
    total: totalS,
    label: 'train (seconds)',
    start: Math.round(usedS),
  });
  return {
    update: (report, more) => {
      const elapsedS = Math.round((performance.now() - beganMs) / 1000);
      progress.update(Math.min(totalS, elapsedS), { step: report.step, ...stepFacts(report), ...more });
    },
    stop: () => progress.stop(),
  };
}

/** The numbers of a step that people watch. */
function stepFacts({ metrics }: StepReport): Record<string, number | string> {
  const show = (label: string, key: string) => {
    const value = metrics[key];
    return typeof value === 'number' ? { [label]: value } : {};
  };
  return {
    ...show('reward', 'reward'),
    ...show('acc', 'rewards/accuracy/mean'),
    ...show('len', 'completions/mean_length'),
    ...show('loss', 'loss'),
    ...show('grad', 'grad_norm'),
    ...show('s', 'step_time'),
  };
}
