/**
 * Attention of a group that shares its prompt: G continuations, each query sees the whole prefix and its own suffix up to
 * itself. The prefix is stored once, whatever G.
 *
 * Two functions with the same meaning: one for many queries a row (scoring, training, with gradients), one for a single
 * new token a row (decoding), which never copies the prefix.
 *
 * Shapes: G rows, H query heads, K key/value heads (H a multiple of K), C suffix tokens, P prefix tokens, D head size.
 */
import { cat, ones, scaled_dot_product_attention, type Tensor } from '../tensor/index.ts';

/**
 * Keys and values of the prefix are repeated for each row and joined with the suffix; one mask, one call. Simple and exact;
 * it costs G copies of the prefix's keys and values while the layer runs.
 *
 * @param q_GHCD Queries of the suffix tokens. Right padding is harmless: no query sees a later key of its row.
 * @param prefix Keys and values of the prompt, (1, K, P, D).
 * @param suffix Keys and values of the rows, (G, K, C, D).
 * @param mask_CX From `suffixMask(P, C)`.
 * @returns (G, H, C, D), with gradients into the prefix too.
 */
export function sharedPrefixAttention(
  q_GHCD: Tensor,
  prefix: { readonly k: Tensor; readonly v: Tensor },
  suffix: { readonly k: Tensor; readonly v: Tensor },
  mask_CX: Tensor,
): Tensor {
  const rows = q_GHCD.shape[0]!;
  const join = (shared: Tensor, own: Tensor) => cat([shared.expand([rows, -1, -1, -1]), own], 2);
  return scaled_dot_product_attention(
    q_GHCD,
    join(prefix.k, suffix.k),
    join(prefix.v, suffix.v),
    mask_CX,
    0,
    false,
    { enable_gqa: true },
  );
}

/** (C, P + C) bool: true where a suffix query may look, that is at the whole prefix and at the suffix up to itself. */
export function suffixMask(prefixLength: number, suffixLength: number, device: string): Tensor {
  return ones([suffixLength, prefixLength + suffixLength], { dtype: 'bool', device }).tril(prefixLength);
}

/**
 * One new token a row. Scores against the shared prefix are one product for all rows, scores against the own suffix one
 * batched product; a single softmax over both, then the same split for the values. Nothing of size P is copied.
 *
 * @param q_GHD Queries of the newest token of each row.
 * @param prefix (1, K, P, D).
 * @param suffix (G, K, S, D), the newest token last.
 * @returns (G, H, D).
 */
export function sharedPrefixDecode(
  q_GHD: Tensor,
  prefix: { readonly k: Tensor; readonly v: Tensor },
  suffix: { readonly k: Tensor; readonly v: Tensor },
): Tensor {
  const [rows, heads, size] = q_GHD.shape as [number, number, number];
  const [, groups, prefixLength] = prefix.k.shape as [number, number, number];
  const repeats = heads / groups;
  const q = q_GHD.mul(size ** -0.5).view([rows, groups, repeats, size]);
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

/** The way back: (K, G * R, X) to (G, K, R, X). */
function asRows(x: Tensor, rows: number): Tensor {
  const [groups, queries, width] = x.shape as [number, number, number];
  return x.view([groups, rows, queries / rows, width]).transpose(0, 1);
}
