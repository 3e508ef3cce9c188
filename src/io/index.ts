/** Files of a model folder: weights, tokenizer, chat template. */
export {
  type ChatContent,
  type ChatMessage,
  ChatTemplate,
  type RenderOptions,
  TEXT_TEMPLATE_HINT,
} from './chat-template.ts';
export {
  CheckpointFiles,
  type LazyTensor,
  listed,
  loadCheckpoint,
  openSafetensors,
  saveCheckpoint,
  saveSafetensors,
  saveWeights,
  sourcesOf,
  type WeightSource,
} from './safetensors.ts';
export type { SafetensorsDType, TensorInfo } from './safetensors-format.ts';
export {
  type TensorSource,
  type WeightFileOptions,
  writeWeightFiles,
} from './safetensors-write.ts';
export { byteAlphabet, type DecodeOptions, type DecodeStream, Tokenizer } from './tokenizer.ts';
