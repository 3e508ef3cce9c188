/**
 * A model folder as Hugging Face has it, opened once: configuration, sampling defaults, processor (tokenizer, chat template, patch
 * settings) and the way to its weights. The small files are read at their first use, each once. `model_type` of
 * `config.json` chooses the family.
 */
import { type Notice, processWarning } from '../base/index.ts';
import { keep, type Tensor } from '../tensor/index.ts';
import { type GenerationConfig, type ModelConfig, readGenerationConfig } from './config.ts';
import { familyOf, partOf, readModelConfig } from './families.ts';
import { adapterSize, type LoraConfig } from './lora/lora.ts';
import type { FrozenParts, VideoLanguageModel } from './model.ts';
import type { Processor } from './processor.ts';
import { bannedTokenIds, stopTokenIds } from './token-ids.ts';
import { excludedModules, type ModelOptions, Transformer } from './transformer.ts';
import { checkWeights, type LoadWeightsOptions, loadWeights, type Stored } from './weights.ts';

export interface ModelFolderOptions {
  /** Told, once each, what was read otherwise than a file states it. Default: a warning of the process. */
  readonly notice?: Notice | undefined;
}

export interface LoadModelOptions extends LoadWeightsOptions, Omit<ModelOptions, 'from' | 'is_placed'> {
  /** What takes the place of the weights once they are read; it owns those it was given. @default they themselves */
  readonly place?: ((weights: ReadonlyMap<string, Tensor>) => ReadonlyMap<string, Tensor>) | undefined;
}

/** A model folder whose files are read when they are first asked for. Every getter may throw CheckpointError naming file and key. */
export class ModelFolder {
  readonly path: string;
  readonly #notice: Notice;
  #config: ModelConfig | undefined;
  #generation: GenerationConfig | undefined;
  #processor: Processor | undefined;

  constructor(path: string, { notice = processWarning }: ModelFolderOptions = {}) {
    this.path = path;
    const said = new Set<string>();
    this.#notice = (text) => {
      if (said.has(text)) return;
      said.add(text);
      notice(text);
    };
  }

  get config(): ModelConfig {
    this.#config ??= readModelConfig(this.path, this.#notice);
    return this.#config;
  }

  get generation(): GenerationConfig {
    this.#generation ??= readGenerationConfig(this.path, this.config);
    return this.#generation;
  }

  get processor(): Processor {
    this.#processor ??= familyOf(this.config).readProcessor(this.path, this.config);
    return this.#processor;
  }

  /** See `stopTokenIds`. */
  get stop_token_ids(): readonly number[] {
    return stopTokenIds(this.generation, this.config);
  }

  /** See `bannedTokenIds`. */
  get banned_token_ids(): readonly number[] {
    return bannedTokenIds(this.processor, this.generation);
  }

  /** The stored weights by name, from the headers of their files alone. See `checkWeights`. */
  checkWeights(): ReadonlyMap<string, Stored> {
    return checkWeights(this.path, this.config, this.#notice);
  }

  /** See `VideoLanguageModel.isHidden`. */
  isHidden(name: string): boolean {
    return familyOf(this.config).isHidden(name);
  }

  /** The part of the model that a weight belongs to: those that `freeze` names. */
  partOf(name: string): keyof FrozenParts {
    return partOf(this.config, name);
  }

  /** Numbers in an adapter on the named layers, those in frozen parts left out; from the headers of the files alone. */
  adapterSize(config: Pick<LoraConfig, 'r' | 'target_modules'>, frozen: FrozenParts): number {
    const model = { config: this.config, weights: this.checkWeights() };
    return adapterSize(model, { ...config, exclude_modules: excludedModules(this.config, frozen) });
  }

  /**
   * Load the weights; they are kept until the model is disposed.
   * @param options.dtype Cast the weights; default: as stored, mapped from the files.
   */
  loadModel(options: LoadModelOptions = {}): VideoLanguageModel {
    const weights = keep(loadWeights(this.path, this.config, { notice: this.#notice, ...options }));
    const { place } = options;
    return new Transformer(this.config, place?.(weights) ?? weights, {
      from: this.path,
      is_placed: place !== undefined,
      ...options,
    });
  }
}

/** Open a folder. Nothing is read yet. */
export function openModelFolder(path: string, options: ModelFolderOptions = {}): ModelFolder {
  return new ModelFolder(path, options);
}

/** The model of a folder alone. @throws CheckpointError naming file and key */
export function loadModel(path: string, options: LoadModelOptions = {}): VideoLanguageModel {
  return openModelFolder(path).loadModel(options);
}

/** The processor of a folder alone. @throws CheckpointError naming file and key */
export function loadProcessor(path: string, options: ModelFolderOptions = {}): Processor {
  return openModelFolder(path, options).processor;
}
