/** CSV with a header line, by RFC 4180: quoted fields may hold commas, line breaks and doubled quotes. */
import { DataError, readWholeFile } from '../base/index.ts';
import type { DataIssue } from './issues.ts';
import type { Row, Rows } from './rows.ts';

const MAX_BYTES = 480 * 2 ** 20;
const MAX_COLUMNS = 1000;

/**
 * Records as objects by the names of the header.
 * @throws DataError when the file cannot be read, is empty, or its header names a column twice
 */
export function readCsv(path: string): Rows {
  let content: string;
  try {
    content = new TextDecoder('utf-8', { fatal: true }).decode(readWholeFile(path, MAX_BYTES));
  } catch (cause) {
    throw new DataError(`${path}: cannot read it as UTF-8 text (${(cause as Error).message})`, { cause });
  }
  const records = [...parseCsv(content)];
  const header = records.shift()?.fields;
  if (header === undefined) throw new DataError(`${path}: the data file is empty`);
  if (header.length > MAX_COLUMNS)
    throw new DataError(
      `${path}:1: the header names ${header.length} columns; at most ${MAX_COLUMNS} are read`,
    );
  const repeated = header.find((name, index) => header.indexOf(name) < index);
  if (repeated !== undefined)
    throw new DataError(`${path}:1: the column ${JSON.stringify(repeated)} appears twice`);
  const rows: Row[] = [];
  const issues: DataIssue[] = [];
  for (const { fields, line } of records) {
    if (fields.length === header.length) {
      rows.push({ value: Object.fromEntries(fields.map((field, index) => [header[index], field])), line });
    } else {
      const message = `expected ${header.length} columns as in the header, got ${fields.length}`;
      issues.push({ severity: 'error', code: 'bad_csv', message, file: path, line });
    }
  }
  return { rows, issues, numRows: records.length, layout: 'lines' };
}

/** Records under the names of the first, as `readCsv` reads them. */
export function csvText(records: readonly Readonly<Record<string, unknown>>[]): string {
  const header = Object.keys(records[0] ?? {});
  const cell = (value: unknown): string => {
    const text = String(value ?? '');
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const line = (cells: readonly unknown[]): string => `${cells.map(cell).join(',')}\n`;
  return [header, ...records.map((record) => header.map((name) => record[name]))].map(line).join('');
}

/** True for a name that is read as CSV. */
export function isCsvPath(path: string): boolean {
  return path.toLowerCase().endsWith('.csv');
}

function* parseCsv(content: string): Generator<{ readonly fields: string[]; readonly line: number }> {
  let fields: string[] = [];
  let field = '';
  let isQuoted = false;
  let line = 1;
  let startLine = 1;
  const end = content.length;
  for (let at = 0; at <= end; at++) {
    const char = content[at];
    if (isQuoted && char !== undefined) {
      if (char === '\n') line++;
      if (char !== '"') field += char;
      else if (content[at + 1] === '"') {
        field += '"';
        at++;
      } else isQuoted = false;
    } else if (char === '"' && field === '') {
      isQuoted = true;
    } else if (char === ',') {
      fields.push(field);
      field = '';
    } else if (char === '\n' || char === undefined) {
      fields.push(field.endsWith('\r') ? field.slice(0, -1) : field);
      if (fields.length > 1 || fields[0] !== '') yield { fields, line: startLine };
      fields = [];
      field = '';
      line++;
      startLine = line;
    } else {
      field += char;
    }
  }
}
