/**
 * Chunks of positions, and the distributions over the vocabulary that are computed for one chunk at a time, so that no
 * (G, T, V) tensor ever exists. Here they give the log-probability of every sampled token and its entropy;
 * `chunked-loss.ts` builds the loss on them.
 *
 * Rows that are finished in a whole chunk are left out of it. Hidden states of dead cells are taken as 0, so that their
 * distribution is uniform whatever the padding holds.
 *
 * Legend: G completions of one prompt, T positions, D hidden size, V vocabulary; R rows and C positions of a chunk.
 */

import { TwgrpoError } from '../base/index.ts';
import { type Device, fastLinear, noGrad, scope, type Tensor, tensor, zeros } from '../tensor/index.ts';

export interface ScoredTokens {
  /** Last hidden states that predict the completion tokens: row t predicts `ids_GT[t]`. Taken as a constant. */
  readonly hidden_GTD: Tensor;
  /** The output head, `lm_head.weight`. */
  readonly lm_head_VD: Tensor;
  /** Completion tokens, int64; ids of dead cells are not read but must lie in the vocabulary. */
  readonly ids_GT: Tensor;
  /** bool, true up to and including the stop token. */
  readonly completion_mask_GT: Tensor;
}

export interface ChunkOptions {
  /** Logits are divided by it before the softmax; default 1. TRL passes its sampling temperature, the authors do not. */
  readonly temperature?: number;
  /** Memory for the tensors of size V, in bytes; default 256 MiB. At least one position is always taken. */
  readonly chunk_bytes?: number;
}

export const DEFAULT_CHUNK_BYTES = 256 * 2 ** 20;

/** Each chunk reads the head anew and asks for the same kernels, so a device whose kernels are asked for one by one has few. */
const LOGITS_CHUNK_MIB = { cpu: 64, device: 1024 } as const;

/** The memory of one chunk of logits in bytes. @param mib as configured; undefined: what suits the device */
export function logitsChunkBytes(mib: number | undefined, device: Device): number {
  return (mib ?? LOGITS_CHUNK_MIB[device === 'cpu' ? 'cpu' : 'device']) * 2 ** 20;
}

/** Tensors of a chunk's size alive at once: logits, log-probabilities and probabilities, and what else a mode needs. */
export const BUFFERS = { simple: 3, authors: 4, full: 7 } as const;
/** Wider chunks gain nothing in the products and would drag finished rows along. */
const MAX_CHUNK_POSITIONS = 32;

/** Some neighbouring positions and the rows that have a token there. */
export interface Chunk {
  readonly start: number;
  readonly length: number;
  /** int64, which rows of G. */
  readonly rows_R: Tensor;
  readonly completion_mask_RC: Tensor;
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
      for (const chunk of planChunks(inputs, options, BUFFERS.simple)) {
        scope('scoreTokens chunk', () => {
          const distribution = distributionOf(inputs, chunk, options, 'overwrite');
          writeStatistics(chunk, distribution, logps_GT, entropy_GT);
        });
      }
      return { logps_GT, entropy_GT };
    }),
  );
}

export interface Distribution {
  /** Log-probabilities; undefined after `overwrite`. */
  readonly logps_RCV: Tensor | undefined;
  readonly probs_RCV: Tensor;
  readonly taken_RC: Tensor;
  readonly entropy_RC: Tensor;
}

/** Log-probabilities of a chunk and what follows from them; `overwrite` saves one tensor of the chunk's size. */
export function distributionOf(
  inputs: ScoredTokens,
  chunk: Chunk,
  options: ChunkOptions,
  logps: 'keep' | 'overwrite',
): Distribution {
  const logps_RCV = chunkLogps(inputs, chunk, options);
  const taken_RC = logps_RCV.gather(2, chunkCells(inputs.ids_GT, chunk).unsqueeze(-1)).squeeze(-1);
  const probs_RCV = logps_RCV.exp();
  const products_RCV = logps === 'keep' ? logps_RCV.mul(probs_RCV) : logps_RCV.mul_(probs_RCV);
  const entropy_RC = products_RCV.sum(-1).neg();
  products_RCV.dispose();
  return { logps_RCV: logps === 'keep' ? logps_RCV : undefined, probs_RCV, taken_RC, entropy_RC };
}

/** Log-probabilities of a chunk in float32 (float64 for float64 inputs). */
export function chunkLogps(
  { hidden_GTD, lm_head_VD }: ScoredTokens,
  chunk: Chunk,
  { temperature = 1 }: ChunkOptions,
): Tensor {
  return scope('chunkLogps', () => {
    const hidden_RCD = chunkCells(hidden_GTD, chunk)
      .masked_fill_(chunk.completion_mask_RC.logical_not().unsqueeze(-1), 0)
      .to({ dtype: lm_head_VD.dtype });
    const logits_RCV = fastLinear(hidden_RCD, lm_head_VD).to({ dtype: accumulationDtype(lm_head_VD) });
    if (temperature !== 1) logits_RCV.div_(temperature);
    return logits_RCV.log_softmax(-1);
  });
}

/** Sampled log-probabilities and entropies of a chunk, written to their cells; dead cells stay 0. */
export function writeStatistics(
  chunk: Chunk,
  { taken_RC, entropy_RC }: Distribution,
  logps_GT: Tensor,
  entropy_GT: Tensor,
): void {
  const dead_RC = chunk.completion_mask_RC.logical_not();
  const cells = (into: Tensor) => into.narrow(1, chunk.start, chunk.length);
  cells(logps_GT).index_copy_(0, chunk.rows_R, taken_RC.masked_fill(dead_RC, 0));
  cells(entropy_GT).index_copy_(0, chunk.rows_R, entropy_RC.masked_fill(dead_RC, 0));
}

