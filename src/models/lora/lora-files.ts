/**
 * Adapters on disk as PEFT saves them: `adapter_config.json` and `adapter_model.safetensors` with keys
 * `base_model.model.<module>.lora_A.weight`. Modules are written under transformers 5's names; both key layouts are read.
 *
 * What plain LoRA does not do (DoRA, adapted biases, whole modules saved, ranks by module, ...) is refused: ignoring it would
 * load another model.
 *
 * Source: huggingface/peft 0.21 `utils/save_and_load.py`, `tuners/lora/config.py`.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { CheckpointError, checkJson, readJsonFile, writeFileAtomic } from '../../base/index.ts';
import { listed, openSafetensors, saveSafetensors } from '../../io/index.ts';
import { type Device, type DType, keep, scope, type Tensor } from '../../tensor/index.ts';
import { familyOf } from '../families.ts';
import {
  type AdaptedModel,
  adapterOf,
  type LoraAdapter,
  type LoraConfig,
  targetModules,
  unsupportedTargets,
} from './lora.ts';

const CONFIG_FILE = 'adapter_config.json';
const WEIGHTS_FILE = 'adapter_model.safetensors';
const PREFIX = 'base_model.model.';

const names = z.union([z.string(), z.array(z.string()).min(1)]);
const configSchema = z.looseObject({
  peft_type: z.literal('LORA', 'only adapters of peft_type LORA can be loaded'),
  r: z.number().int().positive(),
  lora_alpha: z.number().positive(),
  use_rslora: z.boolean().nullish(),
  target_modules: names,
  exclude_modules: names.nullish(),
});

/** Keys of PEFT's config that change the formula when they hold anything but these values. */
const PLAIN = new Map<string, readonly unknown[]>([
  ['bias', ['none']],
  ['use_dora', [false]],
  ['use_qalora', [false]],
  ['use_bdlora', [false]],
  ['lora_bias', [false]],
  ['fan_in_fan_out', [false]],
  ['modules_to_save', []],
  ['rank_pattern', []],
  ['alpha_pattern', []],
  ['layers_to_transform', []],
  ['layer_replication', []],
  ['target_parameters', []],
  ['trainable_token_indices', []],
  ['alora_invocation_tokens', []],
  ['arrow_config', []],
]);

/**
 * @param model Every adapted module must fit its weights.
 * @returns The adapter; its tensors are kept until disposed.
 * @throws CheckpointError naming file and key.
 */
export function loadLora(
  dir: string,
  model: AdaptedModel,
  options: { readonly dtype?: DType; readonly device?: Device } = {},
): LoraAdapter {
  const configFile = join(dir, CONFIG_FILE);
  const raw = checkJson(configSchema, readJsonFile(configFile), configFile, []);
  const strange = Object.entries(raw).filter(([key, value]) => !isPlain(key, value));
  if (strange.length > 0) {
    throw new CheckpointError(
      `${configFile}: only plain LoRA is supported; found ${listed(strange.map(([key, value]) => `${key}: ${JSON.stringify(value)}`))}`,
      { hint: 'merge the adapter into its model with PEFT and load the merged folder' },
    );
  }
  const config: LoraConfig = {
    r: raw.r,
    lora_alpha: raw.lora_alpha,
    use_rslora: raw.use_rslora ?? false,
    target_modules: raw.target_modules,
    exclude_modules: raw.exclude_modules ?? undefined,
  };
  const unsupported = unsupportedTargets(config);
  if (unsupported.length > 0) {
    throw new CheckpointError(
      `${configFile}: target_modules names ${unsupported.join(' and ')}, which can not be adapted here`,
      { hint: 'merge the adapter into its model with PEFT and load the merged folder' },
    );
  }
  return adapterOf(config, readTensors(join(dir, WEIGHTS_FILE), config, model, options));
}

function readTensors(
  file: string,
  config: LoraConfig,
  model: AdaptedModel,
  { dtype, device }: { readonly dtype?: DType; readonly device?: Device },
): Map<string, Tensor> {
  const { weights } = model;
  const { publishedName, transformersName } = familyOf(model.config);
  const tensors = openSafetensors(file);
  const ourName = (key: string) => (key.startsWith(PREFIX) ? publishedName(key.slice(PREFIX.length)) : key);
  const stored = new Map([...tensors].map(([key, lazy]) => [ourName(key), { key, lazy }]));
  const expected = new Map<string, readonly number[]>();
  for (const module of targetModules(model, config)) {
    const [out, into] = weights.get(`${module}.weight`)!.shape as [number, number];
    expected.set(`${module}.lora_A.weight`, [config.r, into]);
    expected.set(`${module}.lora_B.weight`, [out, config.r]);
  }
  const problems: string[] = [];
  for (const [name, shape] of expected) {
    const found = stored.get(name);
    if (found === undefined) problems.push(`missing ${PREFIX}${transformersName(name)}`);
    else if (String(found.lazy.shape) !== String(shape)) {
      problems.push(`${found.key} is [${found.lazy.shape}], the model needs [${shape}]`);
    }
  }
  for (const [name, { key }] of stored) if (!expected.has(name)) problems.push(`surplus ${key}`);
  if (problems.length > 0) throw new CheckpointError(`${file}: ${listed(problems)}`);
  try {
    return new Map(
      [...expected.keys()].map((name) => {
        const { lazy } = stored.get(name)!;
        const target = {
          ...(dtype ? { dtype } : {}),
          device: device ?? weights.values().next().value!.device,
        };
        return [name, keep(scope(() => lazy.read().toCopy(target)))] as const;
      }),
    );
  } finally {
    tensors.close();
  }
}

/**
 * Write the adapter of a model into a folder that exists.
 * @param base_model_name_or_path Only a note for the reader.
 */
export function writeLoraFiles(
  folder: string,
  model: AdaptedModel,
  adapter: LoraAdapter,
  base_model_name_or_path?: string,
): void {
  const { transformersName } = familyOf(model.config);
  const { config } = adapter;
  const json = {
    peft_type: 'LORA',
    base_model_name_or_path: base_model_name_or_path ?? null,
    r: config.r,
    lora_alpha: config.lora_alpha,
    lora_dropout: 0,
    use_rslora: config.use_rslora,
    use_dora: false,
    bias: 'none',
    fan_in_fan_out: false,
    init_lora_weights: true,
    inference_mode: true,
    modules_to_save: null,
    target_modules: config.target_modules,
    exclude_modules: config.exclude_modules ?? null,
    task_type: null,
  };
  const named = [...adapter.weights].map(
    ([name, tensor]) => [`${PREFIX}${transformersName(name)}`, tensor] as const,
  );
  writeFileAtomic(join(folder, CONFIG_FILE), `${JSON.stringify(json, null, 2)}\n`);
  saveSafetensors(join(folder, WEIGHTS_FILE), new Map(named));
}

function isPlain(key: string, value: unknown): boolean {
  const allowed = PLAIN.get(key);
  if (allowed === undefined || value === null || value === undefined || allowed.includes(value)) return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}
