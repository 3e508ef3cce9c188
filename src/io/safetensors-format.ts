/**
 * The safetensors file format, as pure functions over bytes: 8 bytes of header length (little-endian), a JSON header
 * `{name: {dtype, shape, data_offsets}, __metadata__?}`, then the packed little-endian data.
 *
 * The reader follows the rules of the reference implementation (huggingface/safetensors `safetensors/src/tensor.rs`)
 * and is stricter in one point the format asks for but parsers forget: duplicate keys are refused, since JSON.parse
 * would silently keep the last.
 */
import { CheckpointError, firstDuplicateKey, isDeeper } from '../base/index.ts';

/** Bytes of one element for every dtype of the format. */
export const DTYPE_BYTES = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  F64: 8,
  I64: 8,
  U64: 8,
} as const;

export type SafetensorsDType = keyof typeof DTYPE_BYTES;

/** One tensor of a file: `begin` and `end` are byte positions in the file itself (not in its data section). */
export interface TensorInfo {
  readonly name: string;
  readonly dtype: SafetensorsDType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  /** Tensors by name, in the order of their data. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Largest header the format allows, in bytes. */
export const MAX_HEADER_BYTES = 100_000_000;
/** More tensors than any model of the family has by far; beyond it a file is an attack on memory. */
export const MAX_TENSORS = 100_000;

const LENGTH_BYTES = 8;

/**
 * The header length from a file's first 8 bytes, checked against the file's length.
 * @throws CheckpointError when the file is too short, or the length is beyond the cap or the file.
 */
export function headerLength(
  first8: Uint8Array,
  fileLength: number,
  file: string,
  cap = MAX_HEADER_BYTES,
): number {
  if (first8.length < LENGTH_BYTES || fileLength < LENGTH_BYTES) {
    throw damaged(
      file,
      `is ${fileLength} bytes long; a safetensors file begins with 8 bytes of header length`,
    );
  }
  if (Buffer.from(first8).toString('latin1').startsWith('version ')) {
    throw new CheckpointError(`${file}: a pointer of Git LFS, in place of the weights`, {
      hint: 'Run "git lfs pull" in the folder, or download the file.',
    });
  }
  const length = new DataView(first8.buffer, first8.byteOffset, LENGTH_BYTES).getBigUint64(0, true);
  if (length > BigInt(cap))
    throw damaged(file, `says its header is ${length} bytes long; at most ${cap} are allowed`);
  if (BigInt(LENGTH_BYTES) + length > BigInt(fileLength)) {
    throw damaged(file, `says its header is ${length} bytes long, but the file has only ${fileLength} bytes`);
  }
  return Number(length);
}

/**
 * Parse and check the header of a file.
 * @param header the header's bytes, without the 8 bytes of its length
 * @param fileLength length of the whole file: the data must fill it exactly
 * @throws CheckpointError naming the file and the tensor at the first broken rule.
 */
export function parseHeader(header: Uint8Array, fileLength: number, file: string): SafetensorsHeader {
  const dataBegin = LENGTH_BYTES + header.length;
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(header);
  } catch (cause) {
    throw damaged(file, 'has a header that is not valid UTF-8', cause);
  }
  if (!text.startsWith('{')) throw damaged(file, 'has a header that does not begin with "{"');
  // {tensor: {shape: [ has three levels.
  if (isDeeper(text, 3))
    throw damaged(file, 'has a header with lists and objects nested more than 3 levels deep');
  let json: Record<string, unknown>;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw damaged(file, `has a header that is not valid JSON (${(cause as Error).message})`, cause);
  }
  const duplicate = firstDuplicateKey(text);
  if (duplicate !== undefined)
    throw damaged(file, `names the key ${JSON.stringify(duplicate)} twice in its header`);

  const names = Object.keys(json).filter((name) => name !== '__metadata__');
  if (names.length > MAX_TENSORS)
    throw damaged(file, `holds ${names.length} tensors; at most ${MAX_TENSORS} are allowed`);
  const infos = names.map((name) => parseInfo(name, json[name], dataBegin, file));
  infos.sort((a, b) => a.begin - b.begin || a.end - b.end);

  let position = dataBegin;
  for (const info of infos) {
    if (info.begin !== position) {
      const what = info.begin < position ? 'overlaps the tensor before it' : 'leaves a hole before it';
      throw damaged(file, `has tensor ${info.name} at data offset ${info.begin - dataBegin}, which ${what}`);
    }
    position = info.end;
  }
  if (position !== fileLength) {
    const what = position > fileLength ? 'cut short' : 'followed by bytes that belong to no tensor';
    throw damaged(
      file,
      `is ${fileLength} bytes long, but its header describes ${position}: the data are ${what}`,
    );
  }
  return {
    tensors: new Map(infos.map((info) => [info.name, info])),
    metadata: parseMetadata(json['__metadata__'], file),
  };
}

