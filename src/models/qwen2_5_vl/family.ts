/** Qwen2.5-VL: Qwen2-VL with another tower. */
import type { ModelFamily } from '../family.ts';
import { familyOfTower } from '../qwen2_vl/family.ts';
import { TOWER_CONFIG } from './config.ts';
import { TOWER } from './vision.ts';

export const qwen2_5_vl: ModelFamily = familyOfTower(TOWER_CONFIG, TOWER, 'Qwen2_5_VLProcessor');
