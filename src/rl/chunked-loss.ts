/**
 * Policy loss and its gradient from hidden states, without ever holding the (G, T, V) log-probabilities.
 *
 * Positions are taken in chunks, all rows of a position together because the divergence compares them. The work falls in
 * three parts:
 *   1. a pass over chunks without graph: sampled log-probabilities, entropies and divergence, all (G, T) or (T);
 *   2. the loss on those small tensors, with autograd: dL/dlogp, dL/dH and dL/ddivergence;
 *   3. a pass over chunks that turns these three into dL/dlogits, and those into dL/dhidden and dL/dlm_head.
 * With z the logits, p their softmax, l its logarithm, H the entropy and a the sampled token:
 *   dL/dz = dL/dlogp (onehot(a) - p) - dL/dH p (l + H) + dL/ddivergence ddivergence/dz
 *
 * Usually only dL/dlogp matters. Then the factor is taken out: hidden states get dL/dlogp (W[a] - p W), and p needs no
 * pass over V beyond its own exponential. If the head is frozen as well, part 3 falls away: part 1 stores W[a] - p W.
 * Chunks that fit into the memory budget are kept for part 3, all others are computed again.
 *
 * Legend: G completions of one prompt, T positions, D hidden size, V vocabulary; R rows and C positions of a chunk.
 */

import { TwgrpoError } from '../base/index.ts';
import {
  enableGrad,
  fastLinear,
  full,
  grad,
  noGrad,
  scope,
  type Tensor,
  zeros,
  zeros_like,
} from '../tensor/index.ts';
import {
  accumulationBytes,
  BUFFERS,
  type Chunk,
  type ChunkOptions,
  checkInputs,
  chunkBytes,
  chunkCells,
  chunkLogps,
  DEFAULT_CHUNK_BYTES,
  distributionOf,
  emptyStatistics,
  planChunks,
  type ScoredTokens,
  writeStatistics,
} from './chunks.ts';
import { type LossScale, lossMask, type PolicyLossConfig, type PolicyMetrics, policyLoss } from './loss.ts';
import {
  divergenceFromStatistics,
  groupDivergence,
  groupDivergenceGradient,
  needsDistribution,
  type TokenWeightConfig,
  type TokenWeightStatistics,
  weightStatistics,
  weightsFromDivergence,
} from './token-weights.ts';

export interface ChunkedLossInputs extends ScoredTokens {
  readonly advantages_G: Tensor;
  /** Rows cut off by the length limit that must not count in the loss; they still count in the divergence. */
  readonly truncated_G?: readonly boolean[];
  readonly old_logps_GT?: Tensor | undefined;
  readonly ref_logps_GT?: Tensor | undefined;
}

export interface ChunkedLossOptions extends ChunkOptions {
  readonly loss: PolicyLossConfig;
  readonly weights: TokenWeightConfig;
  readonly scale?: LossScale;
  /** Add dL/dlm_head to this tensor (float32, or float64 for float64 weights). Absent: the head is frozen. */
  readonly grad_lm_head_VD?: Tensor;
}

export interface ChunkedLoss {
  readonly loss: number;
  /** dL/dhidden, in the dtype of the hidden states; 0 in dead cells. */
  readonly grad_hidden_GTD: Tensor;
  /** False when the gradient is 0 everywhere, for instance because all advantages are 0. */
  readonly has_gradient: boolean;
  /** Log-probabilities of the sampled tokens (nats), 0 in dead cells. */
  readonly logps_GT: Tensor;
  /** Entropies of the distributions (nats), 0 in dead cells. */
  readonly entropy_GT: Tensor;
  /** Token weights, 0 in dead cells; 1 where weighting is off. */
  readonly weights_GT: Tensor;
  /** Divergence of each position; absent where weighting is off. */
  readonly divergence_T: Tensor | undefined;
  readonly metrics: PolicyMetrics & { readonly entropy: number; readonly weights: TokenWeightStatistics };
}

/** Rows of the head that get their gradient at once when it must be converted to another dtype: fewer parts where each is a kernel asked for. */
const HEAD_GRADIENT_ROWS = { cpu: 8192, device: 32_768 } as const;

/** True when the loss needs no slope over the vocabulary beyond that of the sampled token's log-probability. */
function isSimple({ loss, weights }: ChunkedLossOptions): boolean {
  const isLive = !weights.token_weight_detach && weights.token_weight_max > 1;
  return (
    loss.entropy_coef === 0 &&
    !(isLive && (needsDistribution(weights.token_weight) || weights.token_weight === 'entropy'))
  );
}

