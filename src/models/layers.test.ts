import { describe, expect, it } from 'vitest';
import { backward, Generator, randn, scope, siluMul, type Tensor } from '../tensor/index.ts';

const generator = new Generator(4);

describe('twgrpo::swiglu', () => {
  it.each([[[7]], [[33, 50]], [[3, 4, 1000]]])('of %j: result and gradients are those of float64', (shape) =>
    scope(() => {
      const inputs = [randn(shape, { generator }).mul(5), randn(shape, { generator })];
      const slope = randn(shape, { generator });
      const run = (layer: (gate: Tensor, up: Tensor) => Tensor, dtype: 'float32' | 'float64') => {
        const [gate, up] = inputs.map((t) => t.to({ dtype }).clone().requires_grad_(true)) as [
          Tensor,
          Tensor,
        ];
        const y = layer(gate, up);
        backward([y], [slope.to({ dtype })]);
        return [y.detach(), gate.grad!, up.grad!];
      };
      const found = run((gate, up) => siluMul(gate, up), 'float32');
      const exact = run((gate, up) => gate.silu().mul(up), 'float64');
      for (const [i, tensor] of found.entries())
        expect(tensor.to({ dtype: 'float64' })).toBeAllclose(exact[i]!, { rtol: 2e-6, atol: 2e-6 });
    }),
  );

  it('takes other types, strides and extremes', () =>
    scope(() => {
      const swiglu = (gate: Tensor, up: Tensor) => siluMul(gate, up);
      const [gate, up] = [randn([6, 40], { generator }), randn([6, 40], { generator })];
      const plain = swiglu(gate, up);
      expect(swiglu(gate.t(), up.t()).t()).toBeAllclose(plain, { rtol: 1e-6, atol: 1e-6 });
      const half = swiglu(gate.to({ dtype: 'bfloat16' }), up.to({ dtype: 'bfloat16' }));
      expect(half.dtype).toBe('bfloat16');
      const far = gate.mul(0).add(200);
      expect(swiglu(far, up)).toBeAllclose(up.mul(200), { rtol: 1e-6, atol: 0 });
      expect(swiglu(far.neg(), up)).toBeAllclose(up.mul(0), { rtol: 0, atol: 1e-30 });
      expect(swiglu(gate.mul(Number.NaN), up).isnan().all().item()).toBe(1);
    }));
});
