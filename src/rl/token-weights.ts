/**
 * Token weights: how much a position of the completions is worth in the loss, from how much the group of G completions
 * disagrees there. One number per position, shared by the rows that are still alive at it.
 *
 *   none       all weights 1
 *   authors    the authors' shipped formula: finished rows count as uniform over V, the mean is taken over
 *              log-probabilities, and exp(d) - d - 1 is summed over the whole vocabulary, |d| <= 11
 *   js         mean over alive rows of KL(p_i || mean of p over alive rows), in nats, at most ln(alive)
 *   entropy    mean entropy over alive rows, in nats
 *   std        spread (population standard deviation) of the sampled tokens' log-probabilities over alive rows, in nats
 *
 * From these `weightsFromDivergence` makes weights in [1, token_weight_max] by min-max over the positions.
 * docs/token-weights.md compares the formulas and names their pitfalls.
 *
 * Source: arXiv 2505.24718; longmalongma/TW-GRPO `src/open_r1/trainer/grpo_trainer.py:640-690`.
 * Differs from the authors: one prompt at a time, and positions at which no row is alive take no part in the min-max
 * (theirs has none with one prompt per device; with several, padding would set the minimum).
 *
 * Legend: G completions of one prompt, T their positions, C positions of a chunk, R rows of a chunk, V vocabulary.
 * `alive` is true for a completion's tokens up to and including the stop token.
 */

import { TwgrpoError } from '../base/index.ts';
import { type Tensor, where } from '../tensor/index.ts';

export const TOKEN_WEIGHT_MODES = ['none', 'authors', 'js', 'entropy', 'std'] as const;
export type TokenWeightMode = (typeof TOKEN_WEIGHT_MODES)[number];

export interface TokenWeightConfig {
  readonly token_weight: TokenWeightMode;
  /** Upper end of the weights, >= 1; the authors' `alpha` (1.7). 1 switches weighting off. */
  readonly token_weight_max: number;
  /** True: the weights are constants. False: gradient flows through them, as in the authors' code. */
  readonly token_weight_detach: boolean;
  /**
   * Share of positions cut off at both ends before scaling, in [0, 0.5): 0 is the authors' min-max, 0.05 lets the 5 and
   * 95 % quantiles stand for minimum and maximum, so that one outlier does not flatten all others.
   */
  readonly token_weight_quantile: number;
}

/** Largest difference of log-probabilities the authors let into the exponential. */
const CLAMP = 11;
/**
 * Added to the range of the divergence. The authors' 1e-8 for their formula; for ours, in nats, what float32 rounding
 * cannot reach: in a group of equal completions the weights must not show noise blown up to the full range.
 */
function rangeEpsilon(mode: TokenWeightMode): number {
  return mode === 'authors' ? 1e-8 : 1e-5;
}

/** Modes whose statistic needs the whole distribution; the others follow from entropy or sampled log-probabilities. */
export type DistributionMode = Extract<TokenWeightMode, 'authors' | 'js'>;

export function needsDistribution(mode: TokenWeightMode): mode is DistributionMode {
  return mode === 'authors' || mode === 'js';
}

/** The distributions at a chunk of positions, from which the divergence follows. */
export interface DivergenceChunk {
  /** Softmax rows, float32 or float64; dead cells hold the uniform distribution. */
  readonly probs_RCV: Tensor;
  /** Logarithm of `probs_RCV` (nats); only `js` without gradient can do without it. */
  readonly logps_RCV: Tensor | undefined;
  /** Entropy of each row (nats). */
  readonly entropy_RC: Tensor;
  /** bool */
  readonly completion_mask_RC: Tensor;
  /** Number of rows in the group, G; those beyond R are finished in the whole chunk. */
  readonly numRows: number;
}

/**
 * Divergence of each position of a chunk. Without graph: its gradient is `groupDivergenceGradient`.
 *
 * `js` is computed as H(mean p) - mean H(p), which needs no tensor of the chunk's size. In float32 that is exact to some
 * 1e-6 nats, far below what can move a weight.
 *
 * @returns divergence_C >= 0; at positions without an alive row 0
 */
export function groupDivergence(chunk: DivergenceChunk, mode: DistributionMode): Tensor {
  const { entropy_RC, completion_mask_RC, numRows } = chunk;
  if (mode === 'authors') {
    const { gap_RCV, finishedGap_CV, numFinished } = authorsGaps(chunk);
    const total_C = sumOfExcess(gap_RCV).sum(0);
    if (finishedGap_CV !== undefined) total_C.add_(sumOfExcess(finishedGap_CV), { alpha: numFinished });
    return total_C.div_(numRows);
  }
  const share_RC = aliveShares(chunk);
  const mean_CV = meanProbs(chunk, share_RC);
  const divergence_C = logWithFloor(mean_CV)
    .mul_(mean_CV)
    .sum(-1)
    .neg()
    .sub_(entropy_RC.mul(share_RC).sum(0));
  // A lone row agrees with itself; below 0 there is only rounding.
  return divergence_C.masked_fill_(completion_mask_RC.sum(0).le(1), 0).clamp_min(0);
}

