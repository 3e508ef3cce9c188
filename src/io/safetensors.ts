/**
 * Weights of a model folder as tensors, mapped from the disk instead of copied: libtorch maps each shard as bytes
 * (`from_file`), a weight is a typed view of its slice. Pages are read when first touched and may be dropped again by
 * the system, so a checkpoint needs about its own size of memory and never twice that. The mapping is private: writing
 * to a weight changes the process's copy of the page, not the file.
 *
 * Shard names come from the index, a file we do not trust: each must be a plain name of a regular file in the folder
 * (or, where the folder is a snapshot in Hugging Face's cache, in that repository's `blobs`).
 */
import { closeSync, existsSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { CheckpointError, checkJson, type FileWriter, insideFolder, readJsonFile } from '../base/index.ts';
import { type DType, empty, from_file, itemSize, keep, noGrad, scope, type Tensor } from '../tensor/index.ts';
import {
  headerLength,
  MAX_HEADER_BYTES,
  parseHeader,
  type SafetensorsDType,
  type TensorInfo,
} from './safetensors-format.ts';
import {
  INDEX_FILE,
  SINGLE_FILE,
  type TensorSource,
  type WeightFileOptions,
  writeSafetensorsFile,
  writeWeightFiles,
} from './safetensors-write.ts';

const ENGINE_DTYPES: Partial<Record<SafetensorsDType, DType>> = {
  BOOL: 'bool',
  U8: 'uint8',
  I8: 'int8',
  I16: 'int16',
  I32: 'int32',
  I64: 'int64',
  F16: 'float16',
  BF16: 'bfloat16',
  F32: 'float32',
  F64: 'float64',
};
const STORED_DTYPES = Object.fromEntries(
  Object.entries(ENGINE_DTYPES).map(([stored, dtype]) => [dtype, stored]),
);

/** A weight that is known but not read yet. */
export interface LazyTensor {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Bytes of the data. */
  readonly nbytes: number;
  /** The shard it lies in. */
  readonly file: string;
  /**
   * The tensor, on the CPU. It belongs to the caller's scope and shares the shard's mapping (a copy only where the
   * slice is not aligned to its element size). It stays valid after `close()` and after the file is replaced or removed.
   */
  read(): Tensor;
}

/** The weights of a file or folder by name. Mappings are made at the first `read()` of a shard. */
export class CheckpointFiles extends Map<string, LazyTensor> {
  /** `__metadata__` of the only, or first, file. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly #shards: readonly Shard[];

  constructor(shards: readonly Shard[]) {
    super();
    this.#shards = shards;
    this.metadata = shards[0]?.metadata ?? {};
    for (const shard of shards) {
      for (const info of shard.tensors.values()) {
        const other = this.get(info.name);
        if (other !== undefined) {
          throw new CheckpointError(
            `${shard.file}: tensor ${info.name} lies also in ${basename(other.file)}`,
          );
        }
        this.set(info.name, shard.lazy(info));
      }
    }
  }

  /** Let go of the mappings; tensors already read keep theirs. Reading again maps again. */
  close(): void {
    for (const shard of this.#shards) shard.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

class Shard {
  readonly file: string;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly #length: number;
  #bytes: Tensor | undefined;

  constructor(file: string, maxHeaderBytes: number) {
    this.file = file;
    const fd = open(file);
    try {
      const stat = fstatSync(fd);
      if (!stat.isFile()) throw new CheckpointError(`${file}: not a regular file`);
      this.#length = stat.size;
      const first = readExactly(fd, 0, Math.min(8, stat.size));
      const header = readExactly(fd, 8, headerLength(first, stat.size, file, maxHeaderBytes));
      const { tensors, metadata } = parseHeader(header, stat.size, file);
      this.tensors = tensors;
      this.metadata = metadata;
    } finally {
      closeSync(fd);
    }
  }

  lazy(info: TensorInfo): LazyTensor {
    const { file } = this;
    const dtype = ENGINE_DTYPES[info.dtype];
    if (dtype === undefined) {
      throw new CheckpointError(
        `${file}: tensor ${info.name} is ${info.dtype}; supported are ${Object.keys(ENGINE_DTYPES).join(', ')}`,
        { hint: 'Use the unquantized checkpoint.' },
      );
    }
    const { name, shape } = info;
    return { name, dtype, shape, nbytes: info.end - info.begin, file, read: () => this.#read(info, dtype) };
  }

  close(): void {
    this.#bytes?.dispose();
    this.#bytes = undefined;
  }

  #read({ begin, end, shape }: TensorInfo, dtype: DType): Tensor {
    return noGrad(() =>
      scope('read a weight', () => {
        this.#bytes ??= keep(from_file(this.file, false, this.#length, { dtype: 'uint8' }));
        const slice = this.#bytes.narrow(0, begin, end - begin);
        const aligned = begin % itemSize(dtype) === 0 ? slice : slice.clone();
        const view = aligned.view(dtype).view([...shape]);
        // `set_` onto an empty tensor instead of the view itself: views of one base share a version counter, and
        // an optimizer writing one weight must not count as a change of all others.
        return empty([0], { dtype }).set_(view);
      }),
    );
  }
}

/**
 * Open one safetensors file (an adapter, a golden) without reading its data.
 * @param maxHeaderBytes cap on the header, for files of known small size
 * @throws CheckpointError naming file and tensor at the first broken rule of the format
 */
export function openSafetensors(file: string, { maxHeaderBytes = MAX_HEADER_BYTES } = {}): CheckpointFiles {
  return new CheckpointFiles([new Shard(file, maxHeaderBytes)]);
}

/**
 * Open the weights of a model folder: `model.safetensors`, or the shards of `model.safetensors.index.json`.
 * @param options.mayLack True for a key that the index may list though no shard has it.
 * @throws CheckpointError naming file and key: no weights, both forms at once, a shard missing or outside the folder,
 *   shards and index in contradiction, a damaged file
 */
export function loadCheckpoint(
  dir: string,
  { mayLack = () => false }: { readonly mayLack?: (key: string) => boolean } = {},
): CheckpointFiles {
  const single = join(dir, SINGLE_FILE);
  const index = join(dir, INDEX_FILE);
  const hasSingle = existsSync(single);
  const hasIndex = existsSync(index);
  if (hasSingle && hasIndex) {
    throw new CheckpointError(`${dir}: holds both ${SINGLE_FILE} and ${INDEX_FILE}: which are the weights?`, {
      hint: 'Remove the one that is left over.',
    });
  }
  if (hasIndex) return loadShards(dir, index, mayLack);
  if (!hasSingle) {
    const [found, hint] = otherWeights(dir);
    throw new CheckpointError(`${dir}: no ${SINGLE_FILE} and no ${INDEX_FILE}${found}`, { hint });
  }
  return new CheckpointFiles([
    new Shard(insideFolder(dir, SINGLE_FILE, `${dir}: weights`), MAX_HEADER_BYTES),
  ]);
}

/** Weights in other forms that lie in a folder without safetensors, and what to do about it. */
function otherWeights(dir: string): readonly [found: string, hint: string] {
  const names = existsSync(dir) ? readdirSync(dir) : [];
  const first = (pattern: RegExp) => names.find((name) => pattern.test(name));
  const pickle = first(/^(pytorch_model.*|adapter_model)\.bin$|\.pth?$|\.ckpt$/);
  if (pickle !== undefined) {
    return [
      `, but ${pickle}`,
      'Pickled weights are never loaded, they can run code: convert them to safetensors (in Python, from_pretrained and save_pretrained of transformers).',
    ];
  }
  const gguf = first(/\.gguf$/);
  if (gguf !== undefined) {
    return [
      `, but ${gguf}`,
      'GGUF files are quantized for another program: use the folder with the original safetensors weights.',
    ];
  }
  const sharded = first(/_\d+-of-\d+\.safetensors$|-\d+-of-\d+\.safetensors$/);
  if (sharded !== undefined) {
    return [`, but ${sharded}`, `The folder is incomplete: copy ${INDEX_FILE} into it.`];
  }
  const global_step = first(/^global_step\d+$|^pytorch_model_fsdp_\d+$/);
  if (global_step !== undefined) {
    return [
      `, but ${global_step}`,
      'These are the shards of a distributed run: gather them (DeepSpeed: zero_to_fp32.py; accelerate: merge-weights) and save a model folder.',
    ];
  }
  return ['', 'Give the folder of a model, with its weights.'];
}

const indexSchema = z.looseObject({ weight_map: z.record(z.string(), z.string()) });

function loadShards(dir: string, index: string, mayLack: (key: string) => boolean): CheckpointFiles {
  const { weight_map } = checkJson(indexSchema, readJsonFile(index, { uniqueKeys: true }), index, []);
  // Each shard with one of its keys, for messages.
  const shards = new Map(Object.entries(weight_map).map(([key, name]) => [name, key]));
  if (shards.size === 0) throw new CheckpointError(`${index}: weight_map is empty`);
  const files = new CheckpointFiles(
    [...shards]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, key]) => new Shard(insideFolder(dir, name, `${index}: ${key}: shard`), MAX_HEADER_BYTES)),
  );
  const problems: string[] = [];
  for (const [key, name] of Object.entries(weight_map)) {
    const found = files.get(key);
    if (found === undefined) {
      if (!mayLack(key)) problems.push(`${key} is not in ${name}`);
    } else if (basename(found.file) !== name)
      problems.push(`${key} is in ${basename(found.file)}, not in ${name}`);
  }
  for (const [key, { file }] of files) {
    if (!Object.hasOwn(weight_map, key))
      problems.push(`${key} of ${basename(file)} is missing in weight_map`);
  }
  if (problems.length > 0)
    throw new CheckpointError(`${index}: ${listed(problems)}`, {
      hint: 'The index and the shards are not of one save: copy or save the folder again.',
    });
  return files;
}

/** At most twelve items of a list of problems, and how many more there are. */
export function listed(problems: readonly string[]): string {
  const shown = problems.slice(0, 12).join('; ');
  return problems.length > 12 ? `${shown}; and ${problems.length - 12} more` : shown;
}

/** A weight to be written: known by dtype and shape, read only when its turn comes. */
export type WeightSource = Pick<LazyTensor, 'dtype' | 'shape' | 'read'>;

/** Its dtype, its shape, and its bytes in pieces without doubling the memory. */
function tensorSource(name: string, { dtype, shape, read }: WeightSource): TensorSource {
  return {
    name,
    dtype: STORED_DTYPES[dtype] as SafetensorsDType,
    shape,
    write: (put) =>
      noGrad(() =>
        scope('write a weight', () => {
          const bytes = read().detach().contiguous().reshape([-1]).view('uint8');
          for (let begin = 0; begin < bytes.numel(); begin += WRITE_CHUNK) {
            const length = Math.min(WRITE_CHUNK, bytes.numel() - begin);
            put(scope(() => bytes.narrow(0, begin, length).toTypedArray() as Uint8Array));
          }
        }),
      ),
  };
}

/** Tensors as weights to be written. */
export function sourcesOf(tensors: ReadonlyMap<string, Tensor>): Map<string, WeightSource> {
  return new Map(
    [...tensors].map(([name, tensor]) => [
      name,
      { dtype: tensor.dtype, shape: tensor.shape, read: () => tensor },
    ]),
  );
}

const WRITE_CHUNK = 16 << 20;

/** Write tensors to one safetensors file, atomically. */
export function saveSafetensors(
  file: string,
  tensors: ReadonlyMap<string, Tensor>,
  metadata?: Readonly<Record<string, string>>,
  writer?: FileWriter,
): void {
  const sources = [...sourcesOf(tensors)].map(([name, source]) => tensorSource(name, source));
  writeSafetensorsFile(file, sources, metadata, writer);
}

/** Write tensors as the weights of a model folder. See `saveWeights`. */
export function saveCheckpoint(
  dir: string,
  tensors: ReadonlyMap<string, Tensor>,
  options: WeightFileOptions = {},
): string[] {
  return saveWeights(dir, sourcesOf(tensors), options);
}

/**
 * Write the weights of a model folder, in shards of at most `max_shard_size` bytes with their index; one weight is in memory at
 * a time.
 * @returns names of the files written
 */
export function saveWeights(
  dir: string,
  weights: ReadonlyMap<string, WeightSource>,
  options: WeightFileOptions = {},
): string[] {
  return writeWeightFiles(
    dir,
    [...weights].map(([name, source]) => tensorSource(name, source)),
    options,
  );
}

function open(file: string): number {
  try {
    return openSync(file, 'r');
  } catch (cause) {
    throw new CheckpointError(`${file}: cannot be read (${(cause as NodeJS.ErrnoException).code})`, {
      cause,
    });
  }
}

function readExactly(fd: number, position: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const count = readSync(fd, bytes, done, length - done, position + done);
    if (count === 0) break;
    done += count;
  }
  return bytes.subarray(0, done);
}
