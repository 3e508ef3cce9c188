/**
 * Adapters on disk as PEFT saves them: `adapter_config.json` and `adapter_model.safetensors` with keys
 * `base_model.model.<module>.lora_A.weight`. Modules are written under transformers 5's names; both key layouts are read.
 *
 * The tensors in the file say which modules are adapted: `target_modules` was written against the module names of one version of
 * transformers, and may mean others in another. Where the two differ, that is said.
 *
 * Source: huggingface/peft 0.21 `utils/save_and_load.py`, `tuners/lora/config.py`.
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  CheckpointError,
  type FileWriter,
  insideFolder,
  type Notice,
  processWarning,
  writeFileAtomic,
} from '../../base/index.ts';
import {
  type CheckpointFiles,
  type LazyTensor,
  listed,
  openSafetensors,
  saveSafetensors,
} from '../../io/index.ts';
import { type Device, type DType, keep, scope, type Tensor } from '../../tensor/index.ts';
import { familyOf } from '../families.ts';
import type { ModelFamily } from '../family.ts';
import { EMBEDDING, examples, HEAD, unwrapName } from '../stored-names.ts';
import { ADAPTER_CONFIG, type AdapterConfig, readAdapterConfig } from './adapter-config.ts';
import {
  type AdaptedModel,
  type AdaptedShapes,
  adapterOf,
  isAdaptable,
  type LoraAdapter,
  namesOf,
  pairWeightNames,
  rankOf,
  scaleOf,
  selected,
} from './lora.ts';
import { withPatternsOf } from './module-names.ts';

const WEIGHTS_FILE = 'adapter_model.safetensors';
const PREFIX = 'base_model.model.';

/** The tensors of an adapter folder, known by the header of their file. */
export interface OpenedAdapter {
  readonly config: AdapterConfig;
  /** To be closed. */
  readonly files: CheckpointFiles;
  /** Both halves of each pair, by the module's published name. */
  readonly pairs: ReadonlyMap<string, { readonly A: LazyTensor; readonly B: LazyTensor }>;
  /** Weights that take the place of the model's (`modules_to_save`), by published name. */
  readonly replaced: ReadonlyMap<string, LazyTensor>;
}

/**
 * Open an adapter folder; no tensor is read.
 * @throws CheckpointError naming file and key: another kind of adapter, pickled weights, half a pair, a tensor that is none of plain LoRA
 */
export function openAdapter(
  dir: string,
  { publishedName }: Pick<ModelFamily, 'publishedName'>,
  notice: Notice,
): OpenedAdapter {
  const config = readAdapterConfig(dir, notice);
  const file = join(dir, WEIGHTS_FILE);
  checkStored(dir, file);
  const files = openSafetensors(insideFolder(dir, WEIGHTS_FILE, `${dir}: weights`));
  const halves = new Map<string, { A?: LazyTensor; B?: LazyTensor }>();
  const replaced = new Map<string, LazyTensor>();
  const strange: string[] = [];
  const renamed: string[] = [];
  for (const [key, lazy] of files) {
    const { name, wrappers } = unwrapName(key);
    const [, module = '', half, adapter] = /^(.+)\.lora_([AB])(\.[^.]+)?\.weight$/.exec(name) ?? [];
    const isRaw =
      adapter !== undefined || wrappers.filter((one) => one !== PREFIX).length > 0 || wrappers.length > 1;
    if (isRaw) renamed.push(key);
    if (half !== undefined) {
      const published = publishedName(module);
      const pair = halves.get(published) ?? {};
      const other = pair[half as 'A' | 'B'];
      if (other !== undefined)
        throw new CheckpointError(`${file}: ${other.name} and ${key} are the same weight`);
      halves.set(published, { ...pair, [half]: lazy });
    } else if (/\.lora_/.test(name)) strange.push(`${key} (${meaningOf(name)})`);
    else if (!/\.original_module\./.test(name)) {
      replaced.set(publishedName(name.replace(/\.modules_to_save(\.[^.]+)?\.(?=[^.]+$)/, '.')), lazy);
    }
  }
  const single = [...halves].flatMap(([, { A, B }]) => (A && B ? [] : [(A ?? B)!.name]));
  if (strange.length > 0) {
    throw new CheckpointError(`${file}: no part of plain LoRA: ${listed(strange)}`, {
      hint: 'merge the adapter into its model with PEFT (merge_and_unload, save_pretrained) and load the merged folder',
    });
  }
  if (single.length > 0) {
    throw new CheckpointError(`${file}: the other half of the pair is missing: ${examples(single)}`, {
      hint: 'the file is incomplete: save or copy the adapter again',
    });
  }
  if (halves.size === 0) throw new CheckpointError(`${file}: holds no adapter weights`);
  if (renamed.length > 0)
    notice(`${file}: ${renamed.length} names were read without their wrappers: ${examples(renamed)}`);
  const pairs = halves as ReadonlyMap<string, { readonly A: LazyTensor; readonly B: LazyTensor }>;
  return { config, files, pairs, replaced };
}

