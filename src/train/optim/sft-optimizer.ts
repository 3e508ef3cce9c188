/** The optimizer of a supervised run: AdamW for everything, or Muon for the matrices inside the network and AdamW for the rest. */

import { ConfigError } from '../../base/index.ts';
import type { Tensor } from '../../tensor/index.ts';
import type { SftConfig } from '../config/sft-config.ts';
import { Muon } from './muon.ts';
import { AdamW, copyState, type Optimizer } from './optimizer.ts';

/** Learning rates of one step. */
export interface LearningRates {
  readonly learning_rate: number;
  readonly muon_learning_rate: number;
}

type OptimizerKeys = Pick<
  SftConfig,
  'optimizer' | 'learning_rate' | 'adam_beta1' | 'adam_beta2' | 'adam_epsilon' | 'weight_decay'
>;

export class SftOptimizer implements Optimizer {
  readonly #adam: AdamW;
  readonly #muon: Muon | undefined;

  /**
   * @param isHidden which parameters lie in hidden layers: rows of embeddings are looked up and the head's are the output, so their
   *   gradients are not those of a linear map inside
   * @throws ConfigError when Muon would have to train weights stored in less than float32
   */
  constructor(
    params: ReadonlyMap<string, Tensor>,
    config: OptimizerKeys,
    isHidden: (name: string) => boolean,
  ) {
    const isMuon = (name: string, param: Tensor) =>
      config.optimizer === 'muon' && param.ndim === 2 && isHidden(name);
    const [inside, rest]: [Map<string, Tensor>, Map<string, Tensor>] = [new Map(), new Map()];
    for (const [name, param] of params) (isMuon(name, param) ? inside : rest).set(name, param);
    for (const [name, { dtype }] of inside)
      if (dtype === 'bfloat16' || dtype === 'float16')
        throw new ConfigError(`optimizer muon needs float32 weights, ${name} is ${dtype}`, {
          hint: 'set dtype: float32, or optimizer: adamw, which keeps a float32 copy',
        });
    this.#adam = new AdamW(rest, config);
    this.#muon = inside.size === 0 ? undefined : new Muon(inside, { weight_decay: config.weight_decay });
  }

  zeroGrad(): void {
    this.#adam.zeroGrad();
    this.#muon?.zeroGrad();
  }

  step({ learning_rate, muon_learning_rate }: LearningRates): void {
    this.#adam.step(learning_rate);
    this.#muon?.step(muon_learning_rate);
  }

  state(): Map<string, Tensor> {
    return new Map([...this.#adam.state(), ...(this.#muon?.state() ?? [])]);
  }

  /** Restores what `state` gave. @throws CheckpointError when tensors are missing, surplus or of another shape */
  loadState(saved: ReadonlyMap<string, Tensor>): void {
    copyState(saved, this.state());
  }

  dispose(): void {
    this.#adam.dispose();
    this.#muon?.dispose();
  }
}