export function emptyStatistics({ ids_GT, lm_head_VD }: ScoredTokens) {
  const options = { dtype: accumulationDtype(lm_head_VD), device: ids_GT.device };
  return { logps_GT: zeros(ids_GT.shape, options), entropy_GT: zeros(ids_GT.shape, options) };
}

/** Cells of a (G, T, …) tensor that belong to a chunk. */
export function chunkCells(values: Tensor, { start, length, rows_R }: Chunk): Tensor {
  return values.narrow(1, start, length).index_select(0, rows_R);
}

/** Positions of a chunk. */
function chunkWidth(bytesPerPosition: number, chunk_bytes: number): number {
  return Math.max(1, Math.min(MAX_CHUNK_POSITIONS, Math.floor(chunk_bytes / bytesPerPosition)));
}

/**
 * Bytes that the chunks of a narrow model's loss take, where all rows have all positions and the loss needs no more than its sampled tokens.
 * @returns `working`: of the chunk that is computed, `kept`: of those that may stay for the head's gradient
 */
export function chunkMemory(
  size: { readonly rows: number; readonly positions: number; readonly words: number },
  chunk_bytes: number,
): { readonly working: number; readonly kept: number } {
  const bytesPerWord = 4;
  const bytesPerPosition = size.rows * size.words * BUFFERS.simple * bytesPerWord;
  const width = Math.min(chunkWidth(bytesPerPosition, chunk_bytes), size.positions);
  const [working, one] = [width * bytesPerPosition, width * size.rows * size.words * bytesPerWord];
  const numKept = Math.min(
    Math.floor(Math.max(0, chunk_bytes - working) / one),
    Math.ceil(size.positions / width),
  );
  return { working, kept: numKept * one };
}

/** Cut the positions into chunks of equal width; positions at which nobody is alive are in none. */
export function planChunks(
  inputs: ScoredTokens,
  { chunk_bytes = DEFAULT_CHUNK_BYTES }: ChunkOptions,
  buffers: number,
): readonly Chunk[] {
  const { completion_mask_GT, lm_head_VD } = inputs;
  const [numRows, numPositions] = completion_mask_GT.shape as [number, number];
  const mask = completion_mask_GT
    .to({ dtype: 'uint8', device: 'cpu' })
    .contiguous()
    .toTypedArray() as Uint8Array;
  const bytesPerPosition = numRows * lm_head_VD.shape[0]! * buffers * accumulationBytes(lm_head_VD);
  const width = chunkWidth(bytesPerPosition, chunk_bytes);
  const chunks: Chunk[] = [];
  for (let start = 0; start < numPositions; start += width) {
    const length = Math.min(width, numPositions - start);
    const rows: number[] = [];
    for (let g = 0; g < numRows; g++) {
      const first = g * numPositions + start;
      if (mask.subarray(first, first + length).includes(1)) rows.push(g);
    }
    if (rows.length === 0) continue;
    const rows_R = tensor(rows, { dtype: 'int64', device: completion_mask_GT.device });
    chunks.push({
      start,
      length,
      rows_R,
      completion_mask_RC: completion_mask_GT.narrow(1, start, length).index_select(0, rows_R),
    });
  }
  return chunks;
}

/** Memory of the working tensors of the widest chunk. */
export function chunkBytes({ lm_head_VD }: ScoredTokens, chunks: readonly Chunk[], buffers: number): number {
  const numCells = Math.max(0, ...chunks.map(({ completion_mask_RC }) => completion_mask_RC.numel()));
  return numCells * lm_head_VD.shape[0]! * buffers * accumulationBytes(lm_head_VD);
}

function accumulationDtype({ dtype }: Tensor): 'float32' | 'float64' {
  return dtype === 'float64' ? 'float64' : 'float32';
}

export function accumulationBytes(weight: Tensor): number {
  return accumulationDtype(weight) === 'float64' ? 8 : 4;
}

export function checkInputs({ hidden_GTD, lm_head_VD, ids_GT, completion_mask_GT }: ScoredTokens): void {
  const [numRows, numPositions] = ids_GT.shape;
  const fits =
    ids_GT.ndim === 2 &&
    hidden_GTD.ndim === 3 &&
    lm_head_VD.ndim === 2 &&
    hidden_GTD.shape[0] === numRows &&
    hidden_GTD.shape[1] === numPositions &&
    hidden_GTD.shape[2] === lm_head_VD.shape[1] &&
    completion_mask_GT.shape.join() === ids_GT.shape.join();
  if (!fits) {
    throw new TwgrpoError(
      `internal: expected hidden (G, T, D), lm_head (V, D), ids and mask (G, T), got [${hidden_GTD.shape}], [${lm_head_VD.shape}], [${ids_GT.shape}], [${completion_mask_GT.shape}]`,
    );
  }
  if (ids_GT.dtype !== 'int64' || completion_mask_GT.dtype !== 'bool') {
    throw new TwgrpoError(
      `internal: expected int64 ids and bool mask, got ${ids_GT.dtype} and ${completion_mask_GT.dtype}`,
    );
  }
}
