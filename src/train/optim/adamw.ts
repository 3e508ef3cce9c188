/**
 * AdamW, as `torch.optim.AdamW(fused=True)` computes it: one fused operator for many parameters.
 *
 * Parameters in bfloat16 or float16 keep a float32 master copy: the update is computed there and rounded
 * back, because steps of 1e-6 vanish in 8 bits of mantissa.
 *
 * With `offload_optimizer` masters and moments lie on the host and the update is computed there: of the optimizer's 12 bytes a
 * weight none is on the device. Gradients travel to the host in their own dtype and weights travel back, run by run.
 *
 * Source: torch/optim/adamw.py; decoupled weight decay, Loshchilov & Hutter 2019 (arXiv 1711.05101).
 */
import {
  _foreach_add_,
  _fused_adamw_,
  type Device,
  type DType,
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
  /** Masters and moments on the host, whatever device the parameters are on. @default false */
  readonly offload_optimizer?: boolean | undefined;
  /** Parameters that decay, by name. @default matrices */
  readonly isMatrix?: ((name: string) => boolean) | undefined;
}

interface Slot {
  readonly name: string;
  readonly param: Tensor;
  readonly isDecaying: boolean;
  /** Float32 copy that the update works on; the parameter itself when that is float32 or float64 already and on the same device. */
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
          const home = options.offload_optimizer === true ? 'cpu' : param.device;
          const dtype = isNarrow(param) ? 'float32' : param.dtype;
          const isItself = dtype === param.dtype && home === param.device;
          const master = isItself ? param : widened(param.detach(), home, dtype);
          return {
            name,
            param,
            isDecaying: options.isMatrix?.(name) ?? param.ndim >= 2,
            master,
            expAvg: zeros_like(master),
            expAvgSq: zeros_like(master),
            stepCount: zeros([], { dtype: 'float32', device: home }),
          };
        }),
      ),
    );
  }

  /** Updates every parameter that has a gradient. */
  step(learningRate: number = this.#options.learning_rate): void {
    scope('AdamW.step', () =>
      noGrad(() => {
        const due = this.#slots.filter(({ param }) => param.grad !== undefined);
        if (due.length === 0) return;
        _foreach_add_(
          due.map(({ stepCount }) => stepCount),
          1,
        );
        for (const slots of runsOf(due)) scope(() => this.#update(slots, learningRate));
      }),
    );
  }

  /** One call of the operator. Float32 copies of narrow gradients die with it. */
  #update(slots: readonly Slot[], learningRate: number): void {
    const { adam_beta1, adam_beta2, adam_epsilon, weight_decay } = this.#options;
    _fused_adamw_(
      slots.map(({ master }) => master),
      slots.map(({ param, master }) => widened(param.grad!, master.device, master.dtype)),
      slots.map(({ expAvg }) => expAvg),
      slots.map(({ expAvgSq }) => expAvgSq),
      [],
      slots.map(({ stepCount }) => stepCount),
      {
        lr: learningRate,
        beta1: adam_beta1,
        beta2: adam_beta2,
        weight_decay: slots[0]!.isDecaying ? weight_decay : 0,
        eps: adam_epsilon,
        amsgrad: false,
        maximize: false,
      },
    );
    for (const { param, master } of slots) {
      if (master === param) continue;
      param.copy_(master.device === param.device ? master : master.to({ dtype: param.dtype }));
    }
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

  /**
   * The whole state: `exp_avg.<name>`, `exp_avg_sq.<name>`, `step.<name>` and, for narrow parameters, `master.<name>`; the same
   * wherever it lies, so that a run may go on with or without `offload_optimizer`.
   */
  state(): Map<string, Tensor> {
    const state = new Map<string, Tensor>();
    for (const slot of this.#slots) {
      state.set(`exp_avg.${slot.name}`, slot.expAvg);
      state.set(`exp_avg_sq.${slot.name}`, slot.expAvgSq);
      state.set(`step.${slot.name}`, slot.stepCount);
      if (isNarrow(slot.param)) state.set(`master.${slot.name}`, slot.master);
    }
    return state;
  }

  dispose(): void {
    for (const { param, master, expAvg, expAvgSq, stepCount } of this.#slots)
      dispose([expAvg, expAvgSq, stepCount, master === param ? undefined : master]);
  }
}

/** In another dtype on another device, the same tensor where nothing changes; narrow values travel narrow. */
const widened = (tensor: Tensor, device: Device, dtype: DType): Tensor => tensor.to({ device }).to({ dtype });

const isNarrow = ({ dtype }: Tensor): boolean => dtype === 'bfloat16' || dtype === 'float16';

/** Numbers in one call of the operator: half a gigabyte of float32 copies of their gradients. One larger matrix goes alone. */
const LARGEST_RUN = 2 ** 27;

/** Slots in the groups that one call takes: of one weight decay, one dtype and one device. */
function runsOf(slots: readonly Slot[]): readonly (readonly Slot[])[] {
  const open = new Map<string, { readonly slots: Slot[]; size: number }>();
  const runs: Slot[][] = [];
  for (const slot of slots) {
    const kind = `${slot.master.dtype} ${slot.master.device} ${slot.isDecaying}`;
    const size = slot.param.numel();
    let run = open.get(kind);
    if (run === undefined || run.size + size > LARGEST_RUN) {
      run = { slots: [], size: 0 };
      open.set(kind, run);
      runs.push(run.slots);
    }
    run.slots.push(slot);
    run.size += size;
  }
  return runs;
}
