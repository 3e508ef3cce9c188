/**
 * JSON Lines files that are only ever appended to. Each append is one synchronous write, so a crash can tear only the
 * last line; readers ignore such a line and `repairJsonLines` cuts it off before writing continues.
 */
import { appendFileSync, existsSync, readFileSync, truncateSync } from 'node:fs';
import { onDisk } from './disk.ts';
import { DataError } from './errors.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * Appends the records, one line each, in a single write. Not-a-number values become null, as JSON has none.
 * @throws DiskError when the disk refuses; part of the last line may stand then, which `repairJsonLines` cuts off
 */
export function appendJsonLines(path: string, records: readonly JsonObject[]): void {
  if (records.length === 0) return;
  const bytes = Buffer.from(`${records.map((record) => JSON.stringify(record)).join('\n')}\n`);
  onDisk(path, bytes.length, () => appendFileSync(path, bytes));
}

/**
 * All records of the file. A last line without its newline is being written, or was torn by a crash, and is ignored.
 * @throws DataError when the file cannot be read or an inner line is not a JSON object.
 */
export function readJsonLines(path: string): JsonObject[] {
  const text = readText(path);
  const records: JsonObject[] = [];
  let start = 0;
  for (let line = 1; start < text.length; line++) {
    const end = text.indexOf('\n', start);
    if (end < 0) break;
    const body = text.slice(start, end);
    start = end + 1;
    if (body.trim() === '') continue;
    let value: unknown;
    try {
      value = JSON.parse(body);
    } catch (cause) {
      throw new DataError(
        `${path}:${line}: expected one JSON object, got ${JSON.stringify(body.slice(0, 80))}`,
        {
          hint: 'the file is appended line by line; delete the damaged line to go on',
          cause,
        },
      );
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new DataError(`${path}:${line}: expected one JSON object, got ${body.slice(0, 80)}`);
    }
    records.push(value as JsonObject);
  }
  return records;
}

/** Cuts off a torn last line so that the next append starts on a line of its own. Returns the bytes removed. */
export function repairJsonLines(path: string): number {
  if (!existsSync(path)) return 0;
  const bytes = readFileSync(path);
  const end = bytes.lastIndexOf(0x0a) + 1;
  if (end < bytes.length) truncateSync(path, end);
  return bytes.length - end;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new DataError(`cannot read ${path}`, { cause });
  }
}
