/**
 * Qwen3-VL, dense: 2B, 4B, 8B and 32B, Instruct and Thinking. Beside its successors' towers it has positions that are told in words.
 *
 * Source: Qwen3-VL technical report (arXiv 2511.21631); transformers `models/qwen3_vl`.
 */
import type { ModelFamily } from '../family.ts';
import { publishedName, transformersName } from '../qwen2_vl/weight-names.ts';
import { parseQwen3Config, writeQwen3Config } from './config.ts';
import { slicePositions } from './positions.ts';
import { readQwen3Processor, SLICE_WORDS } from './processor.ts';
import { encodeQwen3Vision } from './vision.ts';
import { isHidden, qwen3WeightShapes } from './weight-names.ts';

export const qwen3_vl: ModelFamily = {
  model_type: 'qwen3_vl',
  parseConfig: parseQwen3Config,
  writeConfig: writeQwen3Config,
  processorClass: 'Qwen3VLProcessor',
  readProcessor: readQwen3Processor,
  weightShapes: qwen3WeightShapes,
  publishedName,
  transformersName,
  storedName: transformersName,
  slice_words: SLICE_WORDS,
  mergers: ['merger', 'deepstack_merger_list'],
  isHidden,
  positions: slicePositions,
  encodeVision: (params, { vision_config }, pixels_PC, grids) =>
    encodeQwen3Vision(params, vision_config, pixels_PC, grids),
};
