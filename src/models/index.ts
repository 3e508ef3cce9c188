/** Models: layers, adapters, and the Qwen2-VL / Qwen2.5-VL family from files to logits. */
export { indexTensor, type LowRankPair, type ModelParams } from './layers.ts';
export {
  adapterOf,
  createLora,
  LORA_DEFAULTS,
  type LoraAdapter,
  type LoraConfig,
  mergeLora,
  targetModules,
} from './lora.ts';
export { loadLora, saveLora, writeLoraFiles } from './lora-files.ts';
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
  type ModelFolder,
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
export {
  type GenerationConfig,
  type ModelConfig,
  readGenerationConfig,
  readModelConfig,
} from './qwen2-5-vl/config.ts';
export type { DecodeCaches, ModelOptions } from './qwen2-5-vl/model.ts';
export type { PackedDecoder, SuffixCache } from './qwen2-5-vl/packed-decoder.ts';
export type { Grid, MropePositions, TextAfterVision, VisionGrids } from './qwen2-5-vl/positions.ts';
export type { Prefill } from './qwen2-5-vl/prefill.ts';
export type { Attend } from './qwen2-5-vl/text.ts';
export { createTinyCheckpoint, type TinyCheckpointOptions } from './qwen2-5-vl/tiny-checkpoint.ts';
export { trainTinyTokenizer } from './qwen2-5-vl/tiny-tokenizer.ts';
export {
  type LoadWeightsOptions,
  loadWeights,
  type SaveModelOptions,
  saveModelFolder,
  writeModelFiles,
} from './qwen2-5-vl/weights.ts';
export { sharedPrefixDecode } from './shared-prefix-attention.ts';
export { bannedTokenIds, stopTokenIds, visionTokenIds } from './token-ids.ts';
