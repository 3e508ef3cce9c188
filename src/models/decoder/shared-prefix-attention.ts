/**
 * Attention of a group that shares its prompt: G continuations, each query sees the whole prefix and its own suffix up to
 * itself. The prefix is stored once, whatever G.
 *
 * Two functions with the same meaning: one for many queries a row (scoring, training, with gradients), one for a single
 * new token a row (decoding). Neither copies the prefix for each row.
 *
 * Shapes: G rows, H query heads, K key/value heads (H a multiple of K), S suffix tokens, P prefix tokens, E head size.
 */
import {
  canPrefixFlash,
  cat,
  ones,
  prefixAttention,
  prefixFlash,
  scaled_dot_product_attention,
  type Tensor,
} from '../../tensor/index.ts';

export interface KeysValues {
  readonly k: Tensor;
  readonly v: Tensor;
}

/**
 * One fused operator: on the CPU `native/prefix_attention.cpp`, on a GPU `native/prefix_flash.cpp` where flash attention takes the
 * tensors (bfloat16 and float16, on Ampere and later); elsewhere `joinedPrefixAttention`.
 *
 * @param q_GHSE Queries of the suffix tokens. Right padding is harmless: no query sees a later key of its row.
 * @param prefix Keys and values of the prompt, (1, K, P, E).
 * @param suffix Keys and values of the rows, (G, K, S, E).
 * @returns (G, H, S, E), with gradients into the prefix too.
 */
export function sharedPrefixAttention(q_GHSE: Tensor, prefix: KeysValues, suffix: KeysValues): Tensor {
  const scale = q_GHSE.shape[3]! ** -0.5;
  if (q_GHSE.device === 'cpu') return prefixAttention(q_GHSE, prefix.k, prefix.v, suffix.k, suffix.v, scale);
  if (canPrefixFlash(q_GHSE, suffix.k, suffix.v))
    return prefixFlash(q_GHSE, prefix.k, prefix.v, suffix.k, suffix.v, scale);
  return joinedPrefixAttention(q_GHSE, prefix, suffix);
}

/**
 * The same, obvious and slow: the prefix repeated for each row, joined with the suffix, one mask. What the fused operator is
 * tested against.
 */
export function joinedPrefixAttention(q_GHSE: Tensor, prefix: KeysValues, suffix: KeysValues): Tensor {
  const [rows, , suffixLength] = q_GHSE.shape as [number, number, number];
  const prefixLength = prefix.k.shape[2]!;
  const join = (shared: Tensor, own: Tensor) => cat([shared.expand([rows, -1, -1, -1]), own], 2);
  const mask = ones([suffixLength, prefixLength + suffixLength], { dtype: 'bool', device: q_GHSE.device });
  return scaled_dot_product_attention(
    q_GHSE,
    join(prefix.k, suffix.k),
    join(prefix.v, suffix.v),
    mask.tril(prefixLength),
    0,
    false,
    { enable_gqa: true },
  );
}

/**
 * One new token a row. Scores against the shared prefix are one product for all rows, scores against the own suffix one
 * batched product; a single softmax over both, then the same split for the values.
 *
 * @param q_GHE Queries of the newest token of each row.
 * @param prefix (1, K, P, E).
 * @param suffix (G, K, S, E), the newest token last.
 * @returns (G, H, E).
 */
export function sharedPrefixDecode(q_GHE: Tensor, prefix: KeysValues, suffix: KeysValues): Tensor {
  const [rows, heads, size] = q_GHE.shape as [number, number, number];
  const [, groups, prefixLength] = prefix.k.shape as [number, number, number];
  const q = q_GHE.mul(size ** -0.5).view([rows, groups, heads / groups, size]);
  const ownScores = q.matmul(suffix.k.transpose(-1, -2));
  const sharedScores = asRows(asQueries(q).matmul(prefix.k.select(0, 0).transpose(-1, -2)), rows);
  const weights = cat([sharedScores, ownScores], -1).softmax(-1, 'float32').to({ dtype: q.dtype });
  const fromPrefix = asRows(
    asQueries(weights.narrow(-1, 0, prefixLength)).matmul(prefix.v.select(0, 0)),
    rows,
  );
  const fromSuffix = weights.narrow(-1, prefixLength, suffix.k.shape[2]!).matmul(suffix.v);
  return fromPrefix.add(fromSuffix).reshape([rows, heads, size]);
}

/** (G, K, R, X) to (K, G * R, X): all rows are queries of the same prefix. */
function asQueries(x: Tensor): Tensor {
  const [rows, groups, repeats, width] = x.shape as [number, number, number, number];
  return x.transpose(0, 1).reshape([groups, rows * repeats, width]);
}

/** The inverse of `asQueries`: (K, G * R, X) to (G, K, R, X). */
function asRows(x: Tensor, rows: number): Tensor {
  const [groups, queries, width] = x.shape as [number, number, number];
  return x.view([groups, rows, queries / rows, width]).transpose(0, 1);
}