/**
 * Gradient of `sum(upstream_C * divergence_C)` with respect to the logits behind `logps_RCV`.
 *
 * With l the log-probabilities and p = exp(l):
 *   authors    d/dl = (mean_g e - e) / G, e = exp(d) - 1 where |d| <= 11 and else 0; constants (finished rows) get none
 *   js         d/dl = p (l - ln mean p) / alive
 * and then through the log-softmax: d/dz = d/dl - p * sum_v d/dl.
 *
 * @returns gradient_RCV, 0 in dead cells
 */
export function groupDivergenceGradient(
  chunk: DivergenceChunk,
  mode: DistributionMode,
  upstream_C: Tensor,
): Tensor {
  const { probs_RCV, completion_mask_RC, numRows } = chunk;
  const logps_RCV = needLogps(chunk);
  const mask = completion_mask_RC.to({ dtype: logps_RCV.dtype });
  let slope_RCV: Tensor;
  if (mode === 'authors') {
    const { gap_RCV, finishedGap_CV, numFinished } = authorsGaps(chunk);
    slope_RCV = slopeOfExcess(gap_RCV);
    const sum_CV = slope_RCV.sum(0);
    if (finishedGap_CV !== undefined) sum_CV.add_(slopeOfExcess(finishedGap_CV), { alpha: numFinished });
    slope_RCV.sub_(sum_CV.div_(numRows)).mul_(mask.mul(upstream_C.div(-numRows)).unsqueeze(-1));
  } else {
    const share_RC = aliveShares(chunk);
    // A lone row's divergence is the constant 0.
    const factor_RC = share_RC.mul(upstream_C).masked_fill_(completion_mask_RC.sum(0).le(1), 0);
    slope_RCV = logps_RCV
      .sub(logWithFloor(meanProbs(chunk, share_RC)))
      .mul_(probs_RCV)
      .mul_(factor_RC.unsqueeze(-1));
  }
  return slope_RCV.addcmul_(probs_RCV, slope_RCV.sum(-1, true), { value: -1 });
}

function needLogps({ logps_RCV }: DivergenceChunk): Tensor {
  if (logps_RCV === undefined) throw new TwgrpoError('internal: this divergence needs the log-probabilities');
  return logps_RCV;
}

/** d = group mean of log-probabilities minus own; finished rows and dead cells stand at -ln V. Not clamped yet. */
function authorsGaps(chunk: DivergenceChunk) {
  const { numRows } = chunk;
  const logps_RCV = needLogps(chunk);
  const numFinished = numRows - logps_RCV.shape[0]!;
  const uniform = -Math.log(logps_RCV.shape[2]!);
  const mean_CV = logps_RCV
    .sum(0)
    .add_(numFinished * uniform)
    .div_(numRows);
  return {
    gap_RCV: mean_CV.sub(logps_RCV),
    finishedGap_CV: numFinished > 0 ? mean_CV.sub(uniform) : undefined,
    numFinished,
  };
}

/** Sum over the vocabulary of exp(d) - d - 1, d clamped. Overwrites `gap`. */
function sumOfExcess(gap: Tensor): Tensor {
  gap.clamp_(-CLAMP, CLAMP);
  return gap.expm1().sub_(gap).sum(-1);
}

/** exp(d) - 1, and 0 where the clamp cuts the gradient. Overwrites `gap`. */
function slopeOfExcess(gap: Tensor): Tensor {
  const isCut = gap.abs().gt(CLAMP);
  return gap.clamp_(-CLAMP, CLAMP).expm1().masked_fill_(isCut, 0);
}

/** 1 / (number of alive rows) in alive cells, else 0. */
function aliveShares({ completion_mask_RC, probs_RCV }: DivergenceChunk): Tensor {
  const mask = completion_mask_RC.to({ dtype: probs_RCV.dtype });
  return mask.div(mask.sum(0).clamp_min(1));
}

/** Mean distribution over alive rows (C, V): a product with the shares, without a temporary of the chunk's size. */
function meanProbs({ probs_RCV }: DivergenceChunk, share_RC: Tensor): Tensor {
  return share_RC.t().unsqueeze(1).bmm(probs_RCV.transpose(0, 1)).squeeze(1);
}

/** ln p; the floor keeps 0 * ln 0 at 0. */
function logWithFloor(probs_CV: Tensor): Tensor {
  return probs_CV.clamp_min(probs_CV.dtype === 'float64' ? 1e-300 : 1e-37).log_();
}

/**
 * Divergence of all positions for the modes that follow from (G, T) statistics; differentiable.
 *
 * @param entropy_GT entropy of each distribution (nats), read by `entropy`
 * @param logps_GT log-probability of each sampled token (nats), read by `std`
 * @returns divergence_T >= 0; at positions without an alive row 0
 */
