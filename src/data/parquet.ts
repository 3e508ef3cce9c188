/**
 * Records of a Parquet file, as verl, EasyR1 and Hugging Face datasets write them. Decoded by hyparquet a row group at a time; its parts
 * are called one by one because all reading of question files is synchronous, and its own `parquetRead` is not.
 * Source: hyparquet `src/rowgroup.js` (`readRowGroup`, `assembleAsync`).
 */
import { readFileSync } from 'node:fs';
import { parquetMetadata, parquetSchema } from 'hyparquet';
import { assembleNested } from 'hyparquet/src/assemble.js';
import { readColumn } from 'hyparquet/src/column.js';
import { DEFAULT_PARSERS } from 'hyparquet/src/convert.js';
import { getTreePath } from 'hyparquet/src/schema.js';
import { flatten } from 'hyparquet/src/utils.js';
import { compressors as all } from 'hyparquet-compressors';
import { DataError } from '../base/index.ts';

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
  const bytes = readFileSync(path);
  const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  try {
    const metadata = parquetMetadata(buffer);
    return metadata.row_groups.flatMap((group) => readGroup(buffer, metadata, group, path));
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    throw new DataError(`${path}: no Parquet file that can be read (${(cause as Error).message})`, {
      hint: 'write it again, or convert it to JSON Lines: pandas.read_parquet(f).to_json(g, orient="records", lines=True)',
      cause,
    });
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
  const rows = Array.from({ length: numRows }, (): Record<string, unknown> => ({}));
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