/** A tensor to be written: name, dtype and shape; the bytes come later, in the order of `layOut`. */
export type TensorSpec = Pick<TensorInfo, 'name' | 'dtype' | 'shape'>;

/**
 * Lay tensors out in a file: widest dtype first (so that each begins at a multiple of its element size), then by name,
 * as the reference writer does. Returns the header bytes, length and padding included, and the order of the data.
 */
export function layOut<T extends TensorSpec>(
  specs: Iterable<T>,
  metadata: Readonly<Record<string, string>> = {},
): { header: Uint8Array; order: T[]; dataBytes: number } {
  const order = [...specs].sort(
    (a, b) => DTYPE_BYTES[b.dtype] - DTYPE_BYTES[a.dtype] || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0),
  );
  const json: Record<string, unknown> = {};
  if (Object.keys(metadata).length > 0) json['__metadata__'] = metadata;
  let position = 0;
  for (const { name, dtype, shape } of order) {
    if (name === '__metadata__' || Object.hasOwn(json, name)) {
      throw new CheckpointError(`internal: tensor name ${JSON.stringify(name)} is reserved or used twice`);
    }
    const end = position + byteLength({ dtype, shape });
    // defineProperty: a tensor may be called "__proto__" in a file of ours too
    Object.defineProperty(json, name, {
      value: { dtype, shape, data_offsets: [position, end] },
      enumerable: true,
    });
    position = end;
  }
  const text = Buffer.from(JSON.stringify(json), 'utf8');
  const padded = Math.ceil(text.length / 8) * 8;
  if (padded > MAX_HEADER_BYTES)
    throw new CheckpointError(`internal: a header of ${padded} bytes is too long to write`);
  const header = Buffer.alloc(LENGTH_BYTES + padded, 0x20);
  header.writeBigUInt64LE(BigInt(padded), 0);
  text.copy(header, LENGTH_BYTES);
  return { header, order, dataBytes: position };
}

/** Bytes a tensor's data take. */
export function byteLength({ dtype, shape }: Pick<TensorInfo, 'dtype' | 'shape'>): number {
  return shape.reduce((a, b) => a * b, 1) * DTYPE_BYTES[dtype];
}

function parseInfo(name: string, value: unknown, dataBegin: number, file: string): TensorInfo {
  const bad = (what: string) => damaged(file, `has tensor ${name} with ${what}`);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw bad('no {dtype, shape, data_offsets}');
  const { dtype, shape, data_offsets: offsets, ...rest } = value as Record<string, unknown>;
  const unknown = Object.keys(rest);
  if (unknown.length > 0) throw bad(`unknown field ${JSON.stringify(unknown[0])}`);
  if (typeof dtype !== 'string' || !Object.hasOwn(DTYPE_BYTES, dtype)) {
    throw bad(`dtype ${JSON.stringify(dtype)}; known are ${Object.keys(DTYPE_BYTES).join(', ')}`);
  }
  if (!isCountList(shape)) throw bad(`shape ${JSON.stringify(shape)}; expected whole numbers >= 0`);
  if (!isCountList(offsets) || offsets.length !== 2) {
    throw bad(`data_offsets ${JSON.stringify(offsets)}; expected two whole numbers >= 0`);
  }
  const [begin, end] = offsets as [number, number];
  if (end < begin) throw bad(`data_offsets [${begin}, ${end}], the end before the begin`);
  // BigInt: a product of hostile dimensions must not wrap or round into a plausible size
  const size = shape.reduce((a, b) => a * BigInt(b), BigInt(DTYPE_BYTES[dtype as SafetensorsDType]));
  if (size !== BigInt(end - begin)) {
    throw bad(
      `shape [${shape}] of ${dtype}, which takes ${size} bytes, but data_offsets span ${end - begin}`,
    );
  }
  return { name, dtype: dtype as SafetensorsDType, shape, begin: dataBegin + begin, end: dataBegin + end };
}

function isCountList(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0 && !Object.is(n, -0));
}

function parseMetadata(value: unknown, file: string): Record<string, string> {
  if (value === undefined) return {};
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw damaged(file, 'has a __metadata__ that is not an object');
  }
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string') throw damaged(file, `has __metadata__.${key} that is not a string`);
  }
  return value as Record<string, string>;
}

function damaged(file: string, what: string, cause?: unknown): CheckpointError {
  return new CheckpointError(`${file}: ${what}`, {
    cause,
    hint: 'The file is damaged, cut short or not a safetensors file: copy or convert it again.',
  });
}
