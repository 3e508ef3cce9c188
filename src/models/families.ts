/** The families we know, found by `model_type`. A new one is a folder and a line here. */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { CheckpointError, checkJson, type Notice, processWarning, readJsonFile } from '../base/index.ts';
import { loadCheckpoint } from '../io/index.ts';
import type { ModelConfig } from './config.ts';
import type { ModelFamily } from './family.ts';
import type { FrozenParts } from './model.ts';
import { qwen2_5_vl } from './qwen2_5_vl/family.ts';
import { qwen2_vl } from './qwen2_vl/family.ts';
import { qwen3_vl } from './qwen3_vl/family.ts';
import { HEAD, unwrapName } from './stored-names.ts';

const FAMILIES = { qwen2_vl, qwen2_5_vl, qwen3_vl } as const;

export type ModelType = keyof typeof FAMILIES;

const schema = z.looseObject({
  model_type: z.enum(Object.keys(FAMILIES) as ModelType[], {
    error: ({ input }) =>
      `${JSON.stringify(input)} is no family known here; supported are ${Object.keys(FAMILIES).join(', ')}`,
  }),
});

/** The family of a configuration that was read here. */
export function familyOf({ model_type }: Pick<ModelConfig, 'model_type'>): ModelFamily {
  const family = FAMILIES[model_type as ModelType];
  if (family === undefined) throw new Error(`internal: no family of model_type '${model_type}'`);
  return family;
}

/** The part of the model that a weight belongs to, by its name. */
export function partOf(config: Pick<ModelConfig, 'model_type'>, name: string): keyof FrozenParts {
  if (!name.startsWith('visual.')) return 'text';
  const isMerger = familyOf(config).mergers.some((merger) => name.startsWith(`visual.${merger}.`));
  return isMerger ? 'merger' : 'vision';
}

/** See `ModelFamily.slice_words`. */
export function sliceWords(config: Pick<ModelConfig, 'model_type'>): number {
  return familyOf(config).slice_words;
}

/** Names and shapes of all weights that a configuration stands for. */
export function weightShapes(config: ModelConfig): ReadonlyMap<string, readonly number[]> {
  return familyOf(config).weightShapes(config);
}

/**
 * Read and check `config.json` of a model folder. What it leaves out is filled in as transformers fills it in.
 * @param notice Told which keys that were, and which of two flags for tied embeddings was taken.
 * @throws CheckpointError naming file and key: file missing, broken JSON, a key of the wrong type or in contradiction with another,
 *   or a model of a family we do not know.
 */
export function readModelConfig(dir: string, notice: Notice = processWarning): ModelConfig {
  const file = join(dir, 'config.json');
  checkIsModel(dir, file);
  const raw = readJsonFile(file);
  const config = parseModelConfig(raw, file, notice);
  const { tie_word_embeddings: outer, text_config } = raw as TiedFlags;
  const inner = text_config?.tie_word_embeddings;
  if (outer == null || inner == null || outer === inner) return config;
  // transformers 5 takes an outer `false` for its default; only a head of its own shows that it was meant.
  const isTied = outer || !storesHead(dir, config);
  notice(
    `${file}: tie_word_embeddings is ${outer}, but text_config.tie_word_embeddings is ${inner}: ${
      outer
        ? 'the outer one is taken, the embedding serves as head'
        : isTied
          ? 'the files hold no lm_head.weight, so the embedding serves as head'
          : 'the outer one is taken, with the lm_head.weight of the files'
    }`,
  );
  return { ...config, tie_word_embeddings: isTied };
}

/** Check a parsed `config.json`; `file` is only used in messages. See `readModelConfig`. */
export function parseModelConfig(
  raw: unknown,
  file = 'config.json',
  notice: Notice = processWarning,
): ModelConfig {
  return familyOf(checkJson(schema, raw, file, [])).parseConfig(raw, file, notice);
}

interface TiedFlags {
  readonly tie_word_embeddings?: boolean | null;
  readonly text_config?: { readonly tie_word_embeddings?: boolean | null } | null;
}

function storesHead(dir: string, config: ModelConfig): boolean {
  const files = loadCheckpoint(dir, { mayLack: () => true });
  try {
    return [...files.keys()].some((key) => familyOf(config).publishedName(unwrapName(key).name) === HEAD);
  } finally {
    files.close();
  }
}

/** @throws CheckpointError for what is given in a model's place: a file, or the folder of an adapter */
function checkIsModel(dir: string, file: string): void {
  if (existsSync(file)) return;
  if (statSync(dir, { throwIfNoEntry: false })?.isFile()) {
    throw new CheckpointError(`${dir}: a file, where the folder of a model was expected`, {
      hint: dir.endsWith('.gguf')
        ? 'GGUF files are quantized for another program: give the folder with the original safetensors weights'
        : 'give the folder that holds config.json, tokenizer and weights',
    });
  }
  if (existsSync(join(dir, 'adapter_config.json'))) {
    throw new CheckpointError(`${dir}: an adapter, where a model was expected`, {
      hint: 'give the model it was trained on as the model, and this folder as the adapter; "twgrpo merge" makes one folder of both',
    });
  }
}
