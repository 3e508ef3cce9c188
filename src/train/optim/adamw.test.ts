/** @file AdamW's own rules; ten steps against PyTorch's are in `tests/autograd-goldens.test.ts`. */
import { describe, expect, it } from 'vitest';
import { CheckpointError } from '../../base/index.ts';
import {
  dispose,
  Generator,
  keep,
  liveTensors,
  randn,
  scope,
  type Tensor,
  tensor,
} from '../../tensor/index.ts';
import { AdamW, type AdamWOptions } from './adamw.ts';
import { clipGradNorm, gradNorm } from './grad-norm.ts';
import { createOptimizer } from './optimizer.ts';

const OPTIONS: AdamWOptions = {
  learning_rate: 0.1,
  adam_beta1: 0.9,
  adam_beta2: 0.999,
  adam_epsilon: 1e-8,
  weight_decay: 0.5,
};

/** A kept leaf with the given gradient. */
function parameter(
  values: Parameters<typeof tensor>[0],
  grad: Parameters<typeof tensor>[0],
  dtype = 'float32',
): Tensor {
  return scope(() => {
    const options = { dtype: dtype as 'float32' };
    const param = keep(tensor(values, options)).requires_grad_(true);
    param.grad = tensor(grad, options);
    return param;
  });
}

function withoutLeak(name: string, body: () => void): void {
  it(name, () => {
    const before = liveTensors();
    scope(name, body);
    expect(liveTensors()).toBe(before);
  });
}

describe('AdamW', () => {
  withoutLeak('its first step is the learning rate against the sign of the gradient', () => {
    // Bias correction makes m / sqrt(v) = g / |g|; a matrix decays by lr * weight_decay = 0.05 before, a vector does not.
    const matrix = parameter([[1, 2]], [[0.5, -3]], 'float64');
    const vector = parameter([1, 2], [0.5, -3], 'float64');
    const optimizer = new AdamW(
      new Map([
        ['matrix', matrix],
        ['vector', vector],
      ]),
      OPTIONS,
    );
    optimizer.step();
    expect(matrix.detach().tolist()).toBeAllclose([[0.95 - 0.1, 1.9 + 0.1]], { rtol: 1e-7 });
    expect(vector.detach().tolist()).toBeAllclose([0.9, 2.1], { rtol: 1e-7 });
    optimizer.step(0); // a rate of its own: nothing moves, and nothing decays
    expect(vector.detach().tolist()).toBeAllclose([0.9, 2.1], { rtol: 1e-7 });
    optimizer.dispose();
    dispose([matrix, vector]);
  });

  withoutLeak('leaves parameters without gradient alone', () => {
    const [moved, still] = [parameter([1], [1]), parameter([[5]], [[1]])];
    still.grad = undefined;
    const optimizer = new AdamW(
      new Map([
        ['moved', moved],
        ['still', still],
      ]),
      OPTIONS,
    );
    optimizer.step();
    expect(still.item()).toBe(5);
    expect(moved.item()).toBeCloseTo(0.9, 6);
    expect(optimizer.state().get('step.still')?.item()).toBe(0);
    optimizer.zeroGrad();
    scope(() => expect([moved.grad?.tolist(), still.grad?.tolist()]).toEqual([[0], [[0]]]));
    optimizer.dispose();
    dispose([moved, still]);
  });

  withoutLeak('narrow parameters walk as their float32 twins do, and are rounded copies of them', () => {
    // Gradients that bfloat16 holds exactly; steps of 1e-4, far below half a bfloat16 step (2^-8) around 1.
    const wide = parameter([1, 1, 1, -1], [1, -2, 0.5, 4]);
    const narrow = parameter([1, 1, 1, -1], [1, -2, 0.5, 4], 'bfloat16');
    const of = (param: Tensor): AdamW =>
      new AdamW(new Map([['p', param]]), { ...OPTIONS, learning_rate: 1e-4 });
    const [a, b] = [of(wide), of(narrow)];
    for (let step = 0; step < 100; step++) {
      a.step();
      b.step();
    }
    const master = b.state().get('master.p');
    expect(master?.dtype).toBe('float32');
    expect(master?.toTypedArray()).toEqual(wide.toTypedArray());
    expect(narrow.detach().tolist()).toEqual(scope(() => wide.detach().to({ dtype: 'bfloat16' }).tolist()));
    expect(narrow.detach().tolist()).not.toEqual([1, 1, 1, -1]);
    expect(a.state().has('master.p')).toBe(false);
    a.dispose();
    b.dispose();
    dispose([wide, narrow]);
  });

  withoutLeak('saved and restored in the middle equals not interrupted, bit by bit', () => {
    const run = (dtype: 'float32' | 'bfloat16', isInterrupted: boolean): unknown => {
      const generator = new Generator(11);
      const params = new Map(
        Object.entries({ w: [3, 4], b: [4] }).map(([name, shape]) => [
          name,
          keep(scope(() => randn(shape, { generator }).to({ dtype }))).requires_grad_(true),
        ]),
      );
      let optimizer = createOptimizer(params, OPTIONS, () => true);
      for (let step = 0; step < 6; step++) {
        if (isInterrupted && step === 3) {
          const saved = keep(scope(() => new Map([...optimizer.state()].map(([k, t]) => [k, t.clone()]))));
          optimizer.dispose();
          optimizer = createOptimizer(params, OPTIONS, () => true);
          optimizer.loadState(saved);
          dispose(saved);
        }
        scope(() => {
          for (const param of params.values()) param.grad = randn(param.shape, { generator }).to({ dtype });
        });
        optimizer.step(OPTIONS);
      }
      const end = [...params.values()].map((param) => param.detach().tolist());
      optimizer.dispose();
      dispose(params);
      return end;
    };
    for (const dtype of ['float32', 'bfloat16'] as const)
      scope(() => expect(run(dtype, true)).toEqual(run(dtype, false)));
  });

  withoutLeak('refuses a state of another model', () => {
    const param = parameter([1, 2], [1, 1]);
    const optimizer = createOptimizer(new Map([['p', param]]), OPTIONS, () => true);
    const state = optimizer.state();
    const other = tensor([1, 2, 3]);
    const changed = (change: (map: Map<string, Tensor>) => void): Map<string, Tensor> => {
      const map = new Map(state);
      change(map);
      return map;
    };
    const load = (map: Map<string, Tensor>) => (): void => optimizer.loadState(map);
    expect(load(changed((map) => map.delete('exp_avg.p')))).toThrow(CheckpointError);
    expect(load(changed((map) => map.delete('exp_avg.p')))).toThrow('missing exp_avg.p');
    expect(load(changed((map) => map.set('exp_avg.q', other)))).toThrow('surplus exp_avg.q');
    expect(load(changed((map) => map.set('exp_avg.p', other)))).toThrow('expected shape [2], found [3]');
    optimizer.dispose();
    dispose([param, other]);
  });
});

