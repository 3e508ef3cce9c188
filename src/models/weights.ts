/**
 * The weights of a model folder, checked against its configuration and named as published; and the way back: a folder
 * of ours is a Hugging Face folder.
 *
 * Loading maps the files (see `io/safetensors.ts`): in their stored dtype on the CPU weights cost no copy at all.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  CheckpointError,
  insideFolder,
  type Notice,
  processWarning,
  writeFileAtomic,
  writeFolderAtomic,
} from '../base/index.ts';
import {
  type CheckpointFiles,
  type LazyTensor,
  loadCheckpoint,
  saveWeights,
  sourcesOf,
  type WeightFileOptions,
  type WeightSource,
} from '../io/index.ts';
import { type Device, noGrad, scope, type Tensor } from '../tensor/index.ts';
import type { ModelConfig, StoredDType } from './config.ts';
import { familyOf } from './families.ts';
import { EMBEDDING, examples, HEAD, unwrapName } from './stored-names.ts';

export interface LoadWeightsOptions {
  /** Cast to this dtype. Default: as stored, mapped from the disk. */
  readonly dtype?: StoredDType | undefined;
  /** Default `cpu`. */
  readonly device?: Device | undefined;
  /** Told of prefixes and keys that were passed over. Default: a warning of the process. */
  readonly notice?: Notice | undefined;
}

/**
 * Load all weights of a folder by their published names, in the order of the family's `weightShapes`. Both key layouts are read,
 * and the prefixes of known wrappers are taken off.
 * With tied embeddings there is no `lm_head.weight`; a folder that stores it all the same must store the embedding.
 * The tensors belong to the caller's scope.
 * @throws CheckpointError naming the folder and what is missing, unknown and mis-shaped, each with its number and examples
 */
export function loadWeights(
  dir: string,
  config: ModelConfig,
  { dtype, device = 'cpu', notice = processWarning }: LoadWeightsOptions = {},
): Map<string, Tensor> {
  const opened = openWeights(dir, config, notice);
  try {
    return readWeights(opened, config, { dtype, device });
  } finally {
    opened.files.close();
  }
}

function readWeights(
  { files, stored, tiedHead }: OpenedWeights,
  config: ModelConfig,
  { dtype, device }: { readonly dtype: StoredDType | undefined; readonly device: Device },
): Map<string, Tensor> {
  const shapes = familyOf(config).weightShapes(config);
  if (tiedHead !== undefined) checkTiedHead(tiedHead, stored.get(EMBEDDING));

  // Shard by shard, so that a cast never holds more than one shard besides its result.
  const loaded = new Map<string, Tensor>();
  const names = [...shapes.keys()].sort((a, b) => compare(fileOf(stored, a), fileOf(stored, b)));
  for (const [index, name] of names.entries()) {
    const lazy = stored.get(name) as LazyTensor;
    loaded.set(
      name,
      noGrad(() => scope(() => lazy.read().to({ dtype: dtype ?? lazy.dtype, device }))),
    );
    if (lazy.file !== fileOf(stored, names[index + 1])) files.close();
  }
  return new Map([...shapes.keys()].map((name) => [name, loaded.get(name) as Tensor]));
}

/** The weights of a folder, which are all there and of the right shapes; nothing is read yet. */
export interface OpenedWeights {
  /** To be closed. */
  readonly files: CheckpointFiles;
  /** By published name, without a tied head. */
  readonly stored: ReadonlyMap<string, LazyTensor>;
  /** The head that a folder with tied embeddings stores all the same. */
  readonly tiedHead: LazyTensor | undefined;
}

/** Open a folder's weights and check them by their headers. @throws CheckpointError as `loadWeights` */
export function openWeights(dir: string, config: ModelConfig, notice: Notice): OpenedWeights {
  const { publishedName, weightShapes } = familyOf(config);
  const nameOf = (key: string) => publishedName(unwrapName(key).name);
  const mayLack = (key: string) => config.tie_word_embeddings && nameOf(key) === HEAD;
  const files = loadCheckpoint(dir, { mayLack });
  try {
    const stored = byPublishedName(files, dir, nameOf, notice);
    const tiedHead = config.tie_word_embeddings ? stored.get(HEAD) : undefined;
    if (tiedHead !== undefined) stored.delete(HEAD);
    checkFit(stored, weightShapes(config), dir);
    return { files, stored, tiedHead };
  } catch (error) {
    files.close();
    throw error;
  }
}

/**
 * The weights of a folder by the headers of its files alone: whether they are there, and of the shapes that the
 * configuration asks for. Nothing else is read.
 * @throws CheckpointError as `loadWeights`
 */