function numBuffers(options: ChunkedLossOptions): number {
  if (!isSimple(options)) return BUFFERS.full;
  return options.weights.token_weight === 'authors' ? BUFFERS.authors : BUFFERS.simple;
}

/**
 * Loss and gradients of one group (one prompt's G completions).
 *
 * Several groups or ranks: call it for each with the batch's counts in `scale`; losses and gradients then add up.
 * With `token_weight_detach: false` the gradient includes the path through the weights, exactly.
 *
 * @throws TwgrpoError on shapes that do not fit, or when a configured term lacks its input.
 */
export function chunkedLoss(inputs: ChunkedLossInputs, options: ChunkedLossOptions): ChunkedLoss {
  return scope('chunkedLoss', () =>
    noGrad(() => {
      checkInputs(inputs);
      const { grad_lm_head_VD } = options;
      const mode = options.weights.token_weight;
      const numRows = inputs.ids_GT.shape[0]!;
      const { logps_GT, entropy_GT } = emptyStatistics(inputs);
      const positions_T = needsDistribution(mode)
        ? zeros([inputs.ids_GT.shape[1]!], { dtype: logps_GT.dtype, device: logps_GT.device })
        : undefined;
      const grad_hidden_GTD = zeros_like(inputs.hidden_GTD);
      const chunks = planChunks(inputs, options, numBuffers(options));
      const simple = isSimple(options);
      const isOnePass = simple && grad_lm_head_VD === undefined;
      const kept = new Map<Chunk, Tensor>();
      let room =
        (options.chunk_bytes ?? DEFAULT_CHUNK_BYTES) - chunkBytes(inputs, chunks, numBuffers(options));

      for (const chunk of chunks) {
        const keptValues = scope('chunkedLoss statistics', () => {
          const needsLogps = !simple || mode === 'authors';
          const distribution = distributionOf(inputs, chunk, options, needsLogps ? 'keep' : 'overwrite');
          writeStatistics(chunk, distribution, logps_GT, entropy_GT);
          const { logps_RCV, probs_RCV } = distribution;
          if (positions_T !== undefined && needsDistribution(mode)) {
            const divergence_C = groupDivergence(
              { ...distribution, completion_mask_RC: chunk.completion_mask_RC, numRows },
              mode,
            );
            positions_T.narrow(0, chunk.start, chunk.length).copy_(divergence_C);
          }
          const values_RCV = logps_RCV === undefined || simple ? probs_RCV : logps_RCV;
          if (isOnePass) {
            subtractSampled(inputs, chunk, probs_RCV);
            writeHiddenGradient(inputs, chunk, probs_RCV, undefined, grad_hidden_GTD, options);
            return undefined;
          }
          const bytes = values_RCV.numel() * accumulationBytes(values_RCV);
          if (bytes > room) return undefined;
          room -= bytes;
          return values_RCV;
        });
        if (keptValues !== undefined) kept.set(chunk, keptValues);
      }

      const small = lossOfStatistics(inputs, options, logps_GT, entropy_GT, positions_T);
      if (isOnePass) {
        grad_hidden_GTD.mul_(small.gradLogps_GT.neg().to({ dtype: grad_hidden_GTD.dtype }).unsqueeze(-1));
      } else if (small.has_gradient) {
        for (const chunk of chunks) {
          scope('chunkedLoss gradient', () => {
            let slope_RCV: Tensor;
            let scale_RC: Tensor | undefined;
            if (simple) {
              slope_RCV = kept.get(chunk) ?? chunkLogps(inputs, chunk, options).exp_();
              subtractSampled(inputs, chunk, slope_RCV);
              scale_RC = chunkCells(small.gradLogps_GT, chunk).neg();
            } else {
              const logps_RCV = kept.get(chunk) ?? chunkLogps(inputs, chunk, options);
              slope_RCV = logitsGradient(inputs, chunk, logps_RCV, entropy_GT, small, options.weights);
              logps_RCV.dispose();
            }
            writeHiddenGradient(inputs, chunk, slope_RCV, scale_RC, grad_hidden_GTD, options);
            if (grad_lm_head_VD !== undefined) {
              addHeadGradient(inputs, chunk, slope_RCV, scale_RC, grad_lm_head_VD, options);
            }
            slope_RCV.dispose();
          });
        }
      }

      const { numAlive } = small;
      return {
        loss: small.loss,
        grad_hidden_GTD,
        has_gradient: small.has_gradient,
        logps_GT,
        entropy_GT,
        weights_GT: small.weights_GT,
        divergence_T: small.divergence_T,
        metrics: {
          ...small.metrics,
          entropy: (entropy_GT.sum().item() as number) / numAlive,
          weights: weightStatistics(small.weights_GT, inputs.completion_mask_GT),
        },
      };
    }),
  );
}

