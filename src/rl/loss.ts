/**
 * The policy loss on (G, T) log-probabilities: ratio, clip, KL, token weights, entropy bonus and normalisation.
 * All keys are independent, so an ablation changes one thing; `presets.ts` names the usual combinations.
 *
 *   ratio r   = exp(logp - old_logp); for `sequence`, exp of its mean over the completion (GSPO)
 *   policy    = -min( min(r, delta) A, clip(r, 1 - epsilon, 1 + epsilon_high) A )
 *   token     = w * (policy + beta * kl) - entropy_coef * H
 *   loss      = sum over tokens of norm * token
 *
 * Source: arXiv 2402.03300 (GRPO), 2503.14476 (DAPO: clip-higher, token mean), 2503.20783 (Dr. GRPO: constant),
 * 2507.18071 (GSPO), 1912.09729 (dual clip); huggingface/trl `trl/trainer/grpo_trainer.py`.
 * As in the authors' code the weight multiplies policy and KL term. Differs from it: their KL clamps the difference of
 * log-probabilities to ±11 before the exponential; ours does not.
 *
 * Legend: G completions (of one or of several prompts), T positions.
 */

import { TwgrpoError } from '../base/index.ts';
import { full, noGrad, stack, type Tensor } from '../tensor/index.ts';

export const LOSS_NORMS = ['sequence', 'token', 'token_global', 'constant'] as const;
/** Normalisation that makes one number of the token losses; see `LossScale`. */
export type LossNorm = (typeof LOSS_NORMS)[number];
export const KL_ESTIMATORS = ['k1', 'k2', 'k3'] as const;
/** Estimators of KL(policy || reference) from the sampled token, http://joschu.net/blog/kl-approx.html */
export type KlEstimator = (typeof KL_ESTIMATORS)[number];
export const IMPORTANCE_SAMPLING_LEVELS = ['token', 'sequence'] as const;
export type ImportanceSamplingLevel = (typeof IMPORTANCE_SAMPLING_LEVELS)[number];

export interface PolicyLossConfig {
  readonly loss_norm: LossNorm;
  /** The ratio is clipped to [1 - epsilon, 1 + epsilon_high]. */
  readonly epsilon: number;
  readonly epsilon_high: number;
  /** Upper limit of the ratio where the advantage is negative (dual clip); above 1 + epsilon_high. Absent: none. */
  readonly delta?: number | undefined;
  /** Weight of the KL to the reference policy; 0 needs no reference log-probabilities. */
  readonly beta: number;
  /**
   * k3 (default everywhere) is never negative; k2's gradient is that of the reverse KL; k1 used as a loss has zero mean
   * gradient on-policy, it is here for comparison.
   */
  readonly kl_estimator: KlEstimator;
  readonly importance_sampling_level: ImportanceSamplingLevel;
  /** Weight of the entropy bonus (subtracted, normalised like the rest, not token-weighted); 0 = none. */
  readonly entropy_coef: number;
}

/**
 * What the loss is divided by when these rows are only a part of the batch; the parts' losses then simply add up.
 *
 *   sequence      mean over a row's tokens, summed, / num_sequences
 *   token         sum over tokens / num_tokens, where num_tokens counts these rows if absent (the authors' local mean)
 *   token_global  the same, but num_tokens of the whole batch (accumulation, ranks) must be given
 *   constant      sum over tokens / (num_sequences * max_completion_length)      (Dr. GRPO)
 */
export interface LossScale {
  /** Rows in the whole batch, cut-off ones included; default the rows given. */
  readonly num_sequences?: number;
  /** Tokens in the whole batch that count in the loss. */
  readonly num_tokens?: number;
  readonly max_completion_length?: number;
}

export interface PolicyLossInputs {
  /** Log-probability of each sampled token under the policy being trained (nats). Gradient flows into it. */
  readonly logps_GT: Tensor;
  /** The same under the policy that sampled; absent = the present policy, so that every ratio is 1. */
  readonly old_logps_GT?: Tensor | undefined;
  /** The same under the frozen reference policy; needed when beta is not 0. */
  readonly ref_logps_GT?: Tensor | undefined;
  /** Entropy of each distribution (nats); needed when entropy_coef is not 0. */
  readonly entropy_GT?: Tensor;
  /** Token weights; absent = 1. */
  readonly weights_GT?: Tensor | undefined;
  readonly advantages_G: Tensor;
  /** bool: the tokens that count (`lossMask`). Values of other cells are not read. */
  readonly mask_GT: Tensor;
}

