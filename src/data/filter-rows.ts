/**
 * Records of a question file picked by the values of their fields, each as it stands: the STAR questions of Video-R1-260k by
 * `data_source=STAR`, the questions of one `type`.
 */
import { DataError, tally } from '../base/index.ts';
import { isCsvPath, readCsv } from './csv.ts';
import { type Rows, readRows } from './rows.ts';

/** A field and the value it must have, as text. */
export interface FieldValue {
  readonly field: string;
  readonly value: string;
}

/** Number of values of a field that an error text names. */
const NUM_SHOWN = 8;

/**
 * @param where all of them must hold; numbers and booleans are compared by their text
 * @throws DataError for a damaged file, a field that no record has, or a value that none has there
 */
export function filterRows(
  path: string,
  where: readonly FieldValue[],
): { readonly records: readonly FileRecord[]; readonly num_records: number } {
  const all = recordsOf(path, isCsvPath(path) ? readCsv(path) : readRows(path));
  return { records: pickRecords(path, all, where), num_records: all.length };
}

/** A record of a file: named values. */
export type FileRecord = Readonly<Record<string, unknown>>;

/** The records of a file that was read. @throws DataError for a damaged file, or a row that is no record */
export function recordsOf(path: string, { rows, issues }: Rows): FileRecord[] {
  const [issue] = issues;
  if (issue !== undefined) throw new DataError(`${path}:${issue.line ?? 1}: ${issue.message}`);
  return rows.map(({ value, line }) => {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as FileRecord;
    throw new DataError(
      `${path}:${line}: expected a record with fields, got ${JSON.stringify(value)?.slice(0, 60)}`,
    );
  });
}

/** @throws DataError for a field that no record has, or a value that none has there */
export function pickRecords(
  path: string,
  all: readonly FileRecord[],
  where: readonly FieldValue[],
): readonly FileRecord[] {
  let records = all;
  for (const { field, value } of where) {
    const kept = records.filter((record) => Object.hasOwn(record, field) && String(record[field]) === value);
    if (kept.length === 0) throw nothingLeft(path, records, field, value);
    records = kept;
  }
  return records;
}

function nothingLeft(path: string, records: readonly FileRecord[], field: string, value: string): DataError {
  const values = records
    .filter((record) => Object.hasOwn(record, field))
    .map((record) => String(record[field]));
  if (values.length === 0)
    return new DataError(`${path}: no record has a field ${JSON.stringify(field)}`, {
      hint: `the first record has ${Object.keys(records[0] ?? {}).join(', ')}`,
    });
  const common = Object.entries(tally(values))
    .sort(([, a], [, b]) => b - a)
    .slice(0, NUM_SHOWN)
    .map(([name, count]) => `${name.slice(0, 40)} (${count})`);
  return new DataError(`${path}: no record has ${field}=${value} among ${records.length}`, {
    hint: `it is ${common.join(', ')}`,
  });
}
