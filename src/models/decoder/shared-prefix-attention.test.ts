import { describe, expect, it } from 'vitest';
import { Generator, grad, randn, scope, type Tensor } from '../../tensor/index.ts';
import {
  joinedPrefixAttention,
  sharedPrefixAttention,
  sharedPrefixDecode,
} from './shared-prefix-attention.ts';

const CASES = [
  { rows: 1, heads: 2, groups: 2, suffix: 1, prefix: 1, size: 4 },
  { rows: 3, heads: 6, groups: 2, suffix: 5, prefix: 7, size: 8 },
  { rows: 8, heads: 4, groups: 1, suffix: 33, prefix: 70, size: 16 },
];

function inputs(
  { rows, heads, groups, suffix, prefix, size }: (typeof CASES)[number],
  dtype: 'float32' | 'float64',
) {
  const generator = new Generator(7);
  const make = (...shape: number[]) => randn(shape, { generator, dtype }).requires_grad_(true);
  return {
    q: make(rows, heads, suffix, size),
    prefix: { k: make(1, groups, prefix, size), v: make(1, groups, prefix, size) },
    suffix: { k: make(rows, groups, suffix, size), v: make(rows, groups, suffix, size) },
    out: randn([rows, heads, suffix, size], { generator, dtype }),
  };
}

describe('sharedPrefixAttention', () => {
  for (const options of CASES) {
    for (const [dtype, tolerance] of [
      ['float32', 2e-6],
      ['float64', 1e-13],
    ] as const) {
      it(`equals the joined form, forward and backward: ${JSON.stringify(options)} ${dtype}`, () => {
        scope(() => {
          const { q, prefix, suffix, out } = inputs(options, dtype);
          const leaves = [q, prefix.k, prefix.v, suffix.k, suffix.v];
          const run = (attention: typeof joinedPrefixAttention) => {
            const result = attention(q, prefix, suffix);
            return [result, ...grad(result, leaves, out)] as Tensor[];
          };
          const fast = run(sharedPrefixAttention);
          const slow = run(joinedPrefixAttention);
          fast.forEach((value, i) => {
            expect(value).toBeAllclose(slow[i], {
              rtol: 0,
              atol: tolerance * (1 + slow[i]!.abs().max().item()),
            });
          });
        });
      });
    }
  }
});

describe('sharedPrefixDecode', () => {
  for (const options of CASES) {
    it(`equals the last query of the joined form: ${JSON.stringify(options)}`, () => {
      scope(() => {
        const { q, prefix, suffix } = inputs(options, 'float32');
        const last = options.suffix - 1;
        const decoded = sharedPrefixDecode(q.select(2, last), prefix, suffix);
        expect(decoded).toBeAllclose(joinedPrefixAttention(q, prefix, suffix).select(2, last), {
          rtol: 0,
          atol: 1e-6,
        });
      });
    });
  }
});