/**
 * @param model Every adapted module must fit its weights.
 * @returns The adapter; its tensors are kept until disposed.
 * @throws CheckpointError naming file and key.
 */
export function loadLora(
  dir: string,
  model: AdaptedModel,
  options: { readonly dtype?: DType; readonly device?: Device; readonly notice?: Notice } = {},
): LoraAdapter {
  const opened = openAdapter(dir, familyOf(model.config), options.notice ?? processWarning);
  try {
    checkAdapter(opened, model, options.notice ?? processWarning);
    const target = {
      ...(options.dtype ? { dtype: options.dtype } : {}),
      device: options.device ?? model.weights.values().next().value!.device,
    };
    const read = (lazy: LazyTensor) => keep(scope(() => lazy.read().toCopy(target)));
    const pairs = new Map<string, Tensor>();
    // In the order of the model's weights, as a new adapter has them.
    for (const name of model.weights.keys()) {
      const module = name.replace(/\.weight$/, '');
      const pair = opened.pairs.get(module);
      if (pair === undefined) continue;
      const { A, B } = pairWeightNames(module);
      pairs.set(A, read(pair.A)).set(B, read(pair.B));
    }
    const replaced = new Map([...opened.replaced].map(([name, lazy]) => [name, read(lazy)]));
    const {
      file: _,
      base_model_name_or_path: __,
      isByLayer: ___,
      ensure_weight_tying: ____,
      ...config
    } = opened.config;
    // The head that stays as it was, beside a trained embedding.
    if (splitsHead(opened, model) && !replaced.has(HEAD))
      replaced.set(HEAD, keep(model.weights.get(EMBEDDING)!.toCopy({})));
    return adapterOf(config, pairs, familyOf(model.config), replaced);
  } finally {
    opened.files.close();
  }
}

/**
 * Hold an adapter against the model it is to go on.
 * @throws CheckpointError naming every tensor that does not fit
 */
export function checkAdapter(opened: OpenedAdapter, model: AdaptedShapes, notice: Notice): void {
  withPatternsOf(opened.config.file, () => checkAgainst(opened, model, notice));
}

function checkAgainst(opened: OpenedAdapter, model: AdaptedShapes, notice: Notice): void {
  const { config, pairs, replaced } = opened;
  const { weights } = model;
  const family = familyOf(model.config);
  const file = join(dirname(config.file), WEIGHTS_FILE);
  const unsupported = [...pairs].filter(
    ([module]) => weights.has(`${module}.weight`) && !isAdaptable(module, weights),
  );
  if (unsupported.length > 0 || pairs.has('lm_head')) {
    const [[module = 'lm_head'] = []] = unsupported;
    throw new CheckpointError(`${file}: holds an adapter on ${module}, which can not be adapted here`, {
      hint: 'merge the adapter into its model with PEFT (merge_and_unload, save_pretrained) and load the merged folder',
    });
  }
  const problems: string[] = [];
  const expectShape = ({ name, shape }: LazyTensor, expected: readonly number[]) => {
    if (String(shape) !== String(expected))
      problems.push(`${name} is [${shape}], the model needs [${expected}]`);
  };
  for (const [module, { A, B }] of pairs) {
    const stored = weights.get(`${module}.weight`);
    if (stored === undefined) {
      problems.push(`${A.name}: the model has no such layer`);
      continue;
    }
    const [out, into] = stored.shape as [number, number];
    const { r } = patterned(config, namesOf(module, family));
    if (A.shape[0] !== r)
      problems.push(`${A.name} has the rank ${A.shape[0]}, adapter_config.json says ${r}`);
    else {
      expectShape(A, [r, into]);
      expectShape(B, [out, r]);
    }
  }
  for (const [name, lazy] of replaced) {
    const stored = weights.get(name) ?? (name === HEAD ? weights.get(EMBEDDING) : undefined);
    if (stored === undefined) problems.push(`${lazy.name}: the model has no such weight`);
    else expectShape(lazy, stored.shape);
  }
  if (problems.length > 0) {
    throw new CheckpointError(`${file}: ${listed(problems)}`, {
      hint: 'the adapter must have been trained on this model; "twgrpo inspect model" shows both',
    });
  }
  if (!config.isByLayer) compareTargets(opened, model, notice);
}

