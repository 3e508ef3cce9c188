/** Models: layers, adapters, and the Qwen2-VL / Qwen2.5-VL family from files to logits. */
export { type GenerationConfig, type ModelConfig, readGenerationConfig, readModelConfig } from './config.ts';
export type { DecodeSession } from './decoder/session.ts';
export { indexTensor } from './layers.ts';
export {
  adapterOf,
  createLora,
  LORA_DEFAULTS,
  type LoraAdapter,
  type LoraConfig,
  mergeLora,
  targetModules,
} from './lora/lora.ts';
export { loadLora, saveLora, writeLoraFiles } from './lora/lora-files.ts';
export type {
  CompletionHidden,
  EncodedPrompt,
  FrozenParts,
  PromptInputs,
  VideoLanguageModel,
} from './model.ts';
export {
  type LoadModelOptions,
  loadModel,
  loadProcessor,
  ModelFolder,
  openModelFolder,
} from './model-folder.ts';
export type {
  MediaLoader,
  PreparedPrompt,
  PrepareOptions,
  Processor,
  PromptRequest,
  PromptText,
  VisionFrames,
} from './processor.ts';
export type { Grid, MropePositions, TextAfterVision, VisionGrids } from './qwen2_vl/positions.ts';
export { createTinyCheckpoint, type TinyCheckpointOptions } from './tiny/tiny-checkpoint.ts';
export { trainTinyTokenizer } from './tiny/tiny-tokenizer.ts';
export { bannedTokenIds, stopTokenIds, visionTokenIds } from './token-ids.ts';
export {
  type LoadWeightsOptions,
  loadWeights,
  type SaveModelOptions,
  saveModelFolder,
  writeModelFiles,
} from './weights.ts';
