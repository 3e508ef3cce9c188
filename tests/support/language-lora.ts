/** @file An adapter that leaves the vision tower alone. */
import { LORA_TARGET_MODULES, type LoraConfig } from '../../src/models/index.ts';

export const LANGUAGE_LORA: LoraConfig = {
  r: 16,
  lora_alpha: 32,
  use_rslora: false,
  target_modules: LORA_TARGET_MODULES,
  exclude_modules: '.*visual.*',
};
