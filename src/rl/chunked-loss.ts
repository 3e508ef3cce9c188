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
 * Rows that are finished in a whole chunk are left out of it. Chunks whose log-probabilities fit into the memory budget
 * are kept for part 3, all others are computed again. When the head is frozen and only dL/dlogp matters, part 3 is not
 * needed at all: part 1 stores (W[a] - p W) for every token, and dL/dlogp scales it afterwards.
 *
 * Legend: G completions of one prompt, T positions, D hidden size, V vocabulary; R rows and C positions of a chunk.
 */

import { enableGrad, grad, noGrad, scope, type Tensor, tensor, zeros, zeros_like } from '../tensor/index.ts';
import { RlError } from './errors.ts';
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

export interface ScoredTokens {
  /** Last hidden states that predict the completion tokens: row t predicts `ids_GT[t]`. Taken as a constant. */
  readonly hidden_GTD: Tensor;
  /** The output head, `lm_head.weight`. */
  readonly lm_head_VD: Tensor;
  /** Completion tokens, int64; ids of dead cells are not read but must lie in the vocabulary. */
  readonly ids_GT: Tensor;
  /** bool, true up to and including the stop token. */
  readonly alive_GT: Tensor;
}

export interface ChunkOptions {
  /** Logits are divided by it before the softmax; default 1. TRL passes its sampling temperature, the authors do not. */
  readonly temperature?: number;
  /** Memory for the tensors of size V, in bytes; default 256 MiB. At least one position is always taken. */
  readonly chunk_bytes?: number;
}