export function checkWeights(
  dir: string,
  config: ModelConfig,
  notice: Notice = processWarning,
): ReadonlyMap<string, Stored> {
  const { files, stored } = openWeights(dir, config, notice);
  files.close();
  return stored;
}

export interface SaveModelOptions {
  /** Model folder whose tokenizer, templates, processor and generation settings are copied. */
  readonly from?: string | undefined;
  /** Bytes in a shard at most. Default 5 GB. */
  readonly max_shard_size?: number | undefined;
  /** Overwrite an existing folder. */
  readonly replace?: boolean | undefined;
}

/** How the files of a model are written into a folder that exists. */
export type ModelFilesOptions = Pick<SaveModelOptions, 'from'> & WeightFileOptions;

/** Everything beside config and weights that makes a folder usable; copied where present. */
const COMPANION_FILES = [
  'added_tokens.json',
  'chat_template.jinja',
  'chat_template.json',
  'generation_config.json',
  'merges.txt',
  'preprocessor_config.json',
  'processor_config.json',
  'special_tokens_map.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'video_preprocessor_config.json',
  'vocab.json',
] as const;

/**
 * Write a model folder in the published style: config, weights under published names, and the companions of `from`.
 * The folder appears whole or not at all.
 * @param weights by published name; exactly those the family's `weightShapes` lists
 * @throws CheckpointError when weights and config disagree; DataError when the folder exists and `replace` is not set
 */
export function saveModelFolder(
  dir: string,
  config: ModelConfig,
  weights: ReadonlyMap<string, Tensor>,
  { from, max_shard_size, replace = false }: SaveModelOptions = {},
): void {
  writeFolderAtomic(dir, (folder) => writeModelFiles(folder, config, weights, { from, max_shard_size }), {
    replace,
  });
}

/** The files of `saveModelFolder` in a folder that exists: for a checkpoint that holds more than the model. */
export function writeModelFiles(
  folder: string,
  config: ModelConfig,
  weights: ReadonlyMap<string, Tensor>,
  options: ModelFilesOptions = {},
): void {
  writeModelSources(folder, config, sourcesOf(weights), options);
}

/** The same of weights that are read one after another while they are written. @returns names of the weight files */
export function writeModelSources(
  folder: string,
  config: ModelConfig,
  weights: ReadonlyMap<string, WeightSource>,
  { from, max_shard_size, writer = writeFileAtomic }: ModelFilesOptions = {},
): string[] {
  const { weightShapes, writeConfig, storedName } = familyOf(config);
  checkFit(weights, weightShapes(config), folder);
  const stored = weights.get(EMBEDDING)?.dtype as StoredDType;
  for (const name of COMPANION_FILES) {
    if (from !== undefined && existsSync(join(from, name)))
      writer(join(folder, name), readFileSync(insideFolder(from, name, `${from}: file`)));
  }
  const json = JSON.stringify(writeConfig({ ...config, dtype: stored }), null, 2);
  writer(join(folder, 'config.json'), `${json}\n`);
  const named = new Map([...weights].map(([name, source]) => [storedName(name), source]));
  return saveWeights(folder, named, { max_shard_size, writer });
}

/** Buffers that old versions of transformers saved: they follow from the configuration. */
const DERIVED = /\.rotary(_pos)?_emb\.inv_freq$/;

function byPublishedName(
  files: CheckpointFiles,
  dir: string,
  nameOf: (key: string) => string,
  notice: Notice,
): Map<string, LazyTensor> {
  const stored = new Map<string, LazyTensor>();
  const wrapped = new Map<string, number>();
  const derived: string[] = [];
  for (const [key, lazy] of files) {
    const name = nameOf(key);
    if (DERIVED.test(name)) {
      derived.push(key);
      continue;
    }
    for (const wrapper of new Set(unwrapName(key).wrappers))
      wrapped.set(wrapper, (wrapped.get(wrapper) ?? 0) + 1);
    const other = stored.get(name);
    if (other !== undefined)
      throw new CheckpointError(`${dir}: keys ${other.name} and ${key} are the same weight`);
    stored.set(name, lazy);
  }
  for (const [wrapper, count] of wrapped)
    notice(`${dir}: "${wrapper}" was taken off the names of ${count} of ${files.size} weights`);
  if (derived.length > 0) notice(`${dir}: passed over ${derived.length} buffers: ${examples(derived)}`);
  return stored;
}

function checkTiedHead(head: LazyTensor, embedding: LazyTensor | undefined): void {
  const isSame = embedding !== undefined && noGrad(() => scope(() => head.read().equal(embedding.read())));
  if (!isSame) {
    throw new CheckpointError(
      `${head.file}: ${HEAD} differs from the embedding, but config.json has tie_word_embeddings: true`,
      { hint: 'Set tie_word_embeddings to false if the two were trained apart.' },
    );
  }
}

