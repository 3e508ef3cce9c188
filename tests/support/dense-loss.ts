/**
 * The slow path: the loss of `chunkedLoss` with one (G, T, V) tensor and plain autograd through everything. It is the oracle that
 * the chunked path is tested against.
 *
 * Legend: G completions of one prompt, T positions, D hidden size, V vocabulary.
 */

import type { ChunkedLossInputs, ChunkedLossOptions } from '../../src/rl/chunked-loss.ts';
import { lossMask, policyLoss } from '../../src/rl/loss.ts';
import {
  type DistributionMode,
  divergenceFromStatistics,
  needsDistribution,
  weightsFromDivergence,
} from '../../src/rl/token-weights.ts';
import { grad, scope, type Tensor, where } from '../../src/tensor/index.ts';

export interface DenseLoss {
  readonly loss: number;
  readonly grad_hidden_GTD: Tensor;
  readonly grad_lm_head_VD: Tensor;
  readonly weights_GT: Tensor | undefined;
  readonly divergence_T: Tensor | undefined;
}

/** Loss and gradients as `chunkedLoss` gives them, with all of (G, T, V) in memory and autograd for every formula. */
export function denseLoss(
  inputs: ChunkedLossInputs,
  options: Omit<ChunkedLossOptions, 'grad_lm_head_VD'>,
): DenseLoss {
  return scope('denseLoss', () => {
    const { ids_GT, completion_mask_GT, truncated_G } = inputs;
    const { loss: config, weights: weighting, scale, temperature = 1 } = options;
    const mode = weighting.token_weight;
    const hidden_GTD = inputs.hidden_GTD.detach().clone().requires_grad_(true);
    const lm_head_VD = inputs.lm_head_VD.detach().clone().requires_grad_(true);
    const logps_GTV = hidden_GTD.matmul(lm_head_VD.t()).div(temperature).log_softmax(-1);
    const logps_GT = logps_GTV.gather(2, ids_GT.unsqueeze(-1)).squeeze(-1);
    const entropy_GT = logps_GTV.exp().mul(logps_GTV).sum(-1).neg();
    let divergence_T: Tensor | undefined;
    if (needsDistribution(mode)) divergence_T = denseDivergence(logps_GTV, completion_mask_GT, mode);
    else if (mode !== 'none')
      divergence_T = divergenceFromStatistics(mode, { entropy_GT, logps_GT, completion_mask_GT });
    const used_T = weighting.token_weight_detach ? divergence_T?.detach() : divergence_T;
    const weights_GT = used_T && weightsFromDivergence(used_T, completion_mask_GT, weighting);
    const { loss } = policyLoss(
      { ...inputs, logps_GT, entropy_GT, mask_GT: lossMask(completion_mask_GT, truncated_G), weights_GT },
      config,
      scale,
    );
    const [grad_hidden_GTD, grad_lm_head_VD] = grad([loss], [hidden_GTD, lm_head_VD]);
    return {
      loss: loss.item() as number,
      grad_hidden_GTD: grad_hidden_GTD!,
      grad_lm_head_VD: grad_lm_head_VD!,
      weights_GT: weights_GT?.detach(),
      divergence_T: divergence_T?.detach(),
    };
  });
}

/** The definition, word for word: every row stands at every position, finished ones as a constant. */
function denseDivergence(logps_GTV: Tensor, completion_mask_GT: Tensor, mode: DistributionMode): Tensor {
  const completion_mask_GT1 = completion_mask_GT.unsqueeze(-1);
  if (mode === 'authors') {
    const rows_GTV = where(completion_mask_GT1, logps_GTV, -Math.log(logps_GTV.shape[2]!));
    const gap_GTV = rows_GTV.mean([0], true).sub(rows_GTV).clamp(-11, 11);
    return gap_GTV.exp().sub(gap_GTV).sub(1).sum(-1).mean(0);
  }
  const numAlive_T1 = completion_mask_GT1.sum(0).clamp_min(1);
  const probs_GTV = where(completion_mask_GT1, logps_GTV.exp(), 0);
  const mean_TV = probs_GTV.sum(0).div(numAlive_T1).clamp_min(1e-37);
  const kl_T = probs_GTV.mul(logps_GTV.sub(mean_TV.log())).sum([0, -1]).div(numAlive_T1.squeeze(-1));
  return where(completion_mask_GT.sum(0).gt(1), kl_T, 0);
}