interface SmallLoss {
  readonly loss: number;
  readonly metrics: PolicyMetrics;
  readonly has_gradient: boolean;
  readonly gradLogps_GT: Tensor;
  readonly gradEntropy_GT: Tensor | undefined;
  readonly gradDivergence_T: Tensor | undefined;
  readonly weights_GT: Tensor;
  readonly divergence_T: Tensor | undefined;
  readonly numAlive: number;
}

/** Part 2: weights and loss on the (G, T) statistics, and the gradient with respect to them. */
function lossOfStatistics(
  inputs: ChunkedLossInputs,
  { loss: config, weights: weighting, scale }: ChunkedLossOptions,
  logps: Tensor,
  entropies: Tensor,
  positions_T: Tensor | undefined,
): SmallLoss {
  const { completion_mask_GT, advantages_G, truncated_G, old_logps_GT, ref_logps_GT } = inputs;
  const { token_weight: mode, token_weight_detach } = weighting;
  return enableGrad(() => {
    const logps_GT = logps.detach().requires_grad_(true);
    const entropy_GT = entropies.detach().requires_grad_(true);
    const given_T = positions_T?.detach().requires_grad_(true);
    let divergence_T = given_T;
    if (mode === 'entropy' || mode === 'std') {
      divergence_T = divergenceFromStatistics(mode, { entropy_GT, logps_GT, completion_mask_GT });
    }
    const used_T = token_weight_detach ? divergence_T?.detach() : divergence_T;
    const weights_GT =
      used_T === undefined ? undefined : weightsFromDivergence(used_T, completion_mask_GT, weighting);
    const { loss, metrics } = policyLoss(
      {
        logps_GT,
        entropy_GT,
        advantages_G,
        mask_GT: lossMask(completion_mask_GT, truncated_G),
        old_logps_GT,
        ref_logps_GT,
        weights_GT,
      },
      config,
      scale,
    );
    const [gradLogps_GT, gradEntropy_GT, gradDivergence_T] = grad(
      [loss],
      given_T === undefined ? [logps_GT, entropy_GT] : [logps_GT, entropy_GT, given_T],
      undefined,
      { allow_unused: true },
    );
    if (gradLogps_GT === undefined)
      throw new TwgrpoError('internal: the loss does not depend on the log-probabilities');
    const gradients = [gradLogps_GT, gradEntropy_GT, gradDivergence_T].filter(
      (gradient) => gradient !== undefined,
    );
    return {
      loss: loss.item() as number,
      metrics,
      has_gradient: gradients.some((gradient) => gradient.count_nonzero().item() !== 0),
      gradLogps_GT,
      gradEntropy_GT,
      gradDivergence_T,
      weights_GT: weights_GT?.detach() ?? completion_mask_GT.to({ dtype: logps.dtype }),
      divergence_T: divergence_T?.detach(),
      numAlive: completion_mask_GT.sum().item() as number,
    };
  });
}

/** p - onehot(a), in place: minus the slope of the sampled log-probabilities. */
function subtractSampled(inputs: ScoredTokens, chunk: Chunk, probs_RCV: Tensor): void {
  const ids_RC1 = chunkCells(inputs.ids_GT, chunk).unsqueeze(-1);
  probs_RCV.scatter_add_(
    2,
    ids_RC1,
    full([], -1, { dtype: probs_RCV.dtype, device: probs_RCV.device }).expand(ids_RC1.shape),
  );
}

