/**
 * Muon: momentum whose matrix is made orthogonal before it is applied, so that every direction of a weight learns at the same
 * pace. For the matrices inside a network; embeddings, heads and vectors belong to AdamW.
 *
 * Source: K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024), and its reference code: Nesterov
 * momentum, five Newton-Schulz steps of the quintic (3.4445, -4.7750, 2.0315), scaled by sqrt(max(1, rows / columns)).
 * `torch.optim.Muon` is the same but for one thing: it runs the Newton-Schulz steps in bfloat16, we in float32.
 */
import { keep, noGrad, scope, type Tensor, zeros_like } from '../../tensor/index.ts';
import type { ParamGroup } from './optimizer.ts';

const [A, B, C] = [3.4445, -4.775, 2.0315];
const STEPS = 5;

export interface MuonOptions {
  /** @default 0.95 */
  readonly momentum?: number;
  /** Decoupled: weights shrink by learning rate x this each step. @default 0 */
  readonly weight_decay?: number;
}

export class Muon implements ParamGroup {
  readonly #slots: readonly { readonly name: string; readonly param: Tensor; readonly momentum: Tensor }[];
  readonly #momentum: number;
  readonly #weightDecay: number;

  /** @param params float32 leaves of two or more dimensions; those of more are seen as (first, rest) */
  constructor(params: ReadonlyMap<string, Tensor>, options: MuonOptions = {}) {
    this.#momentum = options.momentum ?? 0.95;
    this.#weightDecay = options.weight_decay ?? 0;
    this.#slots = [...params].map(([name, param]) => {
      if (param.ndim < 2) throw new Error(`internal: Muon is for matrices, '${name}' is a vector`);
      return { name, param, momentum: keep(scope(() => zeros_like(param))) };
    });
  }

  /** Updates every parameter that has a gradient. */
  step(learningRate: number): void {
    const [decay, weight_decay] = [this.#momentum, this.#weightDecay];
    scope('Muon.step', () =>
      noGrad(() => {
        for (const { param, momentum } of this.#slots) {
          const { grad } = param;
          if (grad === undefined) continue;
          scope(() => {
            momentum.lerp_(grad, 1 - decay);
            const direction = orthogonal(grad.lerp(momentum, decay).flatten(1, -1));
            const [rows, columns] = direction.shape as [number, number];
            if (weight_decay > 0) param.mul_(1 - learningRate * weight_decay);
            param.add_(direction.view(param.shape), {
              alpha: -learningRate * Math.sqrt(Math.max(1, rows / columns)),
            });
          });
        }
      }),
    );
  }

  /** Fills the gradients with 0 where there are any. */
  zeroGrad(): void {
    scope(() =>
      noGrad(() => {
        for (const { param } of this.#slots) param.grad?.zero_();
      }),
    );
  }

  /** `momentum.<name>` */
  state(): Map<string, Tensor> {
    return new Map(this.#slots.map(({ name, momentum }) => [`momentum.${name}`, momentum]));
  }

  dispose(): void {
    for (const { momentum } of this.#slots) momentum.dispose();
  }
}

/**
 * The matrix with its singular values pushed towards 1 (they end between about 0.7 and 1.2).
 * @param matrix (rows, columns)
 */
export function orthogonal(matrix: Tensor): Tensor {
  return scope('orthogonal', () => {
    const isTall = matrix.shape[0]! > matrix.shape[1]!;
    let x = matrix.div(matrix.norm().clamp(1e-7));
    if (isTall) x = x.t();
    for (let step = 0; step < STEPS; step++) {
      const gram = x.mm(x.t());
      x = x.mul(A).add(gram.mul(B).addmm(gram, gram, { alpha: C }).mm(x));
    }
    return isTall ? x.t() : x;
  });
}
