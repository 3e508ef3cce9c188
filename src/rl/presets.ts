/**
 * `loss_type` names a combination of independent keys; every key may still be set on its own. What a preset says can be
 * read here in one table.
 *
 * `tw_grpo` is the method with our weights (`js`, constants) and the token mean over the whole batch. The authors' run is
 * `tw_grpo` with token_weight: authors, token_weight_detach: false, loss_norm: token.
 */

import type { ScaleRewards } from './advantages.ts';
import type { PolicyLossConfig } from './loss.ts';
import type { TokenWeightConfig } from './token-weights.ts';

export const LOSS_TYPES = ['grpo', 'tw_grpo', 'dapo', 'dr_grpo', 'gspo'] as const;
export type LossType = (typeof LOSS_TYPES)[number];

export interface LossPreset extends PolicyLossConfig, TokenWeightConfig {
  readonly scale_rewards: ScaleRewards;
  /** Completions that ran into the length limit do not count in the loss. */
  readonly mask_truncated_completions: boolean;
  /** Groups whose rewards are all equal are sampled again. */
  readonly dynamic_sampling: boolean;
}

const GRPO: LossPreset = {
  loss_norm: 'sequence',
  epsilon: 0.2,
  epsilon_high: 0.2,
  beta: 0,
  kl_estimator: 'k3',
  importance_sampling_level: 'token',
  entropy_coef: 0,
  token_weight: 'none',
  token_weight_max: 1.7,
  token_weight_detach: true,
  token_weight_quantile: 0,
  scale_rewards: 'group',
  mask_truncated_completions: false,
  dynamic_sampling: false,
};

export const LOSS_PRESETS: Readonly<Record<LossType, LossPreset>> = {
  grpo: GRPO,
  tw_grpo: { ...GRPO, loss_norm: 'token_global', epsilon_high: 0.28, token_weight: 'js' },
  dapo: {
    ...GRPO,
    loss_norm: 'token_global',
    epsilon_high: 0.28,
    mask_truncated_completions: true,
    dynamic_sampling: true,
  },
  dr_grpo: { ...GRPO, loss_norm: 'constant', scale_rewards: 'none' },
  // The ratio of a whole sequence moves far less than that of a token: arXiv 2507.18071 §5.1.
  gspo: { ...GRPO, importance_sampling_level: 'sequence', epsilon: 3e-4, epsilon_high: 4e-4 },
};
