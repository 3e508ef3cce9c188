/** @file Gradients against formulas worked out by hand, and against central differences in float64. */
import { setImmediate as nextTask } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { backward, checkpoint, enableGrad, grad, isGradEnabled, noGrad } from './autograd.ts';
import { NativeError } from './errors.ts';
import { Generator } from './generator.ts';
import { keep, liveTensors, scope } from './handle.ts';
import { rms_norm, scaled_dot_product_attention } from './operators.generated.ts';
import { ones, randn, type Tensor, tensor, zeros } from './tensor.ts';

function inScope(name: string, body: () => void): void {
  it(name, () => {
    const before = liveTensors();
    scope(name, body);
    expect(liveTensors()).toBe(before);
    expect(isGradEnabled()).toBe(true);
  });
}

const leaf = (values: Parameters<typeof tensor>[0]): Tensor =>
  tensor(values, { dtype: 'float64' }).requires_grad_(true);

describe('grad', () => {
  inScope('is the derivative: d(x^2 y)/dx = 2xy, d/dy = x^2', () => {
    const [x, y] = [leaf([1, 2]), leaf([3, 4])];
    const z = x.square().mul(y).sum();
    const [dx, dy] = grad(z, [x, y]) as [Tensor, Tensor];
    expect([dx.tolist(), dy.tolist()]).toEqual([
      [6, 16],
      [1, 4],
    ]);
    expect([x.grad, y.grad]).toEqual([undefined, undefined]);
  });

  inScope('weighs each output by its gradient, and adds over outputs', () => {
    const x = leaf([1, 2, 3]);
    const [dx] = grad(
      [x.mul(2), x.square()],
      [x],
      [tensor([1, 10, 100]).to({ dtype: 'float64' }), leaf([1, 1, 0])],
    );
    expect(dx?.tolist()).toEqual([2 + 2, 20 + 4, 200 + 0]);
    const [single] = grad(x.mul(3), [x], leaf([1, 0, 2]));
    expect(single?.tolist()).toEqual([3, 0, 6]);
    expect(() => grad(x.mul(2), [x])).toThrow('grad can be implicitly created only for scalar outputs');
    expect(() => grad(x.mul(2), [x], [])).toThrow('1 outputs but 0 gradients');
  });

  inScope('gives undefined for unused inputs only when allowed', () => {
    const [x, unused] = [leaf([1]), leaf([2])];
    expect(() => grad(x.mul(2).sum(), [x, unused])).toThrow(NativeError);
    const [dx, none] = grad(x.mul(2).sum(), [x, unused], undefined, { allow_unused: true });
    expect(dx?.tolist()).toEqual([2]);
    expect(none).toBeUndefined();
  });

  inScope('frees the graph unless it is retained', () => {
    const x = leaf([3]);
    const y = x.square().exp().sum();
    grad(y, [x], undefined, { retain_graph: true });
    grad(y, [x]);
    expect(() => grad(y, [x])).toThrow('second time');
  });

  inScope('of gradients: the second and third derivative of x^4', () => {
    const x = leaf([2]);
    const [first] = grad(x.pow(4).sum(), [x], undefined, { create_graph: true });
    const [second] = grad((first as Tensor).sum(), [x], undefined, { create_graph: true });
    const [third] = grad((second as Tensor).sum(), [x]);
    expect([first?.item(), second?.item(), third?.item()]).toEqual([32, 48, 48]);
  });

  inScope('refuses tensors without a graph', () => {
    const x = tensor([1]);
    expect(() => grad(x.sum(), [x])).toThrow('does not require grad');
    expect(() => tensor([1], { dtype: 'int64' }).requires_grad_(true)).toThrow('floating point');
  });

  inScope('of attention and norm equals central differences', () => {
    const generator = new Generator(4);
    const draw = (shape: number[]): Tensor => randn(shape, { generator, dtype: 'float64' });
    const [q, k, v] = [draw([1, 2, 3, 4]), draw([1, 1, 3, 4]), draw([1, 1, 3, 4])];
    const weight = draw([4]);
    const target = draw([1, 2, 3, 4]);
    const loss = (...[a, b, c, w]: Tensor[]): Tensor =>
      rms_norm(
        scaled_dot_product_attention(a!, b!, c!, undefined, 0, true, { enable_gqa: true }),
        [4],
        w,
        1e-6,
      )
        .mul(target)
        .sum();
    const inputs = [q, k, v, weight];
    const leaves = inputs.map((x) => x.detach().clone().requires_grad_(true));
    const analytic = grad(loss(...leaves), leaves);
    const h = 1e-5;
    inputs.forEach((input, which) => {
      const flat = input.view([-1]);
      const numeric = Array.from({ length: input.numel() }, (_, i) => {
        const at = flat.select(0, i);
        const value = at.item();
        at.fill_(value + h);
        const up = loss(...inputs).item();
        at.fill_(value - h);
        const down = loss(...inputs).item();
        at.fill_(value);
        return (up - down) / (2 * h);
      });
      expect(analytic[which]?.reshape([-1])).toBeAllclose(numeric, { rtol: 1e-7, atol: 1e-8 });
    });
  });
});

