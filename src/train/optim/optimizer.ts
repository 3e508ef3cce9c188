/**
 * The optimizer of a run: parameter groups, as `torch.optim.Optimizer` has them, each with its own rule and learning rate.
 * AdamW for everything, or Muon for the matrices inside the network and AdamW for the rest.
 */
import { CheckpointError, ConfigError } from '../../base/index.ts';
import { noGrad, type Tensor } from '../../tensor/index.ts';
import { AdamW, type AdamWOptions } from './adamw.ts';
import { Muon } from './muon.ts';

/** Parameters that one rule updates. */
export interface ParamGroup {
  /** Fills the gradients with 0. */
  zeroGrad(): void;
  /** Updates every parameter that has a gradient. */
  step(learningRate: number): void;
  /** Every tensor it remembers between steps, by a name that ends in the parameter's. */
  state(): Map<string, Tensor>;
  dispose(): void;
}

/** Learning rates of one step, by the configuration's keys. */
export interface LearningRates {
  readonly learning_rate: number;
  /** Needed where a group is Muon's. */
  readonly muon_learning_rate?: number;
}

/** A group with the key of its learning rate. */
export type OptimizerGroup = readonly [keyof LearningRates, ParamGroup];

export class Optimizer {
  /** Parameters of all groups, in the order of the model. */
  readonly params: readonly Tensor[];
  readonly #groups: readonly OptimizerGroup[];

  /** @param params what the groups train, in the order in which their norms are summed */
  constructor(params: Iterable<Tensor>, groups: readonly OptimizerGroup[]) {
    this.params = [...params];
    this.#groups = groups;
  }

  zeroGrad(): void {
    for (const [, group] of this.#groups) group.zeroGrad();
  }

  step(rates: LearningRates): void {
    for (const [key, group] of this.#groups) {
      const rate = rates[key];
      if (rate === undefined) throw new Error(`internal: a parameter group without its ${key}`);
      group.step(rate);
    }
  }

  /** What a checkpoint keeps, by name. */
  state(): Map<string, Tensor> {
    return new Map(this.#groups.flatMap(([, group]) => [...group.state()]));
  }

  /** Restores what `state` gave. @throws CheckpointError when tensors are missing, surplus or of another shape */
  loadState(saved: ReadonlyMap<string, Tensor>): void {
    copyState(saved, this.state());
  }

  dispose(): void {
    for (const [, group] of this.#groups) group.dispose();
  }
}

/** @throws ConfigError for weights stored in less than float32 */
export function checkMuon(name: string, dtype: string): void {
  if (dtype === 'bfloat16' || dtype === 'float16')
    throw new ConfigError(`optimizer muon needs float32 weights, ${name} is ${dtype}`, {
      hint: 'set dtype: float32, or optimizer: adamw, which keeps a float32 copy',
    });
}

/**
 * The groups of a run.
 * @param params the parameters to train, by name; leaves that require grad
 * @param isHidden which parameters lie in hidden layers: rows of embeddings are looked up and the head's are the output, so their
 *   gradients are not those of a linear map inside
 * @throws ConfigError when Muon would have to train weights stored in less than float32
 */
export function createOptimizer(
  params: ReadonlyMap<string, Tensor>,
  config: AdamWOptions & { readonly optimizer?: 'adamw' | 'muon' | undefined },
  isHidden: (name: string) => boolean,
): Optimizer {
  const isMuon = (name: string, param: Tensor) =>
    config.optimizer === 'muon' && param.ndim === 2 && isHidden(name);
  const [inside, rest]: [Map<string, Tensor>, Map<string, Tensor>] = [new Map(), new Map()];
  for (const [name, param] of params) (isMuon(name, param) ? inside : rest).set(name, param);
  for (const [name, { dtype }] of inside) checkMuon(name, dtype);
  const groups: OptimizerGroup[] = [['learning_rate', new AdamW(rest, config)]];
  if (inside.size > 0) groups.push(['muon_learning_rate', new Muon(inside, config)]);
  return new Optimizer(params.values(), groups);
}

/** Copies a saved state into an optimizer's own. @throws CheckpointError when tensors are missing, surplus or of another shape */
function copyState(saved: ReadonlyMap<string, Tensor>, own: ReadonlyMap<string, Tensor>): void {
  const problems = [
    ...[...own.keys()].filter((key) => !saved.has(key)).map((key) => `missing ${key}`),
    ...[...saved.keys()].filter((key) => !own.has(key)).map((key) => `surplus ${key}`),
    ...[...own].flatMap(([key, tensor]) => {
      const other = saved.get(key);
      return other === undefined || String(other.shape) === String(tensor.shape)
        ? []
        : [`${key}: expected shape [${tensor.shape.join(', ')}], found [${other.shape.join(', ')}]`];
    }),
  ];
  if (problems.length > 0)
    throw new CheckpointError(
      `the optimizer state does not fit the model: ${problems.slice(0, 8).join('; ')}`,
      { hint: 'resume with the model and the freeze settings that the checkpoint was made with' },
    );
  noGrad(() => {
    for (const [key, tensor] of own) tensor.copy_(saved.get(key) as Tensor);
  });
}
