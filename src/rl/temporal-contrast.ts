/**
 * T-GRPO's reward for using the order of the frames (Video-R1, arXiv 2503.21776).
 *
 * The prompt is answered a second time with its frames shuffled. If the group's accuracy with ordered frames is at least
 * `ratio` times the accuracy with shuffled frames, each right answer of the ordered group earns a bonus.
 * Source: tulerfeng/Video-R1 `src/r1-v/src/open_r1/trainer/grpo_trainer.py:611-624`.
 */

import { mean } from '../base/index.ts';

export interface TemporalContrastOptions {
  /** Added to each rewarded answer; default 0.3. */
  readonly bonus?: number;
  /** Ordered accuracy must reach this share of the shuffled accuracy; default 0.8. */
  readonly ratio?: number;
  /** An accuracy above this counts as right; default 0.1. */
  readonly threshold?: number;
}

export interface TemporalContrast {
  /** Bonus for each ordered completion's reward; 0 where its accuracy is NaN. */
  readonly bonuses: readonly number[];
  /** True when the ordered group passed the comparison. */
  readonly is_temporal: boolean;
  /** Mean accuracy of the completions that could be judged, frames in order and shuffled. */
  readonly ordered: number;
  readonly shuffled: number;
}

/**
 * @param ordered accuracy of each completion of one group, frames in order; NaN: could not be judged, takes no part
 * @param shuffled accuracy of each completion of the same prompt, frames shuffled (any number of them)
 * @returns undefined when either side has no completion that could be judged
 */
export function temporalContrast(
  ordered: readonly number[],
  shuffled: readonly number[],
  { bonus = 0.3, ratio = 0.8, threshold = 0.1 }: TemporalContrastOptions = {},
): TemporalContrast | undefined {
  const judged = (values: readonly number[]) => values.filter((value) => !Number.isNaN(value));
  const means = { ordered: mean(judged(ordered)), shuffled: mean(judged(shuffled)) };
  if (Number.isNaN(means.ordered) || Number.isNaN(means.shuffled)) return undefined;
  const is_temporal = means.ordered >= ratio * means.shuffled;
  return {
    ...means,
    is_temporal,
    bonuses: ordered.map((value) => (is_temporal && value > threshold ? bonus : 0)),
  };
}
