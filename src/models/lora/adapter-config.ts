/**
 * `adapter_config.json` as PEFT writes it, brought to what plain LoRA needs. What plain LoRA does not do is refused with what it is and
 * what to do about it: ignoring it would load another model.
 *
 * Source: huggingface/peft 0.21 `tuners/lora/config.py`, `utils/peft_types.py`.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { CheckpointError, checkJson, type Notice, readJsonFile } from '../../base/index.ts';
import { listed } from '../../io/index.ts';
import type { LoraConfig } from './lora.ts';

export const ADAPTER_CONFIG = 'adapter_config.json';

const names = z.union([z.string(), z.array(z.string()).min(1)]);
const numbers = z.record(z.string(), z.number().positive()).nullish();
const schema = z.looseObject({
  base_model_name_or_path: z.string().nullish(),
  r: z.number().int().positive(),
  lora_alpha: z.number().positive(),
  use_rslora: z.boolean().nullish(),
  init_lora_weights: z.union([z.boolean(), z.string()]).nullish(),
  target_modules: names.nullish(),
  exclude_modules: names.nullish(),
  layers_to_transform: z.unknown().optional(),
  rank_pattern: numbers,
  alpha_pattern: numbers,
  modules_to_save: z.array(z.string()).nullish(),
  ensure_weight_tying: z.boolean().nullish(),
  fan_in_fan_out: z.boolean().nullish(),
});

/** Keys that change the formula when they hold anything but nothing, with what they stand for. */
const NOT_PLAIN: Readonly<Record<string, string>> = {
  bias: 'biases of the model that were trained along',
  use_dora: 'DoRA, which also trains the length of the weights',
  use_qalora: 'QALoRA',
  use_bdlora: 'block-diagonal LoRA',
  lora_bias: 'a bias inside the adapter',
  layer_replication: 'a model with repeated layers',
  target_parameters: 'adapters on parameters that are no layers',
  trainable_token_indices: 'rows of the embedding that were trained along',
  alora_invocation_tokens: 'activated LoRA, which acts on a part of the prompt',
  arrow_config: 'Arrow, which chooses among several adapters',
  velora_config: 'VeLoRA',
  monteclora_config: 'MonteCLoRA',
  kasa_config: 'KaSA',
};

/** Kinds of PEFT that are no change of weights, so nothing can be merged. */
const PROMPTS = /PROMPT|P_TUNING|PREFIX|CPT|CARTRIDGE|XLORA|POLY/;

/** Ways to begin that leave the model's weights as they are; what was trained is plain LoRA. */
const PLAIN_BEGINNINGS: readonly unknown[] = [true, false, 'gaussian', 'eva', 'orthogonal', 'mica'];

const MERGE =
  'merge the adapter into its model with PEFT (merge_and_unload, save_pretrained) and load the merged folder';

/** A config that says plain LoRA. */
export interface AdapterConfig extends LoraConfig {
  /** The file it was read from. */
  readonly file: string;
  readonly base_model_name_or_path: string | undefined;
  /** True where only some layers were chosen by their number, so that `target_modules` does not say which. */
  readonly isByLayer: boolean;
  /** A trained embedding serves as head too, where the two are one. */
  readonly ensure_weight_tying: boolean;
}

/**
 * Read the config of an adapter folder.
 * @throws CheckpointError naming file and key: no adapter there, another kind of adapter, or one that also changed the base weights
 */
export function readAdapterConfig(dir: string, notice: Notice): AdapterConfig {
  const file = join(dir, ADAPTER_CONFIG);
  if (!existsSync(file) && existsSync(join(dir, 'config.json'))) {
    throw new CheckpointError(`${dir}: a model, where an adapter was expected`, {
      hint: 'give this folder as the model, without an adapter',
    });
  }
  const json = readJsonFile(file);
  const { peft_type } = checkJson(z.looseObject({ peft_type: z.string() }), json, file, []);
  if (peft_type !== 'LORA') {
    throw new CheckpointError(
      `${file}: peft_type is ${JSON.stringify(peft_type)}; only adapters of peft_type LORA can be put on a model here`,
      {
        hint: PROMPTS.test(peft_type)
          ? 'it adds to the prompt or chooses among adapters, so it can not be merged into weights: train a LoRA adapter instead'
          : MERGE,
      },
    );
  }
  const raw = checkJson(schema, json, file, []);
  checkPlain(raw, file);
  checkBeginning(raw.init_lora_weights ?? true, file);
  if (raw.fan_in_fan_out === true)
    notice(
      `${file}: fan_in_fan_out is true, which means nothing for linear layers: taken as false, as PEFT does`,
    );
  return {
    file,
    base_model_name_or_path: raw.base_model_name_or_path ?? undefined,
    r: raw.r,
    lora_alpha: raw.lora_alpha,
    use_rslora: raw.use_rslora ?? false,
    target_modules: raw.target_modules ?? [],
    exclude_modules: raw.exclude_modules ?? undefined,
    ...(isNothing(raw.rank_pattern) ? {} : { rank_pattern: raw.rank_pattern! }),
    ...(isNothing(raw.alpha_pattern) ? {} : { alpha_pattern: raw.alpha_pattern! }),
    ...(isNothing(raw.modules_to_save) ? {} : { modules_to_save: raw.modules_to_save! }),
    isByLayer: !isNothing(raw.layers_to_transform),
    ensure_weight_tying: raw.ensure_weight_tying ?? false,
  };
}

function checkPlain(raw: Readonly<Record<string, unknown>>, file: string): void {
  const strange = Object.entries(NOT_PLAIN).filter(
    ([key]) => !isNothing(raw[key]) && !(key === 'bias' && raw[key] === 'none'),
  );
  if (strange.length === 0) return;
  const found = strange.map(([key, what]) => `${key}: ${JSON.stringify(raw[key])} (${what})`);
  throw new CheckpointError(`${file}: only plain LoRA is supported; found ${listed(found)}`, { hint: MERGE });
}

function checkBeginning(init_lora_weights: boolean | string, file: string): void {
  if (PLAIN_BEGINNINGS.includes(init_lora_weights)) return;
  const way = String(init_lora_weights);
  const isConvertible = /^(pissa|olora|corda|lora_ga)/.test(way);
  throw new CheckpointError(
    isConvertible || way === 'loftq'
      ? `${file}: init_lora_weights is "${way}": such an adapter goes on weights that were changed when it was made; on the published ones it is another model`
      : `${file}: init_lora_weights is "${way}", which is not known here: it may have changed the base weights`,
    {
      hint: isConvertible
        ? 'convert it to plain LoRA in Python: save_pretrained(OUT, path_initial_model_for_weight_conversion=INITIAL) of PEFT, INITIAL being the adapter before training'
        : 'merge it with PEFT (merge_and_unload) into the very base model it was trained on, and load the merged folder',
    },
  );
}

/** Nothing, false, and empty lists and objects. */
function isNothing(value: unknown): boolean {
  if (value === undefined || value === null || value === false) return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}