/** Figures of the tokens that count, under TRL's metric keys; means where nothing else is said. NaN when no token counts. */
export interface PolicyMetrics {
  /** Share of tokens whose ratio is below 1 - epsilon while the advantage is negative: no gradient. */
  readonly 'clip_ratio/low_mean': number;
  /** Share of tokens whose ratio is above 1 + epsilon_high while the advantage is positive: no gradient. */
  readonly 'clip_ratio/high_mean': number;
  /** The least share of `low` in one completion. */
  readonly 'clip_ratio/low_min': number;
  /** The greatest share of `high` in one completion. */
  readonly 'clip_ratio/high_max': number;
  readonly 'clip_ratio/region_mean': number;
  readonly 'ratio/mean': number;
  readonly 'ratio/max': number;
  /** Mean of the chosen estimator; 0 without a reference. */
  readonly kl: number;
  readonly num_loss_tokens: number;
}

/** Every completion token, without the rows named as cut off by the length limit. */
export function lossMask(completion_mask_GT: Tensor, truncated_G?: readonly boolean[]): Tensor {
  if (truncated_G === undefined || !truncated_G.includes(true)) return completion_mask_GT;
  if (truncated_G.length !== completion_mask_GT.shape[0]) {
    throw new TwgrpoError(
      `internal: ${truncated_G.length} truncation flags for ${completion_mask_GT.shape[0]} rows`,
    );
  }
  const mask_GT = completion_mask_GT.clone();
  truncated_G.forEach((isTruncated, g) => {
    if (isTruncated) mask_GT.select(0, g).fill_(false);
  });
  return mask_GT;
}

/**
 * The loss of a set of rows, and what happened in it.
 *
 * @returns `loss`: a scalar tensor, differentiable in `logps_GT`, `entropy_GT` and `weights_GT`
 * @throws TwgrpoError when a configured term lacks its input, or a normalisation lacks its count.
 */
export function policyLoss(
  inputs: PolicyLossInputs,
  config: PolicyLossConfig,
  scale: LossScale = {},
): { readonly loss: Tensor; readonly metrics: PolicyMetrics } {
  const { logps_GT, old_logps_GT, ref_logps_GT, entropy_GT, weights_GT, mask_GT } = inputs;
  checkConfig(config);
  const unused_GT = mask_GT.logical_not();
  const mask = mask_GT.to({ dtype: logps_GT.dtype });
  const length_G1 = mask.sum(1, true).clamp_min(1);
  const advantages_G1 = inputs.advantages_G.to({ dtype: logps_GT.dtype }).unsqueeze(1);

  // Unused cells may hold anything: they must not reach an exponential, where inf * 0 would be NaN.
  let logRatio_GT = logps_GT.sub(old_logps_GT ?? logps_GT.detach()).masked_fill(unused_GT, 0);
  if (config.importance_sampling_level === 'sequence') {
    logRatio_GT = logRatio_GT.sum(1, true).div(length_G1).expand(logps_GT.shape).masked_fill(unused_GT, 0);
  }
  const ratio_GT = logRatio_GT.exp();
  const clipped_GT = ratio_GT.clamp(1 - config.epsilon, 1 + config.epsilon_high);
  const limited_GT = config.delta === undefined ? ratio_GT : ratio_GT.clamp_max(config.delta);
  const policy_GT = limited_GT.mul(advantages_G1).minimum(clipped_GT.mul(advantages_G1)).neg();

  let kl_GT: Tensor | undefined;
  let token_GT = policy_GT;
  if (ref_logps_GT !== undefined) {
    kl_GT = klTerm(ref_logps_GT.sub(logps_GT).masked_fill(unused_GT, 0), config.kl_estimator);
    if (config.beta !== 0) token_GT = token_GT.add(kl_GT, { alpha: config.beta });
  } else if (config.beta !== 0) {
    throw new TwgrpoError(`beta is ${config.beta}, but the reference policy's log-probabilities are missing`);
  }
  if (weights_GT !== undefined) token_GT = token_GT.mul(weights_GT);
  if (config.entropy_coef !== 0) {
    if (entropy_GT === undefined) {
      throw new TwgrpoError(`entropy_coef is ${config.entropy_coef}, but the entropies are missing`);
    }
    token_GT = token_GT.sub(entropy_GT, { alpha: config.entropy_coef });
  }

  const loss = token_GT
    .masked_fill(unused_GT, 0)
    .mul(tokenNorm(mask, length_G1, config.loss_norm, scale))
    .sum();
  const metrics = noGrad(() => measure(ratio_GT, advantages_G1, kl_GT, mask, config));
  return { loss, metrics };
}