describe('backward', () => {
  inScope('adds up in the .grad of leaves', () => {
    const [x, y] = [leaf([1, 2]), leaf([3, 4])];
    x.mul(y).sum().backward();
    expect([x.grad?.tolist(), y.grad?.tolist()]).toEqual([
      [3, 4],
      [1, 2],
    ]);
    x.mul(10).sum().backward();
    expect(x.grad?.tolist()).toEqual([13, 14]);
    x.grad = undefined;
    expect(x.grad).toBeUndefined();
    x.mul(2).backward(leaf([1, 5]));
    expect((x as Tensor).grad?.tolist()).toEqual([2, 10]);
  });

  inScope('of several outputs, only into the named inputs', () => {
    const [x, y] = [leaf([1, 2]), leaf([3, 4])];
    backward([x.mul(y).sum(), x.sum()], [undefined, undefined], { inputs: [x] });
    expect([x.grad?.tolist(), y.grad]).toEqual([[4, 5], undefined]);
  });

  inScope('leaves inner tensors without .grad, and knows leaves', () => {
    const x = leaf([1]);
    const inner = x.mul(2);
    inner.sum().backward();
    expect([x.is_leaf, inner.is_leaf, inner.requires_grad]).toEqual([true, false, true]);
    expect(x.detach().requires_grad).toBe(false);
  });

  inScope('keeps a grad alive after the scope that made it', () => {
    const x = leaf([1, 2]);
    scope(() => x.square().sum().backward());
    scope(() => expect(x.grad?.tolist()).toEqual([2, 4]));
    expect(x.grad?.tolist()).toEqual([2, 4]);
  });

  inScope('takes a .grad by hand, of the same shape only, and never the tensor itself', () => {
    const x = leaf([1, 2]);
    x.grad = ones([2], { dtype: 'float64' });
    x.sum().backward();
    expect(x.grad?.tolist()).toEqual([2, 2]);
    expect(() => {
      x.grad = zeros([3], { dtype: 'float64' });
    }).toThrow('shape and device');
    expect(() => {
      x.grad = x;
    }).toThrow('its own gradient');
  });

  inScope('in-place writes to a leaf need noGrad', () => {
    const x = leaf([1, 2]);
    expect(() => x.add_(1)).toThrow('leaf');
    noGrad(() => x.add_(1));
    expect([x.tolist(), x.requires_grad]).toEqual([[2, 3], true]);
  });

  inScope('notices a tensor that was overwritten though its value was needed', () => {
    const x = leaf([1, 2]);
    const y = x.exp();
    const z = y.sum();
    noGrad(() => y.zero_());
    expect(() => z.backward()).toThrow('modified by an inplace operation');
  });
});

describe('noGrad and enableGrad', () => {
  inScope('nest and restore, also after a throw', () => {
    const x = leaf([1]);
    expect(isGradEnabled()).toBe(true);
    noGrad(() => {
      expect([isGradEnabled(), x.mul(2).requires_grad]).toEqual([false, false]);
      enableGrad(() => {
        expect([isGradEnabled(), x.mul(2).requires_grad]).toEqual([true, true]);
        noGrad(() => expect(isGradEnabled()).toBe(false));
        expect(isGradEnabled()).toBe(true);
      });
      expect(isGradEnabled()).toBe(false);
      expect(() =>
        enableGrad(() => {
          throw new RangeError('inside');
        }),
      ).toThrow(RangeError);
      expect(isGradEnabled()).toBe(false);
    });
    expect(() => noGrad(() => x.matmul(ones([3, 3])))).toThrow(NativeError);
    expect(isGradEnabled()).toBe(true);
    expect(noGrad(() => 7)).toBe(7);
  });

  it('refuse async functions and restore', async () => {
    expect(() =>
      noGrad(async () => {
        await nextTask();
        throw new Error('after the fact');
      }),
    ).toThrow('async');
    expect(isGradEnabled()).toBe(true);
    await nextTask();
    await nextTask();
  });
});

