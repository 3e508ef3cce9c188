/** Models: families of video-language models from files to logits, the decoder they share, adapters. */
export type { GenerationConfig, ModelConfig } from './config.ts';
export type { DecodeSession } from './decoder/session.ts';
export { parseModelConfig, partOf, readModelConfig, sliceWords, weightShapes } from './families.ts';
export { type AdapterReport, inspectFolder, type ModelReport, type PartSize } from './inspect.ts';
export { indexTensor, type LayerGate } from './layers.ts';
export {
  adapterSize,
  createLora,
  LORA_TARGET_MODULES,
  type LoraAdapter,
  type LoraConfig,
  mergeLora,
} from './lora/lora.ts';
export { loadLora, writeLoraFiles } from './lora/lora-files.ts';
export { type MergeOptions, type MergeResult, mergeAdapter } from './merge.ts';
export type {
  CompletionHidden,
  EncodedPrompt,
  FrozenParts,
  Grid,
  MropePositions,
  PromptInputs,
  TextAfterVision,
  VideoLanguageModel,
  VisionGrids,
} from './model.ts';
export {
  type LoadModelOptions,
  loadModel,
  loadProcessor,
  ModelFolder,
  openModelFolder,
} from './model-folder.ts';
export type {
  FrameSizes,
  MediaLoader,
  PreparedPrompt,
  PrepareOptions,
  Processor,
  PromptRequest,
  PromptText,
  VisionFrames,
} from './processor.ts';
export { publishedSize } from './published.ts';
export { createTinyCheckpoint, type TinyCheckpointOptions } from './tiny/tiny-checkpoint.ts';
export { bannedTokenIds, visionTokenIds } from './token-ids.ts';
export { excludedModules } from './transformer.ts';
export {
  type LoadWeightsOptions,
  loadWeights,
  type SaveModelOptions,
  saveModelFolder,
  writeModelFiles,
} from './weights.ts';
