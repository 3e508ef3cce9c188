/** The model a run trains, and its frozen copy: with an adapter or its own weights, from the start or from a checkpoint. */

import { deriveSeed } from '../../base/index.ts';
import {
  createLora,
  loadLora,
  type ModelFolder,
  openModelFolder,
  type VideoLanguageModel,
} from '../../models/index.ts';
import { keep, resolveDevice } from '../../tensor/index.ts';
import type { GrpoConfig } from '../config/config-schema.ts';

/** The keys that say what the model is and what of it trains. */
export type ModelKeys = Pick<
  GrpoConfig,
  | 'model_name_or_path'
  | 'dtype'
  | 'device'
  | 'text_after_vision'
  | 'freeze_vision'
  | 'freeze_merger'
  | 'lora_r'
  | 'lora_alpha'
  | 'lora_target_modules'
  | 'seed'
>;

/** How the folder is loaded. */
function modelOptions({ device, dtype, text_after_vision }: ModelKeys) {
  return {
    device: resolveDevice(device, 'device'),
    ...(dtype === 'auto' ? {} : { dtype }),
    text_after_vision,
  };
}

/** The model that trains: with its adapter or its thawed weights, from the start or from a checkpoint. */
export function loadPolicy(
  config: ModelKeys,
  folder: ModelFolder,
  checkpointDir: string | undefined,
): VideoLanguageModel {
  const isLora = config.lora_r !== undefined;
  const source = checkpointDir !== undefined && !isLora ? openModelFolder(checkpointDir) : folder;
  const model = source.loadModel(modelOptions(config));
  const frozen = { vision: config.freeze_vision, merger: config.freeze_merger };
  if (config.lora_r !== undefined) {
    model.adapter =
      checkpointDir === undefined
        ? createLora(
            model,
            {
              r: config.lora_r,
              lora_alpha: config.lora_alpha,
              use_rslora: false,
              target_modules: config.lora_target_modules,
              exclude_modules: model.excludedModules(frozen),
            },
            { seed: Number(deriveSeed(config.seed, 'lora') % 2n ** 53n) },
          )
        : loadLora(checkpointDir, model);
    keep(model.adapter.weights);
  }
  model.freeze(frozen);
  return model;
}

/** A frozen copy of the start. */
export function loadReference(config: ModelKeys, folder: ModelFolder): VideoLanguageModel {
  const reference = folder.loadModel(modelOptions(config));
  reference.freeze({ vision: true, merger: true, text: true });
  return reference;
}
