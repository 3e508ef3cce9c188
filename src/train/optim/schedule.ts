/**
 * Learning-rate schedules with warm-up, with the names and values of transformers' `get_scheduler`. The decay of
 * `warmup_stable_decay` is the linear one (`decay_type: linear` there).
 *
 * Source: huggingface/transformers `src/transformers/optimization.py`.
 */
import { ConfigError } from '../../base/index.ts';

export const SCHEDULER_TYPES = [
  'linear',
  'cosine',
  'constant',
  'constant_with_warmup',
  'warmup_stable_decay',
] as const;
export type SchedulerType = (typeof SCHEDULER_TYPES)[number];

export interface ScheduleOptions {
  readonly lr_scheduler_type: SchedulerType;
  readonly learning_rate: number;
  /** Steps of linear rise from 0; 0 for none. Ignored by `constant`. */
  readonly warmup_steps: number;
  /** Steps of the whole run: linear and cosine reach 0 there. */
  readonly max_steps: number;
  /** `warmup_stable_decay`: share of the run that falls linearly. Default 0. */
  readonly lr_decay_ratio?: number | undefined;
  /** `warmup_stable_decay`: the end, as a share of `learning_rate`. Default 0. */
  readonly lr_min_ratio?: number | undefined;
}

/** The learning rate that step `step` (0 for the first) uses. Steps may be any unit of progress, such as milliseconds. */
export function learningRateAt(step: number, options: ScheduleOptions): number {
  const { lr_scheduler_type, learning_rate, warmup_steps, max_steps } = options;
  if (lr_scheduler_type === 'constant') return learning_rate;
  if (step < warmup_steps) return (learning_rate * step) / Math.max(1, warmup_steps);
  const progress = Math.min(1, (step - warmup_steps) / Math.max(1, max_steps - warmup_steps));
  switch (lr_scheduler_type) {
    case 'linear':
      return learning_rate * (1 - progress);
    case 'cosine':
      return learning_rate * 0.5 * (1 + Math.cos(Math.PI * progress));
    case 'constant_with_warmup':
      return learning_rate;
    case 'warmup_stable_decay': {
      const { lr_decay_ratio = 0, lr_min_ratio = 0 } = options;
      const decaySteps = lr_decay_ratio * max_steps;
      const done = Math.min(1, Math.max(0, (step - (max_steps - decaySteps)) / Math.max(1, decaySteps)));
      return learning_rate * (1 - done * (1 - lr_min_ratio));
    }
    default:
      throw new ConfigError(`unknown lr_scheduler_type '${lr_scheduler_type satisfies never}'`);
  }
}

/** The schedule of a run at its place in it. @param top the learning rate that the schedule scales; 1 for the factor alone */
export function scheduledAt(
  top: number,
  { done, total }: { readonly done: number; readonly total: number },
  config: Omit<ScheduleOptions, 'learning_rate' | 'warmup_steps' | 'max_steps'> & {
    readonly warmup_ratio: number;
  },
): number {
  return learningRateAt(done, {
    ...config,
    learning_rate: top,
    max_steps: total,
    warmup_steps: Math.ceil(config.warmup_ratio * total),
  });
}