/** Dtype and shape of a tensor, or of a stored weight before it is read. */
export interface Stored {
  readonly dtype: string;
  readonly shape: readonly number[];
}

const WEIGHT_DTYPES: readonly string[] = ['float32', 'bfloat16', 'float16'];

function checkFit(
  stored: ReadonlyMap<string, Stored>,
  shapes: ReadonlyMap<string, readonly number[]>,
  dir: string,
): void {
  const missing: string[] = [];
  const misfits: string[] = [];
  for (const [name, expected] of shapes) {
    const found = stored.get(name);
    if (found === undefined) missing.push(name);
    else if (found.shape.join() !== expected.join()) {
      misfits.push(`${name} is [${found.shape.join(', ')}], expected [${expected.join(', ')}]`);
    } else if (!WEIGHT_DTYPES.includes(found.dtype)) {
      misfits.push(`${name} is ${found.dtype}, expected ${WEIGHT_DTYPES.join(', ')}`);
    }
  }
  const unknown = [...stored.keys()].filter((name) => !shapes.has(name));
  const problems = [
    describe('missing', missing),
    describe('unknown', unknown),
    describe('of another shape or dtype', misfits),
  ].filter((text) => text !== undefined);
  if (problems.length === 0) return;
  throw new CheckpointError(`${dir}: the weights do not fit config.json: ${problems.join('; ')}`, {
    hint: nextStep(stored, missing, unknown, shapes),
  });
}

function describe(kind: string, found: readonly string[]): string | undefined {
  return found.length === 0 ? undefined : `${found.length} ${kind}: ${examples(found)}`;
}

/** What was done wrong where the weights were saved, as far as their names and shapes tell. */
function nextStep(
  stored: ReadonlyMap<string, Stored>,
  missing: readonly string[],
  unknown: readonly string[],
  shapes: ReadonlyMap<string, readonly number[]>,
): string {
  const fitting = [...stored].filter(([name]) => shapes.has(name));
  if (fitting.some(([, { shape }]) => shape.includes(0))) {
    return 'Empty weights are what DeepSpeed ZeRO-3 saves without gathering: set stage3_gather_16bit_weights_on_model_save to true and save again, or run zero_to_fp32.py on the checkpoint.';
  }
  if (fitting.some(([name, { shape }]) => shape.length < shapes.get(name)!.length)) {
    return 'Flat weights are what FSDP saves without gathering: save again with a full state dict.';
  }
  if (unknown.some((name) => /\.(base_layer|lora_[AB]|original_module)\./.test(name))) {
    return 'The model was saved with its adapter still around the layers: call merge_and_unload() of PEFT before saving, or save the adapter alone.';
  }
  if (
    unknown.some((name) =>
      /\.(qweight|qzeros|scales|weight_scale(_inv)?|absmax|quant_map)$|quant_state/.test(name),
    )
  ) {
    return 'These are quantized weights: use the folder with the original ones.';
  }
  if (missing.length > 0 && missing.length === unknown.length) {
    return 'As many names are unknown as are missing: save the weights without the prefix, as save_pretrained of transformers does.';
  }
  if (missing.length > 0 && missing.every((name) => name.startsWith('visual.'))) {
    return 'The vision tower is not in the files: save the whole model, not its language model alone.';
  }
  if (missing.length === 1 && missing[0] === HEAD) {
    return 'The files hold no head: set tie_word_embeddings to true in config.json if the embedding is the head, else get the file with lm_head.weight.';
  }
  if (fitting.some(([, { dtype }]) => !WEIGHT_DTYPES.includes(dtype))) {
    return 'Save the weights in bfloat16, float16 or float32: model.to(torch.bfloat16).save_pretrained(…).';
  }
  const [rows] = stored.get(EMBEDDING)?.shape ?? [];
  if (rows !== undefined && rows !== shapes.get(EMBEDDING)?.[0]) {
    return `The vocabulary was resized: set vocab_size in config.json to ${rows}, the rows of the embedding.`;
  }
  return 'Config and weights must come from the same model; a sharded folder must be complete. "twgrpo inspect model" shows what config.json leaves out.';
}

function fileOf(stored: ReadonlyMap<string, LazyTensor>, name: string | undefined): string | undefined {
  return name === undefined ? undefined : stored.get(name)?.file;
}

function compare(a: string | undefined, b: string | undefined): number {
  return a === b ? 0 : (a ?? '') < (b ?? '') ? -1 : 1;
}
