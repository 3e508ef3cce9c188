/**
 * The weights of a model folder, checked against its configuration and named as published; and the way back: a folder
 * of ours is a Hugging Face folder.
 *
 * Loading maps the files (see `io/safetensors.ts`): in their stored dtype on the CPU weights cost no copy at all.
 */
import { copyFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { CheckpointError, writeFileAtomic, writeFolderAtomic } from '../base/index.ts';
import { type CheckpointFiles, type LazyTensor, loadCheckpoint, saveCheckpoint } from '../io/index.ts';
import { type Device, noGrad, scope, type Tensor } from '../tensor/index.ts';
import type { ModelConfig, StoredDType } from './config.ts';
import { familyOf } from './families.ts';

export interface LoadWeightsOptions {
  /** Cast to this dtype. Default: as stored, mapped from the disk. */
  readonly dtype?: StoredDType | undefined;
  /** Default `cpu`. */
  readonly device?: Device | undefined;
}

/**
 * Load all weights of a folder by their published names, in the order of the family's `weightShapes`. Both key layouts are read.
 * With tied embeddings there is no `lm_head.weight`; a folder that stores it all the same must store the embedding.
 * The tensors belong to the caller's scope.
 * @throws CheckpointError naming the folder and every missing, unknown or mis-shaped key at once
 */
export function loadWeights(
  dir: string,
  config: ModelConfig,
  { dtype, device = 'cpu' }: LoadWeightsOptions = {},
): Map<string, Tensor> {
  const files = loadCheckpoint(dir);
  try {
    return readWeights(files, dir, config, { dtype, device });
  } finally {
    files.close();
  }
}

function readWeights(
  files: CheckpointFiles,
  dir: string,
  config: ModelConfig,
  { dtype, device }: { readonly dtype: StoredDType | undefined; readonly device: Device },
): Map<string, Tensor> {
  const { stored, tiedHead } = fittingWeights(files, dir, config);
  const { weightShapes } = familyOf(config);
  const shapes = weightShapes(config);
  if (tiedHead !== undefined) checkTiedHead(tiedHead, stored.get('model.embed_tokens.weight'));

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

/** The stored weights without a tied head, which are all there and of the right shapes. */
function fittingWeights(
  files: CheckpointFiles,
  dir: string,
  config: ModelConfig,
): { readonly stored: Map<string, LazyTensor>; readonly tiedHead: LazyTensor | undefined } {
  const { publishedName, weightShapes } = familyOf(config);
  const stored = byPublishedName(files, dir, publishedName);
  const tiedHead = config.tie_word_embeddings ? stored.get('lm_head.weight') : undefined;
  if (tiedHead !== undefined) stored.delete('lm_head.weight');
  checkFit(stored, weightShapes(config), dir);
  return { stored, tiedHead };
}

/**
 * The weights of a folder by the headers of its files alone: whether they are there, and of the shapes that the
 * configuration asks for. Nothing else is read.
 * @throws CheckpointError as `loadWeights`
 */
export function checkWeights(dir: string, config: ModelConfig): ReadonlyMap<string, Stored> {
  const files = loadCheckpoint(dir);
  try {
    return fittingWeights(files, dir, config).stored;
  } finally {
    files.close();
  }
}

export interface SaveModelOptions {
  /** Model folder whose tokenizer, templates, processor and generation settings are copied. */
  readonly from?: string | undefined;
  /** Bytes in a shard at most. Default 5 GB. */
  readonly max_shard_size?: number | undefined;
  /** Overwrite an existing folder. */
  readonly replace?: boolean | undefined;
}

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
  { from, max_shard_size }: Pick<SaveModelOptions, 'from' | 'max_shard_size'> = {},
): void {
  const { weightShapes, writeConfig } = familyOf(config);
  checkFit(weights, weightShapes(config), folder);
  const stored = weights.get('model.embed_tokens.weight')?.dtype as StoredDType;
  for (const name of COMPANION_FILES) {
    if (from !== undefined && existsSync(join(from, name)))
      copyFileSync(join(from, name), join(folder, name));
  }
  const json = JSON.stringify(writeConfig({ ...config, dtype: stored }), null, 2);
  writeFileAtomic(join(folder, 'config.json'), `${json}\n`);
  saveCheckpoint(folder, weights, max_shard_size === undefined ? {} : { max_shard_size });
}

function byPublishedName(
  files: CheckpointFiles,
  dir: string,
  publishedName: (key: string) => string,
): Map<string, LazyTensor> {
  const stored = new Map<string, LazyTensor>();
  for (const [key, lazy] of files) {
    const name = publishedName(key);
    const other = stored.get(name);
    if (other !== undefined)
      throw new CheckpointError(`${dir}: keys ${other.name} and ${key} are the same weight`);
    stored.set(name, lazy);
  }
  return stored;
}

function checkTiedHead(head: LazyTensor, embedding: LazyTensor | undefined): void {
  const isSame = embedding !== undefined && noGrad(() => scope(() => head.read().equal(embedding.read())));
  if (!isSame) {
    throw new CheckpointError(
      `${head.file}: lm_head.weight differs from the embedding, but config.json has tie_word_embeddings: true`,
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
const MOST_KEYS_SHOWN = 100;

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
    hint: 'Config and weights must come from the same model; a sharded folder must be complete.',
  });
}

function describe(kind: string, keys: readonly string[]): string | undefined {
  if (keys.length === 0) return undefined;
  const rest = keys.length - MOST_KEYS_SHOWN;
  const shown = keys.slice(0, MOST_KEYS_SHOWN).join(', ');
  return `${keys.length} ${kind}: ${shown}${rest > 0 ? `, and ${rest} more` : ''}`;
}

function fileOf(stored: ReadonlyMap<string, LazyTensor>, name: string | undefined): string | undefined {
  return name === undefined ? undefined : stored.get(name)?.file;
}

function compare(a: string | undefined, b: string | undefined): number {
  return a === b ? 0 : (a ?? '') < (b ?? '') ? -1 : 1;
}
