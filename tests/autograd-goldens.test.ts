/** @file A small network's loss, gradients and ten AdamW steps equal PyTorch's (`goldens/autograd/make_goldens.py`). */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { dispose, getNumThreads, liveTensors, scope, setNumThreads } from '../src/tensor/index.ts';
import { AdamW } from '../src/train/optim/adamw.ts';
import { clipGradNorm, gradNorm } from '../src/train/optim/grad-norm.ts';
import { lossOf, makeParams, type Params, tokens } from './support/tiny-network.ts';

const read = (name: string) =>
  JSON.parse(readFileSync(new URL(`goldens/autograd/${name}.json`, import.meta.url), 'utf8'));

type Values = Readonly<Record<string, readonly number[]>>;
interface NetworkGolden {
  readonly loss: number;
  readonly grad_norm: number;
  readonly gradients: Values;
}
interface AdamWGolden {
  readonly options: { lr: number; betas: [number, number]; eps: number; weight_decay: number };
  readonly max_norm: number;
  readonly steps: number;
  readonly runs: readonly {
    dtype: 'float32' | 'float64';
    fused: boolean;
    losses: readonly number[];
    grad_norms: readonly number[];
    params: Values;
  }[];
}

/** The goldens were made with one thread; sums keep their order. */
function onOneThread(body: () => void): void {
  const [threads, before] = [getNumThreads(), liveTensors()];
  setNumThreads(1);
  try {
    body();
  } finally {
    setNumThreads(threads);
  }
  expect(liveTensors()).toBe(before);
}

/**
 * Each value within `rtol` of the golden, and never closer asked than `rtol` of the tensor's largest value: a sum
 * that nearly cancels has no digits of its own.
 */
function expectSame(found: Params, golden: Values, rtol: number, part: 'value' | 'grad'): void {
  expect([...found.keys()]).toEqual(Object.keys(golden));
  for (const [name, values] of Object.entries(golden))
    scope(() => {
      const param = found.get(name)!;
      const tensor = part === 'grad' ? param.grad : param.detach();
      const scale = Math.max(...values.map(Math.abs));
      expect(tensor?.reshape([-1]).tolist(), name).toBeAllclose(values, { rtol, atol: rtol * scale });
    });
}

describe('gradients of a small network', () => {
  it.each([
    ['float32', 1e-6],
    ['float64', 1e-14],
  ] as const)('%s: within %s of PyTorch', (dtype, rtol) => {
    const golden: NetworkGolden = read('network')[dtype];
    onOneThread(() => {
      const params = makeParams(dtype);
      scope(() => {
        const loss = lossOf(params, tokens(0));
        expect(loss.item()).toBeAllclose(golden.loss, { rtol, atol: 0 });
        loss.backward();
      });
      expect(gradNorm(params.values())).toBeAllclose(golden.grad_norm, { rtol, atol: 0 });
      expectSame(params, golden.gradients, rtol, 'grad');
      dispose(params);
    });
  });
});

describe('ten steps of AdamW with clipped gradients', () => {
  const golden: AdamWGolden = read('adamw');
  const { lr, betas, eps, weight_decay } = golden.options;
  // float32 is compared with torch.optim.AdamW(fused=True): PyTorch's own two ways differ by more than 1e-6 there.
  const runs = golden.runs.filter((run) => run.fused || run.dtype === 'float64');
  it.each(runs)('$dtype, fused: $fused', (run) => {
    const rtol = run.dtype === 'float32' ? 1e-6 : 1e-12;
    onOneThread(() => {
      const params = makeParams(run.dtype);
      const optimizer = new AdamW(params, {
        learning_rate: lr,
        adam_beta1: betas[0],
        adam_beta2: betas[1],
        adam_epsilon: eps,
        weight_decay,
      });
      for (let step = 0; step < golden.steps; step++) {
        optimizer.zeroGrad();
        const loss = scope(() => {
          const made = lossOf(params, tokens(step));
          made.backward();
          return made.item();
        });
        const norm = clipGradNorm(params.values(), golden.max_norm);
        optimizer.step(lr * (1 - step / (2 * golden.steps)));
        expect(loss).toBeAllclose(run.losses[step], { rtol, atol: 0 });
        expect(norm).toBeAllclose(run.grad_norms[step], { rtol, atol: 0 });
      }
      expectSame(params, run.params, rtol, 'value');
      optimizer.dispose();
      dispose(params);
    });
  });
});
