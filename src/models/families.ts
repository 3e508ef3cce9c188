/** The families we know, found by `model_type`. A new one is a folder and a line here. */
import { join } from 'node:path';
import { z } from 'zod';
import { checkJson, readJsonFile } from '../base/index.ts';
import type { ModelConfig } from './config.ts';
import type { ModelFamily } from './family.ts';
import { qwen2_5_vl } from './qwen2_5_vl/family.ts';
import { qwen2_vl } from './qwen2_vl/family.ts';

const FAMILIES = { qwen2_vl, qwen2_5_vl } as const;

export type ModelType = keyof typeof FAMILIES;

const schema = z.looseObject({ model_type: z.enum(Object.keys(FAMILIES) as ModelType[]) });

/** The family of a configuration that was read here. */
export function familyOf({ model_type }: Pick<ModelConfig, 'model_type'>): ModelFamily {
  const family = FAMILIES[model_type as ModelType];
  if (family === undefined) throw new Error(`internal: no family of model_type '${model_type}'`);
  return family;
}

/**
 * Read and check `config.json` of a model folder.
 * @throws CheckpointError naming file and key: file missing, broken JSON, key missing, of the wrong type or in
 *   contradiction with another, or a model of a family we do not know.
 */
export function readModelConfig(dir: string): ModelConfig {
  const file = join(dir, 'config.json');
  return parseModelConfig(readJsonFile(file), file);
}

/** Check a parsed `config.json`; `file` is only used in messages. See `readModelConfig`. */
export function parseModelConfig(raw: unknown, file = 'config.json'): ModelConfig {
  return familyOf(checkJson(schema, raw, file, [])).parseConfig(raw, file);
}
