/** The line that is watched while a model trains: how far, what a step is like, how long still. */
import { createProgress } from '../base/index.ts';
import type { GrpoStepReport } from './grpo/grpo-trainer.ts';
import type { RunProgress, StepReport } from './loop/run-loop.ts';

export type Facts = Readonly<Record<string, number | string>>;

export interface TrainProgress {
  update(now: RunProgress, facts: Facts): void;
  stop(): void;
}

/** @param options.plainEveryS least time between two plain lines, in seconds; default 10 */
export function createTrainProgress(
  start: RunProgress,
  options: { readonly label: string; readonly quiet: boolean; readonly plainEveryS?: number },
): TrainProgress {
  const { maxS } = start;
  const { done, total } = barOf(start);
  const label = maxS === undefined ? options.label : `${options.label} (seconds)`;
  const progress = createProgress({ ...options, label, total, start: done });
  return {
    update: (now, facts) => {
      const step: Facts = maxS === undefined ? {} : { step: now.step };
      progress.update(barOf(now).done, { ...step, ...facts });
    },
    stop: () => progress.stop(),
  };
}

/** A bar counts what ends the run: steps, or seconds where there is a wall time; then steps are shown as their share of it. */
function barOf({ step, maxSteps, usedS, maxS }: RunProgress): {
  readonly done: number;
  readonly total: number;
} {
  if (maxS === undefined) return { done: step, total: maxSteps! };
  const bySteps = maxSteps === undefined ? 0 : (step / maxSteps) * maxS;
  return { done: Math.round(Math.min(Math.max(usedS, bySteps), maxS)), total: Math.ceil(maxS) };
}

/** The numbers of a GRPO step that people watch. */
export function grpoFacts({ metrics }: Pick<GrpoStepReport, 'metrics'>): Facts {
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

/** The numbers of a supervised step that people watch. */
export function sftFacts({ metrics }: Pick<StepReport, 'metrics'>): Facts {
  return {
    loss: Number(metrics['loss']),
    'token acc': `${(100 * Number(metrics['mean_token_accuracy'])).toFixed(1)} %`,
    'videos/s': Number(metrics['videos_per_second']),
    stage: Number(metrics['stage']) + 1,
  };
}
