/** A model folder with its weights loaded, for programs. */
import { join } from 'node:path';
import { packageRoot } from '../base/index.ts';
import { loadLora, type ModelFolder, openModelFolder, type VideoLanguageModel } from '../models/index.ts';
import { resolveDevice } from '../tensor/index.ts';

export interface LoadOptions {
  /** `auto` (the first GPU, else the processor), `cpu` or `cuda:N`. @default 'auto' */
  readonly device?: string;
  /** How weights are held. @default as in the files */
  readonly dtype?: 'float32' | 'bfloat16' | 'float16';
  /** Folder of a LoRA adapter in PEFT format to put on the model. */
  readonly adapter?: string;
}

/** Holds its weights until `dispose`, or the end of a `using` block. */
export class LoadedModel {
  /** Configuration, tokenizer, processor. */
  readonly folder: ModelFolder;
  readonly model: VideoLanguageModel;

  constructor(folder: ModelFolder, model: VideoLanguageModel) {
    this.folder = folder;
    this.model = model;
  }

  dispose(): void {
    this.model.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/**
 * Loads a Qwen2-VL, Qwen2.5-VL or Qwen3-VL folder as Hugging Face has it, such as a checkpoint of a run.
 * @throws CheckpointError naming file and key; ConfigError for a device that is not there
 */
export function loadModel(path: string, { device = 'auto', dtype, adapter }: LoadOptions = {}): LoadedModel {
  const folder = openModelFolder(path);
  const model = folder.loadModel({ device: resolveDevice(device, 'device'), dtype });
  try {
    if (adapter !== undefined) model.adapter = loadLora(adapter, model);
  } catch (error) {
    model.dispose();
    throw error;
  }
  return new LoadedModel(folder, model);
}

/** Folder of the model of 0.6 million weights that comes with the package: it sees the videos of `generateWorld`. */
export const smallModel: string = join(packageRoot(), 'assets', 'cold-start');
