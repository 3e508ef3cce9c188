export { isLeftover, writeFileAtomic, writeFolderAtomic } from './atomic.ts';
export { type ChatContent, type ChatMessage, ChatTemplate, type RenderOptions } from './chat-template.ts';
export { checkJson, readJsonFile } from './json-file.ts';
export type { SafetensorsDType, TensorInfo } from './safetensors-format.ts';
export { type TensorSource, writeSafetensorsFile, writeWeightFiles } from './safetensors-write.ts';
export { byteAlphabet, type DecodeOptions, type DecodeStream, Tokenizer } from './tokenizer.ts';
