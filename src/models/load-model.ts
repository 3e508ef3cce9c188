/** A model folder as a model: the one call that commands and trainers use. */
import { dispose, keep, scope } from '../tensor/index.ts';
import { readModelConfig } from './qwen2-5-vl/config.ts';
import { type ModelOptions, Qwen2_5VL } from './qwen2-5-vl/model.ts';
import { type LoadWeightsOptions, loadWeights } from './qwen2-5-vl/weights.ts';

/**
 * Loads config and weights of a Qwen2-VL or Qwen2.5-VL folder. The weights live until `disposeModel`.
 * @throws CheckpointError naming file and key
 */
export function loadModel(dir: string, options: LoadWeightsOptions & ModelOptions = {}): Qwen2_5VL {
  const config = readModelConfig(dir);
  return new Qwen2_5VL(config, keep(scope('loadModel', () => loadWeights(dir, config, options))), options);
}

/** Frees a model's weights and its adapter. */
export function disposeModel(model: Qwen2_5VL): void {
  dispose(model.weights);
  dispose(model.adapter?.weights);
}
