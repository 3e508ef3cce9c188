/** Qwen2-VL, and what a successor with the same decoder, names and processor has to say of itself. */
import type { ModelFamily } from '../family.ts';
import { parseConfig, TOWER_CONFIG, type TowerConfig, writeConfig } from './config.ts';
import { mropePositions } from './positions.ts';
import { readProcessor } from './processor.ts';
import { encodeVision, TOWER, type TowerStyle } from './vision.ts';
import { isHidden, publishedName, transformersName, weightShapes } from './weight-names.ts';

/** A family that differs from Qwen2-VL only in its tower. */
export function familyOfTower(
  towerConfig: TowerConfig,
  tower: TowerStyle,
  processorClass: string,
): ModelFamily {
  return {
    model_type: towerConfig.model_type,
    parseConfig: (raw, file, notice) => parseConfig(raw, file, towerConfig, notice),
    writeConfig: (config) => writeConfig(config, towerConfig),
    processorClass,
    readProcessor: (dir, config) => readProcessor(dir, config),
    slice_words: 0,
    weightShapes: (config) => weightShapes(config, tower),
    publishedName,
    transformersName,
    storedName: (name) => name,
    mergers: ['merger'],
    isHidden,
    positions: mropePositions,
    encodeVision: (params, { vision_config }, pixels_PC, grids) => ({
      features: encodeVision(tower, params, vision_config, pixels_PC, grids),
      deepstack: [],
    }),
  };
}

export const qwen2_vl: ModelFamily = familyOfTower(TOWER_CONFIG, TOWER, 'Qwen2VLProcessor');
