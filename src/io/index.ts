export { isLeftover, writeFileAtomic, writeFolderAtomic } from './atomic.ts';
export { checkJson, readJsonFile } from './json-file.ts';
export type { SafetensorsDType, TensorInfo } from './safetensors-format.ts';
export { type TensorSource, writeSafetensorsFile, writeWeightFiles } from './safetensors-write.ts';
