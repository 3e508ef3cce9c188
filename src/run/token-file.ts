/**
 * `tokens/step-000123.bin`: what is known of every sampled token of a step, for heat maps and for checking the loss.
 *
 * Layout (little-endian), the same idea as safetensors:
 *
 *     8 bytes            length H of the header
 *     H bytes            JSON {format, step, rows: [{group, row, length}], arrays: {<name>: {dtype, offset, length}}},
 *                        padded with blanks so that the data begin at a multiple of 8
 *     data               the arrays at their offsets (bytes from the end of the header, multiples of 8)
 *
 * An array holds one value for each token of all rows one after another, so row r begins where the lengths before it end.
 * Readers ignore arrays they don't know.
 */
import { DataError } from '../base/index.ts';
import type { TokenRecord } from './step-records.ts';

export interface TokenFile {
  readonly step: number;
  readonly rows: readonly TokenRecord[];
}

const ARRAYS = {
  ids: 'int32',
  ends: 'int32',
  logps: 'float32',
  sampling_logps: 'float32',
  entropy: 'float32',
  weights: 'float32',
} as const;
const NAMES = Object.keys(ARRAYS) as (keyof typeof ARRAYS)[];

interface Header {
  readonly format: 1;
  readonly step: number;
  readonly rows: readonly { readonly group: number; readonly row: number; readonly length: number }[];
  readonly arrays: Readonly<
    Record<string, { readonly dtype: string; readonly offset: number; readonly length: number }>
  >;
}

/** The file's bytes. All arrays of a row must be of one length. */
export function encodeTokens({ step, rows }: TokenFile): Uint8Array {
  const total = rows.reduce((sum, { ids }) => sum + ids.length, 0);
  const stride = Math.ceil((total * 4) / 8) * 8;
  const header: Header = {
    format: 1,
    step,
    rows: rows.map(({ group, row, ids }) => ({ group, row, length: ids.length })),
    arrays: Object.fromEntries(
      NAMES.map((name, i) => [name, { dtype: ARRAYS[name], offset: i * stride, length: total }]),
    ),
  };
  const json = Buffer.from(JSON.stringify(header), 'utf8');
  const padding = (8 - (json.length % 8)) % 8;
  const start = 8 + json.length + padding;
  const bytes = Buffer.alloc(start + NAMES.length * stride, 0);
  bytes.writeBigUInt64LE(BigInt(json.length + padding), 0);
  json.copy(bytes, 8);
  bytes.fill(' ', 8 + json.length, start);
  NAMES.forEach((name, i) => {
    let at = start + i * stride;
    for (const record of rows) {
      const values = record[name];
      if (values.length !== record.ids.length)
        throw new Error(`internal: ${values.length} ${name} for ${record.ids.length} tokens`);
      const part = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
      part.copy(bytes, at);
      at += part.length;
    }
  });
  return bytes;
}

/**
 * Reads what `encodeTokens` wrote.
 * @param path named in errors
 * @throws DataError when the bytes are no such file, or are cut off
 */
export function decodeTokens(bytes: Uint8Array, path = 'token file'): TokenFile {
  const broken = (what: string, cause?: unknown) =>
    new DataError(`${path}: ${what}`, { hint: 'the file is damaged or of another kind', cause });
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerLength = buffer.length < 8 ? Number.POSITIVE_INFINITY : Number(buffer.readBigUInt64LE(0));
  if (headerLength > buffer.length - 8) throw broken('expected a header, the file ends before it');
  let header: Header;
  try {
    header = JSON.parse(buffer.toString('utf8', 8, 8 + headerLength)) as Header;
  } catch (cause) {
    throw broken('the header is not JSON', cause);
  }
  if (header?.format !== 1 || !Array.isArray(header.rows) || typeof header.arrays !== 'object')
    throw broken(`expected format 1 with rows and arrays, got format ${JSON.stringify(header?.format)}`);
  const total = header.rows.reduce((sum, { length }) => sum + length, 0);
  const flat = new Map(
    NAMES.map((name) => {
      const array = header.arrays[name];
      if (array?.dtype !== ARRAYS[name] || array.length !== total)
        throw broken(`expected ${total} ${ARRAYS[name]} values under ${name}, got ${JSON.stringify(array)}`);
      const from = 8 + headerLength + array.offset;
      if (from + total * 4 > buffer.length) throw broken(`${name} ends behind the end of the file`);
      // A copy: a view would need an aligned buffer.
      const part = Uint8Array.from(buffer.subarray(from, from + total * 4)).buffer;
      return [name, ARRAYS[name] === 'int32' ? new Int32Array(part) : new Float32Array(part)] as const;
    }),
  );
  let at = 0;
  const rows = header.rows.map(({ group, row, length }) => {
    const [from, to] = [at, at + length];
    at = to;
    const own = Object.fromEntries(NAMES.map((name) => [name, flat.get(name)!.subarray(from, to)]));
    return { group, row, ...own } as unknown as TokenRecord;
  });
  return { step: header.step, rows };
}
