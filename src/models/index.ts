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
export type { CompletionHidden, EncodedPrompt } from './qwen2-5-vl/completion.ts';
export {
  type GenerationConfig,
  type ModelConfig,
  readGenerationConfig,
  readModelConfig,
} from './qwen2-5-vl/config.ts';
export { type DecodeCaches, type ModelOptions, type PromptInputs, Qwen2_5VL } from './qwen2-5-vl/model.ts';
export type { PackedDecoder, SuffixCache } from './qwen2-5-vl/packed-decoder.ts';
export type { Grid, MropePositions, TextAfterVision, VisionGrids } from './qwen2-5-vl/positions.ts';
export type { Prefill } from './qwen2-5-vl/prefill.ts';
export {
  type MediaLoader,
  type PreparedPrompt,
  type PrepareOptions,
  Processor,
  type PromptRequest,
  type PromptText,
  type VisionFrames,
} from './qwen2-5-vl/processor.ts';
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
