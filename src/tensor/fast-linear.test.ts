import { describe, expect, it } from 'vitest';
import { backward } from './autograd.ts';
import { Generator } from './generator.ts';
import { scope } from './handle.ts';
import { fastLinear, linear } from './operators.generated.ts';
import { randn, type Tensor, zeros } from './tensor.ts';

/** Large enough for the other library: 600 * 300 * 400 multiplications. */
const [ROWS, IN, OUT] = [600, 300, 400] as const;
const generator = new Generator(3);

function gradients(
  layer: typeof fastLinear,
  inputs: readonly Tensor[],
  slope: Tensor,
): { y: Tensor; grads: Tensor[] } {
  const leaves = inputs.map((input) => input.clone().requires_grad_(true));
  const [x, weight, bias] = leaves as [Tensor, Tensor, Tensor?];
  const y = layer(x, weight, bias);
  backward([y], [slope]);
  return { y: y.detach(), grads: leaves.map((leaf) => leaf.grad!) };
}

describe('fastLinear', () => {
  it.each([
    ['with a bias', [ROWS, IN], true],
    ['without a bias', [ROWS, IN], false],
    ['of three dimensions', [2, ROWS / 2, IN], true],
    ['small', [3, IN], true],
  ] as const)('%s: result and gradients are those of float64', (_, shape, hasBias) =>
    scope(() => {
      const inputs = [
        randn([...shape], { generator }),
        randn([OUT, IN], { generator }),
        ...(hasBias ? [randn([OUT], { generator })] : []),
      ];
      const slope = randn([...shape.slice(0, -1), OUT], { generator });
      const found = gradients(fastLinear, inputs, slope);
      const exact = gradients(
        linear,
        inputs.map((t) => t.to({ dtype: 'float64' })),
        slope.to({ dtype: 'float64' }),
      );
      expect(found.y.shape).toEqual([...shape.slice(0, -1), OUT]);
      for (const [one, other] of [
        [found.y, exact.y],
        ...found.grads.map((grad, i) => [grad, exact.grads[i]!] as const),
      ] as const) {
        const error = one.to({ dtype: 'float64' }).sub(other).abs().max().item() as number;
        expect(error / (other.abs().max().item() as number)).toBeLessThan(2e-6);
      }
    }),
  );

  it('takes a transposed weight', () =>
    scope(() => {
      const [x, weight] = [randn([ROWS, IN], { generator }), randn([IN, OUT], { generator })];
      const error = fastLinear(x, weight.t()).sub(x.mm(weight)).abs().max().item() as number;
      expect(error).toBeLessThan(1e-4);
    }));

  it('gives a gradient to what asks for one only', () =>
    scope(() => {
      const x = randn([ROWS, IN], { generator });
      const weight = randn([OUT, IN], { generator }).requires_grad_(true);
      const y = fastLinear(x, weight);
      backward([y], [y.detach()]);
      expect(x.grad).toBeUndefined();
      expect(weight.grad!.shape).toEqual([OUT, IN]);
    }));

  it('computes float64 in float64', () =>
    scope(() => {
      const x = randn([ROWS, IN], { generator, dtype: 'float64' });
      const weight = randn([OUT, IN], { generator, dtype: 'float64' });
      expect(fastLinear(x, weight).equal(linear(x, weight))).toBe(true);
    }));

  it('names both shapes when they do not fit', () =>
    scope(() => {
      expect(() => fastLinear(zeros([2, 3]), zeros([4, 5]))).toThrow(/\[2, 3\].*\[4, 5\]/s);
    }));
});