/** dL/dz of a chunk from all gradients of the small loss; 0 in dead cells. */
function logitsGradient(
  inputs: ScoredTokens,
  chunk: Chunk,
  logps_RCV: Tensor,
  entropy_GT: Tensor,
  { gradLogps_GT, gradEntropy_GT, gradDivergence_T }: SmallLoss,
  { token_weight: mode }: TokenWeightConfig,
): Tensor {
  const { completion_mask_RC } = chunk;
  const dead_RC = completion_mask_RC.logical_not();
  const gradLogps_RC1 = chunkCells(gradLogps_GT, chunk).masked_fill(dead_RC, 0).unsqueeze(-1);
  const entropy_RC = chunkCells(entropy_GT, chunk);
  const probs_RCV = logps_RCV.exp();
  let slope_RCV: Tensor;
  if (gradEntropy_GT === undefined) {
    slope_RCV = probs_RCV.mul(gradLogps_RC1.neg());
  } else {
    const gradEntropy_RC1 = chunkCells(gradEntropy_GT, chunk).masked_fill(dead_RC, 0).neg().unsqueeze(-1);
    slope_RCV = logps_RCV
      .add(entropy_RC.unsqueeze(-1))
      .mul_(gradEntropy_RC1)
      .sub_(gradLogps_RC1)
      .mul_(probs_RCV);
  }
  slope_RCV.scatter_add_(2, chunkCells(inputs.ids_GT, chunk).unsqueeze(-1), gradLogps_RC1);
  if (gradDivergence_T !== undefined && needsDistribution(mode)) {
    const upstream_C = gradDivergence_T.narrow(0, chunk.start, chunk.length);
    const numRows = inputs.ids_GT.shape[0]!;
    slope_RCV.add_(
      groupDivergenceGradient(
        { logps_RCV, probs_RCV, entropy_RC, completion_mask_RC, numRows },
        mode,
        upstream_C,
      ),
    );
  }
  return slope_RCV;
}

/** dL/dhidden = scale dL/dz W / temperature, written to the chunk's cells. */
function writeHiddenGradient(
  { lm_head_VD }: ScoredTokens,
  chunk: Chunk,
  slope_RCV: Tensor,
  scale_RC: Tensor | undefined,
  grad_hidden_GTD: Tensor,
  { temperature = 1 }: ChunkOptions,
): void {
  const grad_RCD = fastLinear(slope_RCV.to({ dtype: lm_head_VD.dtype }), lm_head_VD.t());
  if (temperature !== 1) grad_RCD.div_(temperature);
  if (scale_RC !== undefined) grad_RCD.mul_(scale_RC.to({ dtype: grad_RCD.dtype }).unsqueeze(-1));
  grad_hidden_GTD
    .narrow(1, chunk.start, chunk.length)
    .index_copy_(0, chunk.rows_R, grad_RCD.to({ dtype: grad_hidden_GTD.dtype }));
}

/** dL/dW += (dL/dz)^T scale hidden / temperature. */
function addHeadGradient(
  { hidden_GTD, lm_head_VD }: ScoredTokens,
  chunk: Chunk,
  slope_RCV: Tensor,
  scale_RC: Tensor | undefined,
  grad_lm_head_VD: Tensor,
  { temperature = 1 }: ChunkOptions,
): void {
  const [numWords, numDims] = lm_head_VD.shape as [number, number];
  let hidden_RCD = chunkCells(hidden_GTD, chunk).masked_fill_(
    chunk.completion_mask_RC.logical_not().unsqueeze(-1),
    0,
  );
  if (scale_RC !== undefined)
    hidden_RCD = hidden_RCD.to({ dtype: scale_RC.dtype }).mul(scale_RC.unsqueeze(-1));
  const hidden_ND = hidden_RCD.to({ dtype: lm_head_VD.dtype }).reshape([-1, numDims]);
  const slope_NV = slope_RCV.reshape([-1, numWords]);
  if (lm_head_VD.dtype === grad_lm_head_VD.dtype) {
    grad_lm_head_VD.addmm_(slope_NV.t(), hidden_ND, { alpha: 1 / temperature });
    return;
  }
  const rows = HEAD_GRADIENT_ROWS[lm_head_VD.device === 'cpu' ? 'cpu' : 'device'];
  for (let start = 0; start < numWords; start += rows) {
    const length = Math.min(rows, numWords - start);
    scope('head gradient', () => {
      const part = slope_NV.narrow(1, start, length).to({ dtype: lm_head_VD.dtype }).t().matmul(hidden_ND);
      grad_lm_head_VD.narrow(0, start, length).add_(part, { alpha: 1 / temperature });
    });
  }
}