/** kl estimators of gap = ref_logp - logp. */
function klTerm(gap_GT: Tensor, estimator: KlEstimator): Tensor {
  switch (estimator) {
    case 'k1':
      return gap_GT.neg();
    case 'k2':
      return gap_GT.square().div(2);
    case 'k3':
      return gap_GT.expm1().sub(gap_GT);
    default:
      throw new TwgrpoError(
        `kl_estimator must be k1, k2 or k3, got ${JSON.stringify(estimator satisfies never)}`,
      );
  }
}

/** The factor of each token in the sum that is the loss; broadcasts to (G, T). */
function tokenNorm(mask: Tensor, length_G1: Tensor, norm: LossNorm, scale: LossScale): Tensor {
  const { num_sequences = mask.shape[0]!, num_tokens, max_completion_length } = scale;
  switch (norm) {
    case 'sequence':
      return length_G1.mul(num_sequences).reciprocal();
    case 'token':
      if (num_tokens !== undefined) return reciprocalOf(num_tokens, mask);
      return mask.sum().clamp_min(1).reciprocal();
    case 'token_global':
      if (num_tokens === undefined) {
        throw new TwgrpoError(
          'loss_norm token_global needs num_tokens, the number of tokens in the whole batch',
        );
      }
      return reciprocalOf(num_tokens, mask);
    case 'constant':
      if (max_completion_length === undefined) {
        throw new TwgrpoError('loss_norm constant needs max_completion_length');
      }
      return reciprocalOf(num_sequences * max_completion_length, mask);
    default:
      throw new TwgrpoError(
        `loss_norm must be sequence, token, token_global or constant, got ${JSON.stringify(norm satisfies never)}`,
      );
  }
}

function reciprocalOf(count: number, like: Tensor): Tensor {
  if (!(count >= 0)) throw new TwgrpoError(`the loss must be divided by a count, got ${count}`);
  // A batch in which no token counts has the loss 0, not NaN.
  return full([], 1 / Math.max(count, 1), { dtype: like.dtype, device: like.device });
}

function measure(
  ratio_GT: Tensor,
  advantages_G1: Tensor,
  kl_GT: Tensor | undefined,
  mask: Tensor,
  { epsilon, epsilon_high }: PolicyLossConfig,
): PolicyMetrics {
  const isLow = ratio_GT.lt(1 - epsilon).logical_and(advantages_G1.lt(0));
  const isHigh = ratio_GT.gt(1 + epsilon_high).logical_and(advantages_G1.gt(0));
  const total = (values: Tensor) => values.to({ dtype: mask.dtype }).mul(mask).sum();
  const count_G = mask.sum(1);
  /** The shares of completions; one without a token that counts has the share that no extreme takes. */
  const shares_G = (values: Tensor, ifEmpty: number) =>
    values.to({ dtype: mask.dtype }).mul(mask).sum(1).div(count_G).masked_fill(count_G.eq(0), ifEmpty);
  // One transfer from the device for all figures.
  const [num, low, high, ratio, kl, max, lowMin, highMax] = stack([
    mask.sum(),
    total(isLow),
    total(isHigh),
    total(ratio_GT),
    kl_GT === undefined ? mask.sum().mul(0) : total(kl_GT),
    ratio_GT.mul(mask).max(),
    shares_G(isLow, Number.POSITIVE_INFINITY).amin(),
    shares_G(isHigh, Number.NEGATIVE_INFINITY).amax(),
  ]).tolist() as [number, number, number, number, number, number, number, number];
  return {
    'clip_ratio/low_mean': low / num,
    'clip_ratio/high_mean': high / num,
    'clip_ratio/low_min': num === 0 ? Number.NaN : lowMin,
    'clip_ratio/high_max': num === 0 ? Number.NaN : highMax,
    'clip_ratio/region_mean': (low + high) / num,
    'ratio/mean': ratio / num,
    'ratio/max': max,
    kl: kl / num,
    num_loss_tokens: num,
  };
}

function checkConfig({ epsilon, epsilon_high, delta }: PolicyLossConfig): void {
  if (!(epsilon >= 0 && epsilon <= 1 && epsilon_high >= 0)) {
    throw new TwgrpoError(
      `epsilon must lie in [0, 1] and epsilon_high be at least 0, got ${epsilon} and ${epsilon_high}`,
    );
  }
  if (delta !== undefined && !(delta > 1 + epsilon_high)) {
    throw new TwgrpoError(`delta must be above 1 + epsilon_high = ${1 + epsilon_high}, got ${delta}`);
  }
}
