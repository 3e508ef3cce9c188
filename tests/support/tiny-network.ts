/**
 * @file The network of `tests/goldens/autograd/make_goldens.py`, in our own words: embedding, rotary grouped attention,
 * SwiGLU, RMS norms and cross entropy. Its weights come from the same integer hash.
 */
import {
  cat,
  cross_entropy_loss,
  type DType,
  embedding,
  fromTypedArray,
  keep,
  linear,
  rms_norm,
  scaled_dot_product_attention,
  scope,
  type Tensor,
  tensor,
} from '../../src/tensor/index.ts';

// vocabulary, width, heads, key-value heads, head size, inner width, batch, tokens
const [V, D, N, KV, H, I, B, T] = [13, 8, 4, 2, 4, 12, 2, 5] as const;
const EPS = 1e-6;

const SHAPES: Readonly<Record<string, readonly number[]>> = {
  'embed.weight': [V, D],
  'input_norm.weight': [D],
  'q_proj.weight': [N * H, D],
  'q_proj.bias': [N * H],
  'k_proj.weight': [KV * H, D],
  'k_proj.bias': [KV * H],
  'v_proj.weight': [KV * H, D],
  'v_proj.bias': [KV * H],
  'o_proj.weight': [D, N * H],
  'post_norm.weight': [D],
  'gate_proj.weight': [I, D],
  'up_proj.weight': [I, D],
  'down_proj.weight': [D, I],
  'norm.weight': [D],
  'lm_head.weight': [V, D],
};

/** Numbers in [-0.5, 0.5), multiples of 2^-16. */
function hashed(count: number, stream: number): Float64Array {
  return Float64Array.from({ length: count }, (_, i) => {
    let x = (Math.imul(i, 2654435761) + stream * 40503 + 12345) >>> 0;
    x = Math.imul(x ^ (x >>> 15), 2246822519) >>> 0;
    x = (x ^ (x >>> 13)) >>> 0;
    return (x & 0xffff) / 65536 - 0.5;
  });
}

export type Params = ReadonlyMap<string, Tensor>;

/** Fresh parameters, kept: dispose them. */
export function makeParams(dtype: DType): Params {
  return keep(
    scope(
      () =>
        new Map(
          Object.entries(SHAPES).map(([name, shape], stream) => {
            const values = hashed(
              shape.reduce((a, b) => a * b),
              stream,
            );
            const base = name.includes('norm') ? 1 : 0;
            const made = fromTypedArray(
              values.map((value) => value + base),
              shape,
            );
            return [name, made.to({ dtype }).requires_grad_(true)];
          }),
        ),
    ),
  );
}

/** Token ids of one step, int64 of shape [B, T + 1]. */
export function tokens(step: number): Tensor {
  const values = Array.from({ length: B * (T + 1) }, (_, i) => (i * 7 + step * 5 + ((i * i) % 11)) % V);
  return tensor(values, { dtype: 'int64' }).reshape([B, T + 1]);
}

function rotary(x: Tensor): Tensor {
  const angles = Array.from({ length: T * H }, (_, i) => {
    const [t, h] = [Math.floor(i / H), i % H];
    return t / 10000 ** ((2 * (h % (H / 2))) / H);
  });
  const table = (f: (angle: number) => number): Tensor =>
    fromTypedArray(Float64Array.from(angles, f), [T, H]).to({ dtype: x.dtype });
  const [first, second] = x.chunk(2, -1) as [Tensor, Tensor];
  return x.mul(table(Math.cos)).add(cat([second.neg(), first], -1).mul(table(Math.sin)));
}

/** Mean cross entropy of the next token over a batch: a float of no dimensions. */
export function lossOf(params: Params, ids: Tensor): Tensor {
  const p = (name: string): Tensor => params.get(name) as Tensor;
  let x = embedding(p('embed.weight'), ids.narrow(1, 0, T));
  let h = rms_norm(x, [D], p('input_norm.weight'), EPS);
  const heads = (name: string, count: number): Tensor =>
    linear(h, p(`${name}.weight`), p(`${name}.bias`))
      .view([B, T, count, H])
      .transpose(1, 2);
  const [q, k, v] = [heads('q_proj', N), heads('k_proj', KV), heads('v_proj', KV)];
  const a = scaled_dot_product_attention(rotary(q), rotary(k), v, undefined, 0, true, { enable_gqa: true });
  x = x.add(linear(a.transpose(1, 2).reshape([B, T, N * H]), p('o_proj.weight')));
  h = rms_norm(x, [D], p('post_norm.weight'), EPS);
  h = linear(h, p('gate_proj.weight'))
    .silu()
    .mul(linear(h, p('up_proj.weight')));
  x = x.add(linear(h, p('down_proj.weight')));
  const logits = linear(rms_norm(x, [D], p('norm.weight'), EPS), p('lm_head.weight'));
  return cross_entropy_loss(logits.reshape([B * T, V]), ids.narrow(1, 1, T).reshape([B * T]));
}
