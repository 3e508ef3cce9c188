/**
 * AdamW, as `torch.optim.AdamW(fused=True)` computes it: one fused operator for all parameters.
 *
 * Parameters in bfloat16 or float16 keep a float32 master copy: the update is computed there and rounded
 * back, because steps of 1e-6 vanish in 8 bits of mantissa.
 *
 * Source: torch/optim/adamw.py; decoupled weight decay, Loshchilov & Hutter 2019 (arXiv 1711.05101).
 */
import {
  _foreach_add_,
  _fused_adamw_,
  dispose,
  keep,
  noGrad,
  scope,
  type Tensor,
  zeros,
  zeros_like,
} from '../../tensor/index.ts';
import type { ParamGroup } from './optimizer.ts';

export interface AdamWOptions {
  readonly learning_rate: number;
  readonly adam_beta1: number;
  readonly adam_beta2: number;
  readonly adam_epsilon: number;
  /** Applied to matrices only: vectors (biases, norms) never decay, as in Hugging Face's Trainer. */
  readonly weight_decay: number;
}

interface Slot {
  readonly name: string;
  readonly param: Tensor;
  /** Float32 copy that the update works on; the parameter itself when it is already float32 or float64. */
  readonly master: Tensor;
  readonly expAvg: Tensor;
  readonly expAvgSq: Tensor;
  readonly stepCount: Tensor;
}

export class AdamW implements ParamGroup {
  readonly #slots: readonly Slot[];
  readonly #options: AdamWOptions;

  /** @param params the parameters to train, by name; leaves that require grad */
  constructor(params: ReadonlyMap<string, Tensor>, options: AdamWOptions) {
    this.#options = options;
    this.#slots = [...params].map(([name, param]) =>
      keep(
        scope('AdamW', () => {
          const isNarrow = param.dtype === 'bfloat16' || param.dtype === 'float16';
          const master = isNarrow ? param.detach().toCopy({ dtype: 'float32' }) : param;
          return {
            name,
            param,
            master,
            expAvg: zeros_like(master),
            expAvgSq: zeros_like(master),
            stepCount: zeros([], { dtype: 'float32', device: param.device }),
          };
        }),
      ),
    );
  }

  /** Updates every parameter that has a gradient. */
  step(learningRate: number = this.#options.learning_rate): void {
    scope('AdamW.step', () =>
      noGrad(() => {
        const due = this.#slots.flatMap((slot) => {
          const gradient = slot.param.grad;
          return gradient === undefined
            ? []
            : [{ slot, gradient: gradient.to({ dtype: slot.master.dtype }) }];
        });
        if (due.length === 0) return;
        _foreach_add_(
          due.map(({ slot }) => slot.stepCount),
          1,
        );
        for (const decays of [true, false]) {
          // One call takes one weight decay, one dtype and one device.
          const groups = new Map<string, typeof due>();
          for (const entry of due) {
            if (entry.slot.param.ndim >= 2 !== decays) continue;
            const key = `${entry.slot.master.dtype} ${entry.slot.master.device}`;
            groups.set(key, [...(groups.get(key) ?? []), entry]);
          }
          for (const group of groups.values()) this.#update(group, learningRate, decays);
        }
        for (const { slot } of due) if (slot.master !== slot.param) slot.param.copy_(slot.master);
      }),
    );
  }

  #update(group: readonly { slot: Slot; gradient: Tensor }[], learningRate: number, decays: boolean): void {
    const { adam_beta1, adam_beta2, adam_epsilon, weight_decay } = this.#options;
    _fused_adamw_(
      group.map(({ slot }) => slot.master),
      group.map(({ gradient }) => gradient),
      group.map(({ slot }) => slot.expAvg),
      group.map(({ slot }) => slot.expAvgSq),
      [],
      group.map(({ slot }) => slot.stepCount),
      {
        lr: learningRate,
        beta1: adam_beta1,
        beta2: adam_beta2,
        weight_decay: decays ? weight_decay : 0,
        eps: adam_epsilon,
        amsgrad: false,
        maximize: false,
      },
    );
  }

  /**
   * Fills the gradients with 0, making them where absent. A step without signal then still moves by its
   * momentum, as with PyTorch, whether or not a backward pass ran.
   */
  zeroGrad(): void {
    scope('AdamW.zeroGrad', () =>
      noGrad(() => {
        for (const { param } of this.#slots) {
          const gradient = param.grad;
          if (gradient === undefined) param.grad = zeros_like(param);
          else gradient.zero_();
        }
      }),
    );
  }

  /** The whole state: `exp_avg.<name>`, `exp_avg_sq.<name>`, `step.<name>` and, for narrow parameters, `master.<name>`. */
  state(): Map<string, Tensor> {
    const state = new Map<string, Tensor>();
    for (const slot of this.#slots) {
      state.set(`exp_avg.${slot.name}`, slot.expAvg);
      state.set(`exp_avg_sq.${slot.name}`, slot.expAvgSq);
      state.set(`step.${slot.name}`, slot.stepCount);
      if (slot.master !== slot.param) state.set(`master.${slot.name}`, slot.master);
    }
    return state;
  }

  dispose(): void {
    for (const { param, master, expAvg, expAvgSq, stepCount } of this.#slots)
      dispose([expAvg, expAvgSq, stepCount, master === param ? undefined : master]);
  }
}
