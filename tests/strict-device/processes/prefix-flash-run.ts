/** Attention to a shared prefix by flash attention on the strict device, and by the CPU's operator. */
import {
  canPrefixFlash,
  fromTypedArray,
  grad,
  prefixAttention,
  prefixFlash,
  setNumThreads,
  type Tensor,
} from '../../../src/tensor/index.ts';
import { answer, STRICT, strict } from './strict.ts';

export interface PrefixFlashNumbers {
  /** Output, then gradients of query, prefix keys and values, suffix keys and values. */
  readonly cpu: readonly (readonly number[])[];
  readonly strict: readonly (readonly number[])[];
  readonly launches: { readonly forward: number; readonly backward: number };
  readonly waits: number;
  /** What `canPrefixFlash` says by the device's attention, and on the CPU. */
  readonly usable: Readonly<Record<'flash' | 'math' | 'cpu', boolean>>;
  readonly refusal: string;
}

// 3 rows, 4 query heads on 2 key heads, 5 suffix and 7 prefix tokens, heads of 16.
const [G, H, K, S, P, E] = [3, 4, 2, 5, 7, 16];
/** Tokens of each row; behind them is padding, to which no gradient flows. */
const LENGTHS = [5, 2, 4];

/** The same values on every device, of order one. */
function wave(shape: readonly number[], phase: number, device: string): Tensor {
  const size = shape.reduce((product, n) => product * n, 1);
  const values = Float32Array.from(
    { length: size },
    (_, i) => Math.sin(1.7 * i + phase) + 0.1 * ((i * 7) % 11),
  );
  return fromTypedArray(values, [...shape], { device });
}

function inputs(device: string): Tensor[] {
  const shapes = [
    [G, H, S, E],
    [1, K, P, E],
    [1, K, P, E],
    [G, K, S, E],
    [G, K, S, E],
  ];
  return shapes.map((shape, i) => wave(shape, i, device).requires_grad_(true));
}

function outputGradient(device: string): Tensor {
  const mask = Float32Array.from({ length: G * S }, (_, i) => (i % S < LENGTHS[Math.floor(i / S)]! ? 1 : 0));
  return wave([G, H, S, E], 9, device).mul(fromTypedArray(mask, [G, 1, S, 1], { device }));
}

const flat = (tensor: Tensor): number[] => Array.from(tensor.flatten().tolist() as number[]);

function onCpu(): number[][] {
  const [q, pk, pv, sk, sv] = inputs('cpu') as [Tensor, Tensor, Tensor, Tensor, Tensor];
  const out = prefixAttention(q, pk, pv, sk, sv, E ** -0.5);
  return [out, ...grad(out, [q, pk, pv, sk, sv], outputGradient('cpu'))].map(flat);
}

setNumThreads(1);
const cpu = onCpu();
const [q, pk, pv, sk, sv] = inputs(STRICT) as [Tensor, Tensor, Tensor, Tensor, Tensor];
const dOut = outputGradient(STRICT);
const usable = { cpu: canPrefixFlash(...(inputs('cpu').slice(0, 3) as [Tensor, Tensor, Tensor])) };
const choice = (attention: 'flash' | 'math'): boolean => {
  strict.configure(-1, attention);
  return canPrefixFlash(q, sk, sv);
};
strict.reset();
const out = prefixFlash(q, pk, pv, sk, sv, E ** -0.5);
const forward = strict.counts();
strict.reset();
const gradients = grad(out, [q, pk, pv, sk, sv], dOut);
const backward = strict.counts();
let refusal = '';
try {
  prefixFlash(q, pk, pv, sk.narrow(2, 0, S - 1), sv.narrow(2, 0, S - 1), 1);
} catch (error) {
  refusal = (error as Error).message;
}
answer({
  cpu,
  strict: [out, ...gradients].map(flat),
  launches: { forward: forward.launches, backward: backward.launches },
  waits: forward.waits + backward.waits,
  usable: { ...usable, flash: choice('flash'), math: choice('math') },
  refusal,
} satisfies PrefixFlashNumbers);