/** What `target_modules` says beside what the file holds, in either layout of names. */
function compareTargets({ config, pairs }: OpenedAdapter, model: AdaptedShapes, notice: Notice): void {
  const { transformersName } = familyOf(model.config);
  try {
    const counts = [transformersName, (name: string) => name].map((naming) => {
      const named = selected(model, config, naming);
      return {
        count: named.length,
        isSame: named.length === pairs.size && named.every((name) => pairs.has(name)),
      };
    });
    if (counts.some(({ isSame }) => isSame)) return;
    notice(
      `${config.file}: target_modules means ${counts[0]!.count} layers of this model, the file holds ${pairs.size}: those of the file are adapted`,
    );
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    notice(
      `${config.file}: target_modules ${JSON.stringify(config.target_modules)} is no pattern that can be read here: the ${pairs.size} layers in the file are adapted`,
    );
  }
}

/** Rank and scale of a module. @throws CheckpointError where a pattern of the config can not be read */
export function patterned(config: AdapterConfig, names: readonly string[]): { r: number; scale: number } {
  try {
    return { r: rankOf(config, names), scale: scaleOf(config, names) };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new CheckpointError(`${config.file}: rank_pattern or alpha_pattern: ${error.message}`, {
      hint: 'write the names of the modules instead of a pattern',
    });
  }
}

/**
 * True where the adapter gives a model whose embedding serves as head a head of its own: PEFT trains a copy of either, unless
 * `ensure_weight_tying` was set; the other stays as it was.
 */
export function splitsHead(
  { config, replaced }: Pick<OpenedAdapter, 'config'> & { readonly replaced: ReadonlyMap<string, unknown> },
  model: Pick<AdaptedShapes, 'config'>,
): boolean {
  if (!model.config.tie_word_embeddings) return false;
  return replaced.has(HEAD) || (replaced.has(EMBEDDING) && !config.ensure_weight_tying);
}

/** @throws CheckpointError where an adapter folder has no weights, or pickled ones */
function checkStored(dir: string, file: string): void {
  if (existsSync(file)) return;
  const pickle = ['adapter_model.bin', 'adapter_model.pt', 'pytorch_model.bin'].find((name) =>
    existsSync(join(dir, name)),
  );
  throw new CheckpointError(`${dir}: no ${WEIGHTS_FILE}${pickle === undefined ? '' : `, but ${pickle}`}`, {
    hint:
      pickle === undefined
        ? 'the folder is incomplete: copy the weights of the adapter into it'
        : 'pickled weights are never loaded, they can run code: load the adapter in Python with PEFT and save it again (PeftModel.from_pretrained, save_pretrained), which writes safetensors',
  });
}

function meaningOf(name: string): string {
  if (name.includes('lora_magnitude')) return 'DoRA';
  if (name.includes('lora_embedding')) return 'an adapter on the embedding';
  return name.endsWith('.bias') ? 'a bias inside the adapter' : 'not known';
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
  writer: FileWriter = writeFileAtomic,
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
    modules_to_save: config.modules_to_save ?? null,
    rank_pattern: config.rank_pattern ?? {},
    alpha_pattern: config.alpha_pattern ?? {},
    ...targetsOf(model, adapter),
    task_type: null,
  };
  const named = (name: string) => `${PREFIX}${transformersName(name)}`;
  const tensors = [
    ...[...adapter.pairs].flatMap(([module, { A, B }]) => {
      const names = pairWeightNames(module);
      return [[named(names.A), A] as const, [named(names.B), B] as const];
    }),
    ...[...adapter.replaced].map(([name, tensor]) => [named(name), tensor] as const),
  ];
  writer(join(folder, ADAPTER_CONFIG), `${JSON.stringify(json, null, 2)}\n`);
  saveSafetensors(join(folder, WEIGHTS_FILE), new Map(tensors), undefined, writer);
}

/** The modules as the config names them, or one by one where it means others under today's names. */
function targetsOf(model: AdaptedModel, { config, pairs }: LoraAdapter) {
  const { transformersName } = familyOf(model.config);
  const isSaid = (() => {
    try {
      const named = selected(model, config, transformersName);
      return named.length === pairs.size && named.every((module) => pairs.has(module));
    } catch (error) {
      if (error instanceof SyntaxError) return false;
      throw error;
    }
  })();
  return isSaid
    ? { target_modules: config.target_modules, exclude_modules: config.exclude_modules ?? null }
    : { target_modules: [...pairs.keys()].map(transformersName), exclude_modules: null };
}