describe('checkpoint', () => {
  const params = (): [Tensor, Tensor] => {
    const generator = new Generator(2);
    return [
      randn([6, 6], { generator }).requires_grad_(true),
      randn([6], { generator }).requires_grad_(true),
    ];
  };
  const segment =
    ([weight, scale]: [Tensor, Tensor]) =>
    (x: Tensor): Tensor =>
      rms_norm(x.matmul(weight).silu(), [6], scale, 1e-6).add(x);

  inScope('gives bitwise the outputs and gradients of the plain way', () => {
    const [plain, checked] = [params(), params()];
    const x = randn([5, 6], { generator: new Generator(3) });
    const seed = randn([5, 6], { generator: new Generator(5) });

    const input = x.clone().requires_grad_(true);
    const hidden = segment(plain)(segment(plain)(input));
    hidden.backward(seed);

    const first = checkpoint(segment(checked), [x]);
    const second = checkpoint(segment(checked), first.outputs);
    expect(second.outputs[0]?.requires_grad).toBe(false);
    const [middle] = second.backward([seed]);
    const [dx] = first.backward([middle]);

    expect(second.outputs[0]?.toTypedArray()).toEqual(hidden.toTypedArray());
    expect(dx?.toTypedArray()).toEqual(input.grad?.toTypedArray());
    for (const i of [0, 1] as const)
      expect(checked[i].grad?.toTypedArray()).toEqual(plain[i].grad?.toTypedArray());
  });

  inScope('several inputs and outputs, integers and unused ones without gradient', () => {
    const x = tensor([1, 2, 3]);
    const unused = tensor([9]);
    const index = tensor([2, 0], { dtype: 'int64' });
    const part = checkpoint((a, i, _) => [a!.index_select(0, i!).mul(10), a!.sum()], [x, index, unused]);
    expect(part.outputs.map((t) => t.tolist())).toEqual([[30, 10], 6]);
    const [dx, none, alsoNone] = part.backward([tensor([1, 2]), tensor(100)]);
    expect(dx?.tolist()).toEqual([100 + 20, 100, 100 + 10]);
    expect([none, alsoNone]).toEqual([undefined, undefined]);
    expect(x.requires_grad).toBe(false);
  });

  inScope('an output without gradient is left out', () => {
    const part = checkpoint((a) => [a!.mul(2), a!.mul(3)], [tensor([1])]);
    expect(part.backward([undefined, tensor([1])])[0]?.tolist()).toEqual([3]);
  });

  inScope('keeps its inputs through scopes, and its outputs apart from them', () => {
    const part = scope(() => keep(checkpoint((a) => [a!, a!.mul(2)], [tensor([4])])));
    const [same, double] = part.outputs as [Tensor, Tensor];
    const [dx] = part.backward([tensor([1]), tensor([10])]);
    expect(dx?.tolist()).toEqual([21]);
    expect([same.tolist(), double.tolist()]).toEqual([[4], [8]]);
    same.dispose();
    double.dispose();
  });

  it('can be used once, can be dropped, and leaves nothing behind when its function throws', () => {
    const before = liveTensors();
    scope(() => {
      const x = tensor([1]);
      const part = checkpoint((a) => a!.mul(2), [x]);
      part.backward([tensor([1])]);
      expect(() => part.backward([tensor([1])])).toThrow('backward was called already');
      const dropped = checkpoint((a) => a!.mul(2), [x]);
      dropped.dispose();
      expect(() => dropped.backward([tensor([1])])).toThrow('disposed');
      const wrong = checkpoint((a) => a!.mul(2), [x]);
      expect(() => wrong.backward([])).toThrow('1 outputs but 0 gradients');
      const input = ones([2, 2]);
      const inside = liveTensors();
      expect(() => checkpoint((a) => a!.matmul(ones([3, 3])), [input])).toThrow(NativeError);
      expect(liveTensors()).toBe(inside);
    });
    expect(isGradEnabled()).toBe(true);
    expect(liveTensors()).toBe(before);
  });
});
