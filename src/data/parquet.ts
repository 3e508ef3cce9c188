/**
 * Records of a Parquet file, as verl, EasyR1 and Hugging Face datasets write them. Decoded by hyparquet a row group at a time; its parts
 * are called one by one because all reading of question files is synchronous, and its own `parquetRead` is not.
 * Source: hyparquet `src/rowgroup.js` (`readRowGroup`, `assembleAsync`).
 */
import { parquetMetadata, parquetSchema } from 'hyparquet';
import { assembleNested } from 'hyparquet/src/assemble.js';
import { parquetHeader, readColumn } from 'hyparquet/src/column.js';
import { DEFAULT_PARSERS } from 'hyparquet/src/convert.js';
import { getTreePath } from 'hyparquet/src/schema.js';
import { flatten } from 'hyparquet/src/utils.js';
import { compressors as all } from 'hyparquet-compressors';
import { DataError, readWholeFile, recordOf, UnreadableFile, withinTime } from '../base/index.ts';

/** What writers of data sets use. LZ4 is left out: pages of pyarrow come out of its decompressor as an error. */
const { LZ4: _lz4, LZ4_RAW: _raw, ...read } = all;
const compressors: typeof all = read;

type Metadata = ReturnType<typeof parquetMetadata>;

/** True where the file begins as Parquet files do. */
export function isParquet(head: Uint8Array): boolean {
  return Buffer.from(head.subarray(0, 4)).toString('latin1') === 'PAR1';
}

/**
 * All records, columns that are null left out. Whole numbers beyond 2^53 stay texts of digits.
 * @throws DataError for a damaged file, and for a compression that is not read, by its name
 */
export function readParquet(path: string): Record<string, unknown>[] {
  const bytes = readBytes(path);
  const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  const limitMs = BASE_MS + Math.ceil(bytes.length / BYTES_A_MS);
  try {
    return withinTime(
      limitMs,
      () => {
        const metadata = parquetMetadata(buffer);
        checkSize(metadata, path);
        return metadata.row_groups.flatMap((group) => readGroup(buffer, metadata, group, path));
      },
      () => damaged(path, `it was not read within ${Math.round(limitMs / 1000)} s`),
    );
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    throw damaged(path, String((cause as Error).message).slice(0, 300), cause);
  }
}

/** A few bytes of Parquet can say that they are billions of rows: what is told is bounded before anything is made of it. */
const MAX_BYTES = 2 ** 30;
const MAX_ROWS = 5_000_000;
/** Rows times columns, and values of one column in one row group (a list has several a row). */
const MAX_CELLS = 100_000_000;
const MAX_VALUES = 20_000_000;
const MAX_PAGE_BYTES = 2 ** 28;
/** Time for any file, and for its size: ten times what a slow machine takes. */
const BASE_MS = 20_000;
const BYTES_A_MS = 1000;

function readBytes(path: string): Buffer<ArrayBuffer> {
  try {
    return readWholeFile(path, MAX_BYTES);
  } catch (cause) {
    if (!(cause instanceof UnreadableFile)) throw cause;
    throw new DataError(`${path}: ${cause.message}`, { hint: 'write the rows to several files', cause });
  }
}

function damaged(path: string, reason: string, cause?: unknown): DataError {
  return new DataError(`${path}: no Parquet file that can be read (${reason})`, {
    hint: 'write it again, or convert it to JSON Lines: pandas.read_parquet(f).to_json(g, orient="records", lines=True)',
    cause,
  });
}

function checkSize(metadata: Metadata, path: string): void {
  const numRows = metadata.row_groups.reduce((sum, group) => sum + Number(group.num_rows), 0);
  const isNegative = metadata.row_groups.some((group) => !(Number(group.num_rows) >= 0));
  const numColumns = Math.max(1, metadata.schema.length);
  if (isNegative || numRows > MAX_ROWS || numRows * numColumns > MAX_CELLS)
    throw damaged(
      path,
      `it says that it has ${numRows} rows of ${numColumns} columns; at most ${MAX_ROWS} rows and ${MAX_CELLS} cells are read`,
    );
}

/** Sizes that the pages of a column chunk state, before they are unpacked. */
function checkPages(view: DataView, column: string, path: string): void {
  const reader = { view, offset: 0 };
  let numValues = 0;
  while (reader.offset < view.byteLength - 1) {
    const header = parquetHeader(reader);
    const { compressed_page_size: packed, uncompressed_page_size: size } = header;
    const values =
      header.data_page_header?.num_values ??
      header.data_page_header_v2?.num_values ??
      header.dictionary_page_header?.num_values ??
      0;
    numValues += values;
    if (!(packed >= 0 && size >= 0 && size <= MAX_PAGE_BYTES && values >= 0 && numValues <= MAX_VALUES))
      throw damaged(
        path,
        `a page of column ${column} has ${packed} bytes, unpacked ${size}, and ${values} values; at most ${MAX_PAGE_BYTES} bytes a page and ${MAX_VALUES} values a column are read`,
      );
    reader.offset += packed;
  }
}

function readGroup(
  buffer: ArrayBuffer,
  metadata: Metadata,
  group: Metadata['row_groups'][number],
  path: string,
): Record<string, unknown>[] {
  const numRows = Number(group.num_rows);
  const schema = parquetSchema(metadata);
  const leaves = new Map<string, ArrayLike<unknown>>();
  for (const { meta_data } of group.columns) {
    if (meta_data === undefined) continue;
    const { codec, path_in_schema } = meta_data;
    if (codec !== 'UNCOMPRESSED' && compressors[codec] === undefined)
      throw new DataError(
        `${path}: column ${path_in_schema[0]} is compressed with ${codec}, which is not read`,
        {
          hint: `write it with one of ${Object.keys(compressors).join(', ').toLowerCase()}`,
        },
      );
    const schemaPath = getTreePath(schema, path_in_schema);
    const begin = Number(meta_data.dictionary_page_offset ?? meta_data.data_page_offset);
    const view = new DataView(buffer, begin, Number(meta_data.total_compressed_size));
    checkPages(view, path_in_schema.join('.').slice(0, 100), path);
    const { data } = readColumn(
      { view, offset: 0 },
      { groupStart: 0, selectStart: 0, selectEnd: numRows, groupRows: numRows },
      {
        ...meta_data,
        pathInSchema: path_in_schema,
        element: schemaPath.at(-1)!.element,
        schemaPath,
        parsers: DEFAULT_PARSERS,
        compressors,
      },
    );
    leaves.set(path_in_schema.join('.'), flatten(data));
  }
  const rows = Array.from({ length: numRows }, () => recordOf<unknown>([]));
  for (const child of schema.children) {
    const { name } = child.element;
    if (child.children.length > 0) assembleNested(leaves as never, child, DEFAULT_PARSERS);
    const column = leaves.get(name);
    rows.forEach((row, index) => {
      const value = plain(column?.[index]);
      if (value !== undefined) row[name] = value;
    });
  }
  return rows;
}

/** JSON's types for Parquet's; bytes stay what they are, for the reader to refuse by the field's name. */
function plain(value: unknown): unknown {
  if (value === null || value === undefined) return undefined;
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return value.map((one) => plain(one) ?? null);
  if (typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, one]) => {
      const known = plain(one);
      return known === undefined ? [] : [[key, known]];
    }),
  );
}