describe('gradNorm and clipGradNorm', () => {
  withoutLeak('measure and scale all gradients together', () => {
    const [a, b] = [parameter([0, 0], [3, 0]), parameter([[0]], [[4]])];
    expect(gradNorm([a, b])).toBe(5);
    expect(clipGradNorm([a, b], 10)).toBe(5);
    scope(() => expect([a.grad?.tolist(), b.grad?.tolist()]).toEqual([[3, 0], [[4]]]));
    expect(clipGradNorm([a, b], 1)).toBe(5);
    // torch.nn.utils.clip_grad_norm_ divides by norm + 1e-6.
    scope(() => expect(a.grad?.tolist()).toBeAllclose([3 / (5 + 1e-6), 0], { rtol: 1e-6 }));
    expect(gradNorm([a, b])).toBeCloseTo(1, 5);
    dispose([a, b]);
  });

  withoutLeak('work for narrow gradients beyond their own precision, and without any', () => {
    const many = parameter(new Array(4096).fill(0), new Array(4096).fill(1), 'bfloat16');
    expect(gradNorm([many])).toBe(64);
    many.grad = undefined;
    expect(gradNorm([many])).toBe(0);
    expect(clipGradNorm([many], 1)).toBe(0);
    expect(gradNorm([])).toBe(0);
    dispose(many);
  });

  withoutLeak('report what is not finite and touch nothing', () => {
    const param = parameter([0, 0], [Number.NaN, 1]);
    expect(clipGradNorm([param], 1)).toBeNaN();
    scope(() => expect(param.grad?.tolist()).toEqual([Number.NaN, 1]));
    dispose(param);
  });
});
