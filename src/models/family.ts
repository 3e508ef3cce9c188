/** A family of models: the parts of a model that differ from family to family. `families.ts` lists the families. */
import type { Notice } from '../base/index.ts';
import type { Tensor } from '../tensor/index.ts';
import type { ModelConfig } from './config.ts';
import type { ModelParams } from './layers.ts';
import type { Grid, MropePositions, TextAfterVision, VisionGrids } from './model.ts';
import type { Processor } from './processor.ts';

/** What a tower makes of images or videos. */
export interface VisionFeatures {
  /** (F, D), F = sum of t * h * w / merge^2. */
  readonly features: Tensor;
  /** What is added to the same places after the first decoder layers, one (F, D) a layer; none in most families. */
  readonly deepstack: readonly Tensor[];
}

export interface ModelFamily {
  /** `model_type` of `config.json`; the family's folder bears the same name. */
  readonly model_type: string;
  /** A parsed `config.json`; says which keys it filled in. @throws CheckpointError naming file and key */
  parseConfig(raw: unknown, file: string, notice: Notice): ModelConfig;
  /** The content of `config.json`; `parseConfig` gives the same config back. */
  writeConfig(config: ModelConfig): Record<string, unknown>;
  /** Class of transformers' processor, for the processor files of a new folder. */
  readonly processorClass: string;
  /** Processor settings, tokenizer and chat template of a folder. @throws CheckpointError naming file and key */
  readProcessor(dir: string, config: ModelConfig): Processor;
  /** Names and shapes of all weights as the program has them, tower first. `lm_head.weight` is absent where the embeddings are tied. */
  weightShapes(config: ModelConfig): Map<string, readonly number[]>;
  /** The program's name of a key of any layout the family has had on disk. */
  publishedName(key: string): string;
  /** A name of the program as transformers 5 has it now, and so PEFT. */
  transformersName(name: string): string;
  /** A name of the program as the published folders have it. */
  storedName(name: string): string;
  /** Modules of the tower that bring features to the decoder's width, under `visual.`. */
  readonly mergers: readonly string[];
  /** Tokens of words and markers before and after each slice of a video at most, beside its patches. */
  readonly slice_words: number;
  /** See `VideoLanguageModel.isHidden`. */
  isHidden(name: string): boolean;
  /**
   * Where a prompt's tokens stand.
   * @throws DataError when placeholders and grids do not match.
   */
  positions(
    input_ids: readonly number[],
    grids: VisionGrids,
    config: ModelConfig,
    textAfterVision: TextAfterVision,
  ): MropePositions;
  /**
   * Features of images or videos, in the order of `grids`.
   * @param pixels_PC Normalised pixels in the processor's patch order, P = sum of t * h * w.
   */
  encodeVision(
    params: ModelParams,
    config: ModelConfig,
    pixels_PC: Tensor,
    grids: readonly Grid[],
  ): VisionFeatures;
}