export function divergenceFromStatistics(
  mode: 'entropy' | 'std',
  {
    entropy_GT,
    logps_GT,
    completion_mask_GT,
  }: { readonly entropy_GT: Tensor; readonly logps_GT: Tensor; readonly completion_mask_GT: Tensor },
): Tensor {
  const values_GT = mode === 'entropy' ? entropy_GT : logps_GT;
  const mask = completion_mask_GT.to({ dtype: values_GT.dtype });
  const count_T = mask.sum(0);
  const share_GT = mask.div(count_T.clamp_min(1));
  const mean_T = values_GT.mul(share_GT).sum(0);
  if (mode === 'entropy') return mean_T;
  const variance_T = values_GT.sub(mean_T).square().mul(share_GT).sum(0);
  // The root of 0 has no slope: where nothing can spread, the divergence is the constant 0.
  const canSpread = count_T.gt(1).logical_and(variance_T.detach().gt(0));
  return where(canSpread, where(canSpread, variance_T, 1).sqrt(), 0);
}

/**
 * Weights of the completion tokens from the divergence of their positions; differentiable in `divergence_T`.
 *
 *   share_T  = (D_T - low) / (high - low + eps), cut to [0, 1]; eps 1e-8 for `authors`, else 1e-5 nats
 *   weight_T = 1 + (token_weight_max - 1) * share_T
 *
 * low and high are minimum and maximum over the positions at which at least one row is alive, or the quantiles named
 * by `token_weight_quantile`.
 *
 * @returns weights_GT: 0 in dead cells, else in [1, token_weight_max], equal over the alive rows of a position
 * @throws TwgrpoError if `token_weight_max` < 1 or `token_weight_quantile` is outside [0, 0.5).
 */
export function weightsFromDivergence(
  divergence_T: Tensor,
  completion_mask_GT: Tensor,
  { token_weight, token_weight_max, token_weight_quantile }: Omit<TokenWeightConfig, 'token_weight_detach'>,
): Tensor {
  if (!(token_weight_max >= 1))
    throw new TwgrpoError(`token_weight_max must be at least 1, got ${token_weight_max}`);
  if (!(token_weight_quantile >= 0 && token_weight_quantile < 0.5)) {
    throw new TwgrpoError(`token_weight_quantile must lie in [0, 0.5), got ${token_weight_quantile}`);
  }
  const isUsed_T = completion_mask_GT.any(0);
  const used = divergence_T.masked_select(isUsed_T);
  const mask = completion_mask_GT.to({ dtype: divergence_T.dtype });
  if (token_weight_max === 1 || used.numel() === 0) return mask;
  const [low, high] =
    token_weight_quantile > 0
      ? [used.quantile(token_weight_quantile), used.quantile(1 - token_weight_quantile)]
      : [used.min(0)[0], used.max(0)[0]];
  const share_T = divergence_T
    .sub(low)
    .div(high.sub(low).add(rangeEpsilon(token_weight)))
    .clamp(0, 1);
  return share_T
    .mul(token_weight_max - 1)
    .add(1)
    .mul(mask);
}

/** Figures over the weights of one group; they show whether content or only the ragged end is weighted. */
export interface TokenWeightStatistics {
  /** Mean and largest weight over completion tokens. */
  readonly mean: number;
  readonly max: number;
  /** Share of completion tokens that stand at positions where all G rows are alive. */
  readonly tokens_all_alive: number;
  /** Share of the summed weight at those positions: equal to `tokens_all_alive` when all weights are 1. */
  readonly weight_all_alive: number;
  /** Share of the summed excess (weight - 1) at those positions; NaN when there is no excess. */
  readonly excess_all_alive: number;
}

export function weightStatistics(weights_GT: Tensor, completion_mask_GT: Tensor): TokenWeightStatistics {
  const weights = Float64Array.from(
    weights_GT.to({ dtype: 'float64', device: 'cpu' }).toTypedArray() as Float64Array,
  );
  const mask = Array.from(
    completion_mask_GT.to({ dtype: 'uint8', device: 'cpu' }).toTypedArray() as Uint8Array,
    Boolean,
  );
  const [numRows, width] = completion_mask_GT.shape as readonly [number, number];
  let numTokens = 0;
  let sum = 0;
  let max = 0;
  let numTokensInside = 0;
  let sumInside = 0;
  for (let t = 0; t < width; t++) {
    let numAlive = 0;
    let sumHere = 0;
    for (let g = 0; g < numRows; g++) {
      if (!mask[g * width + t]) continue;
      const weight = weights[g * width + t]!;
      numAlive++;
      sumHere += weight;
      max = Math.max(max, weight);
    }
    numTokens += numAlive;
    sum += sumHere;
    if (numAlive === numRows) {
      numTokensInside += numAlive;
      sumInside += sumHere;
    }
  }
  const excess = sum - numTokens;
  return {
    mean: sum / numTokens,
    max,
    tokens_all_alive: numTokensInside / numTokens,
    weight_all_alive: sumInside / sum,
    excess_all_alive: excess > 1e-9 * numTokens ? (sumInside - numTokensInside) / excess : Number.NaN,
  };
}
