/** The model a run trains, and its frozen copy: with an adapter or its own weights, from the start or from a checkpoint. */

import { deriveSeed } from '../../base/index.ts';
import {
  createLora,
  loadLora,
  type ModelFolder,
  openModelFolder,
  type VideoLanguageModel,
} from '../../models/index.ts';
import { keep, resolveDevice, type Tensor } from '../../tensor/index.ts';
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

/** What takes the place of weights as they are read, and where it wants them read to. */
export interface Placing {
  readonly place: (
    weights: ReadonlyMap<string, Tensor>,
    isTrained: (name: string) => boolean,
  ) => ReadonlyMap<string, Tensor>;
}

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
  placing?: Placing,
): VideoLanguageModel {
  const isLora = config.lora_r !== undefined;
  const source = checkpointDir !== undefined && !isLora ? openModelFolder(checkpointDir) : folder;
  const frozen = { vision: config.freeze_vision, merger: config.freeze_merger };
  const options = modelOptions(config);
  const isTrained = (name: string) =>
    !isLora && (frozen as Partial<Record<string, boolean>>)[source.partOf(name)] !== true;
  const model = source.loadModel(
    placing === undefined
      ? options
      : {
          // Mapped from the files, so that a rank reads its part alone.
          text_after_vision: options.text_after_vision,
          place: (weights) => placing.place(weights, isTrained),
        },
  );
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
