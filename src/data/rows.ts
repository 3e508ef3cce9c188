/**
 * Records of a JSON, JSON Lines or Parquet file with the line each begins on (in Parquet its number). Files are read in pieces, lines are limited, the text
 * must be UTF-8, and what is damaged becomes an issue with its line while the other records are still read.
 */
import { closeSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { DataError } from '../base/index.ts';
import type { DataIssue } from './issues.ts';
import { scanJson } from './json-scan.ts';
import { isParquet, readParquet } from './parquet.ts';

export interface Row {
  readonly value: unknown;
  readonly line: number;
  /** Member name, when the file is one object of records. */
  readonly key?: string | undefined;
}

export interface Rows {
  readonly rows: readonly Row[];
  readonly issues: readonly DataIssue[];
  /** Records in the file, damaged ones included. */
  readonly numRows: number;
  /** `array`: one JSON list; `object`: one JSON object; `lines`: one record a line, or a row of Parquet. */
  readonly layout: 'array' | 'object' | 'lines';
}

export interface ReadRowsOptions {
  /** Longest accepted line of a JSON Lines file in bytes. @default 16 MiB */
  readonly maxLineBytes?: number;
}

const MAX_DOCUMENT_BYTES = 480 * 2 ** 20; // V8 holds strings up to 512 MiB
const MAX_LINES_BYTES = 2 ** 30;
const DEFAULT_MAX_LINE = 16 * 2 ** 20;
const CHUNK = 2 ** 20;

/**
 * Reads all records. One JSON document (a list, or an object of records) or JSON Lines is told by the content.
 * @throws DataError when the file is missing, is empty, or is one JSON document that is too large
 */
export function readRows(path: string, options: ReadRowsOptions = {}): Rows {
  let size: number;
  try {
    const facts = statSync(path);
    if (!facts.isFile())
      throw new DataError(
        `${path}: expected a data file, but it is ${facts.isDirectory() ? 'a folder' : 'no regular file'}`,
      );
    size = facts.size;
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    throw new DataError(`${path}: no such data file`, {
      hint: 'check the path; it starts from the working directory',
      cause,
    });
  }
  if (size === 0) throw new DataError(`${path}: the data file is empty`);
  if (isParquet(readHead(path, 4))) {
    const rows = readParquet(path).map((value, index): Row => ({ value, line: index + 1 }));
    return { rows, issues: [], numRows: rows.length, layout: 'lines' };
  }
  if (isJsonDocument(path)) return readDocument(path, size);
  if (size > MAX_LINES_BYTES)
    throw new DataError(
      `${path}: ${size} bytes of JSON Lines are too many to hold (limit ${MAX_LINES_BYTES})`,
      {
        hint: 'split it into several files',
      },
    );
  return readLines(path, options.maxLineBytes ?? DEFAULT_MAX_LINE);
}

/**
 * A list begins with `[`. An object may be the first line of JSON Lines: it is a document when its first line is not whole
 * (pretty-printed), or when nothing follows and its values are all records.
 */
function isJsonDocument(path: string): boolean {
  const head = withoutBom(readHead(path, CHUNK));
  const text = head.toString('utf8').trimStart();
  if (text.startsWith('[')) return true;
  if (!text.startsWith('{')) return false;
  const end = text.indexOf('\n');
  const first = end < 0 ? text : text.slice(0, end);
  if (end < 0 && head.length >= CHUNK - 3) return true;
  if (scanJson(first).problem !== undefined)
    return end >= 0 && /^\{\s*$|^\{\s*"[^"]*"\s*:\s*[[{]?\s*$/.test(first);
  if (end >= 0 && text.slice(end).trim() !== '') return false;
  const values = Object.values(JSON.parse(first) as object);
  return (
    values.length > 0 &&
    values.every((value) => typeof value === 'object' && value !== null && !Array.isArray(value))
  );
}

function readHead(path: string, size: number): Buffer {
  const fd = openSync(path, 'r');
  try {
    const buffer = Buffer.alloc(size);
    return buffer.subarray(0, readSync(fd, buffer, 0, size, 0));
  } finally {
    closeSync(fd);
  }
}

function withoutBom(bytes: Buffer): Buffer {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes;
}

function readDocument(path: string, size: number): Rows {
  if (size > MAX_DOCUMENT_BYTES) {
    throw new DataError(
      `${path}: one JSON document of ${size} bytes is too large (limit ${MAX_DOCUMENT_BYTES})`,
      {
        hint: 'convert it to JSON Lines, one record a line',
      },
    );
  }
  const text = decodeUtf8(withoutBom(readFileSync(path)));
  const broken = (message: string, line?: number): Rows => ({
    rows: [],
    issues: [{ severity: 'error', code: 'bad_json', message, file: path, line }],
    numRows: 0,
    layout: 'array',
  });
  if (text === undefined) return broken('the text is not valid UTF-8');
  const { problem, entryLines, entryKeys } = scanJson(text);
  if (problem !== undefined) {
    return broken(problem.message, problem.line);
  }
  const document = JSON.parse(text) as object;
  // Object.entries moves number-like keys to the front, so lines are found by name.
  const lineOf = new Map(entryKeys.map((key, index) => [key, entryLines[index]]));
  const rows = Array.isArray(document)
    ? document.map((value: unknown, index): Row => ({ value, line: entryLines[index] ?? 1 }))
    : Object.entries(document).map(([key, value]): Row => ({ value, line: lineOf.get(key) ?? 1, key }));
  return { rows, issues: [], numRows: rows.length, layout: Array.isArray(document) ? 'array' : 'object' };
}

function readLines(path: string, maxLineBytes: number): Rows {
  const rows: Row[] = [];
  const issues: DataIssue[] = [];
  let numRows = 0;
  const add = (line: number, bytes: Buffer, isTooLong: boolean): void => {
    const fail = (code: string, message: string): void => {
      issues.push({ severity: 'error', code, message, file: path, line });
    };
    const text = isTooLong ? '' : decodeUtf8(line === 1 ? withoutBom(bytes) : bytes);
    if (!isTooLong && text?.trim() === '') return;
    numRows++;
    const problem = text === undefined ? undefined : scanJson(text).problem;
    if (isTooLong) fail('line_too_long', `the line is longer than ${maxLineBytes} bytes`);
    else if (text === undefined) fail('bad_utf8', 'the text is not valid UTF-8');
    else if (problem !== undefined) fail('bad_json', problem.message);
    else rows.push({ value: JSON.parse(text), line });
  };
  eachLine(path, maxLineBytes, add);
  return { rows, issues, numRows, layout: 'lines' };
}

/** Calls back with each line's bytes, holding at most one line in memory. */
function eachLine(
  path: string,
  maxBytes: number,
  use: (line: number, bytes: Buffer, isTooLong: boolean) => void,
): void {
  const fd = openSync(path, 'r');
  try {
    const chunk = Buffer.alloc(CHUNK);
    let parts: Buffer[] = [];
    let numBytes = 0;
    let line = 1;
    const flush = (): void => {
      use(line, Buffer.concat(parts), numBytes > maxBytes);
      parts = [];
      numBytes = 0;
      line++;
    };
    const keep = (piece: Buffer): void => {
      numBytes += piece.length;
      if (numBytes <= maxBytes) parts.push(Buffer.from(piece));
    };
    for (;;) {
      const size = readSync(fd, chunk, 0, CHUNK, null);
      if (size === 0) break;
      let start = 0;
      for (let end = chunk.indexOf(10, start); end >= 0 && end < size; end = chunk.indexOf(10, start)) {
        keep(chunk.subarray(start, end));
        flush();
        start = end + 1;
      }
      keep(chunk.subarray(start, size));
    }
    if (numBytes > 0) flush();
  } finally {
    closeSync(fd);
  }
}

function decodeUtf8(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