export interface ChunkedLossInputs extends ScoredTokens {
  readonly advantages_G: Tensor;
  /** Rows cut off by the length limit that must not count in the loss; they still count in the divergence. */
  readonly truncated_G?: readonly boolean[];
  readonly old_logps_GT?: Tensor;
  readonly ref_logps_GT?: Tensor;
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

const DEFAULT_CHUNK_BYTES = 256 * 2 ** 20;
/** Tensors of a chunk's size that are alive at once in the dearest part (divergence gradient). */
const BUFFERS_PER_CHUNK = 5;
/** Wider chunks gain nothing in the products and would drag finished rows along. */
const MAX_CHUNK_POSITIONS = 32;
/** Rows of the head that get their gradient at once when it must be converted to another dtype. */
const HEAD_GRADIENT_ROWS = 8192;

/** Some neighbouring positions and the rows that have a token there. */
interface Chunk {
  readonly start: number;
  readonly length: number;
  /** int64, which rows of G. */
  readonly rows_R: Tensor;
  readonly alive_RC: Tensor;
}

/**
 * Log-probability of each completion token and entropy of its distribution, without gradient.
 *
 * For old and reference log-probabilities, evaluation and the `logprobs` command.
 *
 * @returns both (G, T), float32 (float64 for float64 inputs), in nats, 0 in dead cells
 */
export function scoreTokens(
  inputs: ScoredTokens,
  options: ChunkOptions = {},
): { readonly logps_GT: Tensor; readonly entropy_GT: Tensor } {
  return scope('scoreTokens', () =>
    noGrad(() => {
      checkInputs(inputs);
      const { logps_GT, entropy_GT } = emptyStatistics(inputs);
      for (const chunk of planChunks(inputs, options)) {
        scope('scoreTokens chunk', () => {
          const logps_RCV = chunkLogps(inputs, chunk, options);
          writeStatistics(inputs, chunk, logps_RCV, logps_GT, entropy_GT);
        });
      }
      return { logps_GT, entropy_GT };
    }),
  );
}

/**
 * Loss and gradients of one group (one prompt's G completions).
 *
 * Several groups or ranks: call it for each with the batch's counts in `scale`; losses and gradients then add up.
 * With `token_weight_detach: false` the gradient includes the path through the weights, exactly.
 *
 * @throws RlError on shapes that do not fit, or when a configured term lacks its input.
 */
export function chunkedLoss(inputs: ChunkedLossInputs, options: ChunkedLossOptions): ChunkedLoss {
  return scope('chunkedLoss', () =>
    noGrad(() => {
      checkInputs(inputs);
      const { grad_lm_head_VD } = options;
      const { token_weight: mode, token_weight_detach } = options.weights;
      const numRows = inputs.ids_GT.shape[0]!;
      const { logps_GT, entropy_GT } = emptyStatistics(inputs);
      const positions_T = needsDistribution(mode)
        ? zeros([inputs.ids_GT.shape[1]!], { dtype: logps_GT.dtype, device: logps_GT.device })
        : undefined;
      const grad_hidden_GTD = zeros_like(inputs.hidden_GTD);
      const chunks = planChunks(inputs, options);

      const isOnePass =
        grad_lm_head_VD === undefined &&
        options.loss.entropy_coef === 0 &&
        (token_weight_detach || mode === 'none' || mode === 'std');
      const kept = new Map<Chunk, Tensor>();
      let room = (options.chunk_bytes ?? DEFAULT_CHUNK_BYTES) - chunkBytes(inputs, chunks);

      for (const chunk of chunks) {
        const keptLogps = scope('chunkedLoss statistics', () => {
          const logps_RCV = chunkLogps(inputs, chunk, options);
          writeStatistics(inputs, chunk, logps_RCV, logps_GT, entropy_GT);
          if (positions_T !== undefined && needsDistribution(mode)) {
            const divergence_C = groupDivergence(logps_RCV, chunk.alive_RC, mode, numRows);
            positions_T.narrow(0, chunk.start, chunk.length).copy_(divergence_C);
          }
          if (isOnePass) {
            writeHiddenGradient(
              inputs,
              chunk,
              tokenSlope(inputs, chunk, logps_RCV),
              grad_hidden_GTD,
              options,
            );
            return undefined;
          }
          const bytes = logps_RCV.numel() * itemBytes(logps_RCV);
          if (bytes > room) return undefined;
          room -= bytes;
          return logps_RCV;
        });
        if (keptLogps !== undefined) kept.set(chunk, keptLogps);
      }

      const small = lossOfStatistics(inputs, options, logps_GT, entropy_GT, positions_T);
      if (isOnePass) {
        const scale_GT1 = small.gradLogps_GT.to({ dtype: grad_hidden_GTD.dtype }).unsqueeze(-1);
        grad_hidden_GTD.mul_(scale_GT1);
      } else if (small.has_gradient) {
        for (const chunk of chunks) {
          scope('chunkedLoss gradient', () => {
            const logps_RCV = kept.get(chunk) ?? chunkLogps(inputs, chunk, options);
            const slope_RCV = logitsGradient(inputs, chunk, logps_RCV, entropy_GT, small, options.weights);
            logps_RCV.dispose();
            writeHiddenGradient(inputs, chunk, slope_RCV, grad_hidden_GTD, options);
            if (grad_lm_head_VD !== undefined)
              addHeadGradient(inputs, chunk, slope_RCV, grad_lm_head_VD, options);
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
          weights: weightStatistics(small.weights_GT, inputs.alive_GT),
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
  const { alive_GT, advantages_G, truncated_G, old_logps_GT, ref_logps_GT } = inputs;
  const { token_weight: mode, token_weight_detach } = weighting;
  return enableGrad(() => {
    const logps_GT = logps.detach().requires_grad_(true);
    const entropy_GT = entropies.detach().requires_grad_(true);
    const given_T = positions_T?.detach().requires_grad_(true);
    let divergence_T = given_T;
    if (mode === 'entropy' || mode === 'std') {
      divergence_T = divergenceFromStatistics(mode, { entropy_GT, logps_GT, alive_GT });
    }
    const used_T = token_weight_detach ? divergence_T?.detach() : divergence_T;
    const weights_GT = used_T === undefined ? undefined : weightsFromDivergence(used_T, alive_GT, weighting);
    const { loss, metrics } = policyLoss(
      {
        logps_GT,
        entropy_GT,
        advantages_G,
        mask_GT: lossMask(alive_GT, truncated_G),
        ...(old_logps_GT && { old_logps_GT }),
        ...(ref_logps_GT && { ref_logps_GT }),
        ...(weights_GT && { weights_GT }),
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
      throw new RlError('internal: the loss does not depend on the log-probabilities');
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
      weights_GT: weights_GT?.detach() ?? alive_GT.to({ dtype: logps.dtype }),
      divergence_T: divergence_T?.detach(),
      numAlive: alive_GT.sum().item() as number,
    };
  });
}

/** dlogp/dz of the sampled tokens: onehot - p; 0 in dead cells. */
function tokenSlope(inputs: ScoredTokens, chunk: Chunk, logps_RCV: Tensor): Tensor {
  const alive_RC1 = chunk.alive_RC.unsqueeze(-1);
  const slope_RCV = logps_RCV.exp().mul_(-1);
  slope_RCV.scatter_add_(2, chunkIds(inputs, chunk).unsqueeze(-1), alive_RC1.to({ dtype: slope_RCV.dtype }));
  return slope_RCV.masked_fill_(alive_RC1.logical_not(), 0);
}

/** dL/dz of a chunk from the gradients of the small loss; 0 in dead cells. */
function logitsGradient(
  inputs: ScoredTokens,
  chunk: Chunk,
  logps_RCV: Tensor,
  entropy_GT: Tensor,
  { gradLogps_GT, gradEntropy_GT, gradDivergence_T }: SmallLoss,
  { token_weight: mode }: TokenWeightConfig,
): Tensor {
  const { alive_RC } = chunk;
  const dead_RC = alive_RC.logical_not();
  const gradLogps_RC = chunkCells(gradLogps_GT, chunk).masked_fill(dead_RC, 0);
  const probs_RCV = logps_RCV.exp();
  const slope_RCV = probs_RCV.mul(gradLogps_RC.neg().unsqueeze(-1));
  slope_RCV.scatter_add_(2, chunkIds(inputs, chunk).unsqueeze(-1), gradLogps_RC.unsqueeze(-1));
  if (gradEntropy_GT !== undefined) {
    const gradEntropy_RC1 = chunkCells(gradEntropy_GT, chunk).masked_fill(dead_RC, 0).unsqueeze(-1);
    const excess_RCV = logps_RCV.add(chunkCells(entropy_GT, chunk).unsqueeze(-1)).mul_(gradEntropy_RC1);
    slope_RCV.addcmul_(probs_RCV, excess_RCV, { value: -1 });
    excess_RCV.dispose();
  }
  probs_RCV.dispose();
  slope_RCV.masked_fill_(dead_RC.unsqueeze(-1), 0);
  if (gradDivergence_T !== undefined && needsDistribution(mode)) {
    const upstream_C = gradDivergence_T.narrow(0, chunk.start, chunk.length);
    const numRows = inputs.ids_GT.shape[0]!;
    slope_RCV.add_(groupDivergenceGradient(logps_RCV, alive_RC, mode, numRows, upstream_C));
  }
  return slope_RCV;
}

/** dL/dhidden = dL/dz W / temperature, written to the chunk's cells. */
function writeHiddenGradient(
  { lm_head_VD }: ScoredTokens,
  chunk: Chunk,
  slope_RCV: Tensor,
  grad_hidden_GTD: Tensor,
  { temperature = 1 }: ChunkOptions,
): void {
  const grad_RCD = slope_RCV.to({ dtype: lm_head_VD.dtype }).matmul(lm_head_VD);
  if (temperature !== 1) grad_RCD.div_(temperature);
  grad_hidden_GTD
    .narrow(1, chunk.start, chunk.length)
    .index_copy_(0, chunk.rows_R, grad_RCD.to({ dtype: grad_hidden_GTD.dtype }));
}

/** dL/dW += (dL/dz)^T hidden / temperature. */
function addHeadGradient(
  { hidden_GTD, lm_head_VD }: ScoredTokens,
  chunk: Chunk,
  slope_RCV: Tensor,
  grad_lm_head_VD: Tensor,
  { temperature = 1 }: ChunkOptions,
): void {
  const [numWords, numDims] = lm_head_VD.shape as [number, number];
  const hidden_ND = chunkCells(hidden_GTD, chunk).to({ dtype: lm_head_VD.dtype }).reshape([-1, numDims]);
  const slope_NV = slope_RCV.reshape([-1, numWords]);
  if (lm_head_VD.dtype === grad_lm_head_VD.dtype) {
    grad_lm_head_VD.addmm_(slope_NV.t(), hidden_ND, { alpha: 1 / temperature });
    return;
  }
  for (let start = 0; start < numWords; start += HEAD_GRADIENT_ROWS) {
    const length = Math.min(HEAD_GRADIENT_ROWS, numWords - start);
    scope('head gradient', () => {
      const part = slope_NV.narrow(1, start, length).to({ dtype: lm_head_VD.dtype }).t().matmul(hidden_ND);
      grad_lm_head_VD.narrow(0, start, length).add_(part, { alpha: 1 / temperature });
    });
  }
}

/** Log-probabilities of a chunk in float32 (float64 for float64 inputs). */
function chunkLogps(
  { hidden_GTD, lm_head_VD }: ScoredTokens,
  chunk: Chunk,
  { temperature = 1 }: ChunkOptions,
): Tensor {
  return scope('chunkLogps', () => {
    const hidden_RCD = chunkCells(hidden_GTD, chunk).to({ dtype: lm_head_VD.dtype });
    const logits_RCV = hidden_RCD.matmul(lm_head_VD.t()).to({ dtype: accumulationDtype(lm_head_VD) });
    if (temperature !== 1) logits_RCV.div_(temperature);
    return logits_RCV.log_softmax(-1);
  });
}

/** Sampled log-probabilities and entropies of a chunk, written to their cells; dead cells stay 0. */
function writeStatistics(
  inputs: ScoredTokens,
  chunk: Chunk,
  logps_RCV: Tensor,
  logps_GT: Tensor,
  entropy_GT: Tensor,
): void {
  const dead_RC = chunk.alive_RC.logical_not();
  const taken_RC = logps_RCV.gather(2, chunkIds(inputs, chunk).unsqueeze(-1)).squeeze(-1);
  const entropy_RC = logps_RCV.exp().mul_(logps_RCV).sum(-1).mul_(-1);
  const cells = (into: Tensor) => into.narrow(1, chunk.start, chunk.length);
  cells(logps_GT).index_copy_(0, chunk.rows_R, taken_RC.masked_fill_(dead_RC, 0));
  cells(entropy_GT).index_copy_(0, chunk.rows_R, entropy_RC.masked_fill_(dead_RC, 0));
}

function emptyStatistics({ ids_GT, lm_head_VD }: ScoredTokens) {
  const options = { dtype: accumulationDtype(lm_head_VD), device: ids_GT.device };
  return { logps_GT: zeros(ids_GT.shape, options), entropy_GT: zeros(ids_GT.shape, options) };
}

/** Cells of a (G, T, …) tensor that belong to a chunk. */
function chunkCells(values: Tensor, { start, length, rows_R }: Chunk): Tensor {
  return values.narrow(1, start, length).index_select(0, rows_R);
}

function chunkIds({ ids_GT }: ScoredTokens, chunk: Chunk): Tensor {
  return chunkCells(ids_GT, chunk);
}

/** Cut the positions into chunks of equal width; positions at which nobody is alive are in none. */
function planChunks(
  inputs: ScoredTokens,
  { chunk_bytes = DEFAULT_CHUNK_BYTES }: ChunkOptions,
): readonly Chunk[] {
  const { alive_GT, lm_head_VD } = inputs;
  const [numRows, numPositions] = alive_GT.shape as [number, number];
  const alive = alive_GT.to({ dtype: 'uint8', device: 'cpu' }).contiguous().toTypedArray() as Uint8Array;
  const bytesPerPosition = numRows * lm_head_VD.shape[0]! * BUFFERS_PER_CHUNK * accumulationBytes(lm_head_VD);
  const width = Math.max(1, Math.min(MAX_CHUNK_POSITIONS, Math.floor(chunk_bytes / bytesPerPosition)));
  const chunks: Chunk[] = [];
  for (let start = 0; start < numPositions; start += width) {
    const length = Math.min(width, numPositions - start);
    const rows: number[] = [];
    for (let g = 0; g < numRows; g++) {
      const first = g * numPositions + start;
      if (alive.subarray(first, first + length).includes(1)) rows.push(g);
    }
    if (rows.length === 0) continue;
    const rows_R = tensor(rows, { dtype: 'int64', device: alive_GT.device });
    chunks.push({
      start,
      length,
      rows_R,
      alive_RC: alive_GT.narrow(1, start, length).index_select(0, rows_R),
    });
  }
  return chunks;
}

/** Memory of the working tensors of the widest chunk. */
function chunkBytes({ lm_head_VD }: ScoredTokens, chunks: readonly Chunk[]): number {
  const numCells = Math.max(0, ...chunks.map(({ alive_RC }) => alive_RC.numel()));
  return numCells * lm_head_VD.shape[0]! * BUFFERS_PER_CHUNK * accumulationBytes(lm_head_VD);
}

function accumulationDtype({ dtype }: Tensor): 'float32' | 'float64' {
  return dtype === 'float64' ? 'float64' : 'float32';
}

function accumulationBytes(weight: Tensor): number {
  return accumulationDtype(weight) === 'float64' ? 8 : 4;
}

function itemBytes({ dtype }: Tensor): number {
  return dtype === 'float64' ? 8 : 4;
}

function checkInputs({ hidden_GTD, lm_head_VD, ids_GT, alive_GT }: ScoredTokens): void {
  const [numRows, numPositions] = ids_GT.shape;
  const fits =
    ids_GT.ndim === 2 &&
    hidden_GTD.ndim === 3 &&
    lm_head_VD.ndim === 2 &&
    hidden_GTD.shape[0] === numRows &&
    hidden_GTD.shape[1] === numPositions &&
    hidden_GTD.shape[2] === lm_head_VD.shape[1] &&
    alive_GT.shape.join() === ids_GT.shape.join();
  if (!fits) {
    throw new RlError(
      `internal: expected hidden (G, T, D), lm_head (V, D), ids and alive (G, T), got [${hidden_GTD.shape}], [${lm_head_VD.shape}], [${ids_GT.shape}], [${alive_GT.shape}]`,
    );
  }
  if (ids_GT.dtype !== 'int64' || alive_GT.dtype !== 'bool') {
    throw new RlError(
      `internal: expected int64 ids and bool alive, got ${ids_GT.dtype} and ${alive_GT.dtype}`,
    );
  }
}
