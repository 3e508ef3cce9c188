/**
 * The records of a results log, whatever its layout: JSON Lines, one JSON list, or JSON objects one after another, pretty or
 * not; the authors' evaluators write all three. The file is read in pieces, so its size does not matter, and a record
 * that a crash has torn is reported with its line while the others are still read.
 */
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { DataError } from '../base/index.ts';
import { scanJson } from '../data/index.ts';

export type LogLayout = 'lines' | 'list' | 'values';

export interface LogEntry {
  /** 1-based line on which the record begins. */
  readonly line: number;
  /** The parsed record; undefined when it is damaged. */
  readonly value: unknown;
  /** The damage and its line; undefined when the record is sound. */
  readonly problem: { readonly line: number; readonly message: string } | undefined;
}

const CHUNK = 2 ** 20;
const MAX_RECORD_BYTES = 64 * 2 ** 20;
/** So many lines are tried before a file counts as not being JSON Lines. */
const PROBE_LINES = 20;

const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
const NEWLINE = 0x0a;
const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/**
 * Calls back with each record of the file, in order.
 * @returns how the file is laid out, and whether a list that it opened was also closed
 * @throws DataError when the file is missing, no regular file, or empty
 */
export function readLogFile(
  path: string,
  use: (entry: LogEntry) => void,
): { readonly layout: LogLayout; readonly isComplete: boolean } {
  const facts = statSync(path, { throwIfNoEntry: false });
  if (facts === undefined) throw new DataError(`${path}: no such file`, { hint: 'check the path' });
  if (!facts.isFile()) throw new DataError(`${path}: expected a results log, but it is no regular file`);
  const layout = detectLayout(path);
  if (layout === undefined) throw new DataError(`${path}: the log is empty`);
  if (layout === 'lines') {
    const splitter = new LineSplitter(use);
    eachChunk(path, (bytes) => splitter.feed(bytes));
    splitter.end();
    return { layout, isComplete: true };
  }
  const splitter = new ValueSplitter(use);
  eachChunk(path, (bytes) => splitter.feed(bytes));
  return { layout, isComplete: splitter.end() };
}

function detectLayout(path: string): LogLayout | undefined {
  let layout: LogLayout | undefined;
  let seen = 0;
  const splitter = new LineSplitter((entry) => {
    if (seen++ === 0) layout = 'values';
    const isRecord = typeof entry.value === 'object' && entry.value !== null && !Array.isArray(entry.value);
    // Inside of pretty JSON no line but `{}` is a whole object.
    if (isRecord && Object.keys(entry.value as object).length > 0) layout = 'lines';
  });
  let isList: boolean | undefined;
  eachChunk(path, (bytes) => {
    const first = bytes.find((byte) => !isBlank(byte));
    isList ??= first === undefined ? undefined : first === OPEN_LIST;
    if (isList !== true) splitter.feed(bytes);
    return isList === true || layout === 'lines' || seen >= PROBE_LINES;
  });
  if (isList === true) return 'list';
  if (seen < PROBE_LINES && layout !== 'lines') splitter.end();
  return isList === undefined ? undefined : (layout ?? 'values');
}

/** Reads until the end, or until `use` answers true. */
function eachChunk(path: string, use: (bytes: Buffer) => unknown): void {
  const fd = openSync(path, 'r');
  try {
    for (let isFirst = true; ; isFirst = false) {
      const chunk = Buffer.allocUnsafe(Math.min(CHUNK, fstatSync(fd).size + 1));
      const size = readSync(fd, chunk, 0, chunk.length, null);
      const hasMark = isFirst && chunk.indexOf(BYTE_ORDER_MARK) === 0;
      if (size === 0 || use(chunk.subarray(hasMark ? BYTE_ORDER_MARK.length : 0, size)) === true) return;
    }
  } finally {
    closeSync(fd);
  }
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0d || byte === NEWLINE;
}

/** Bytes of the record at hand, held as the pieces they came in, up to a limit. */
class Pieces {
  #pieces: Buffer[] = [];
  #size = 0;

  add(piece: Buffer): void {
    this.#size += piece.length;
    if (this.#size <= MAX_RECORD_BYTES) this.#pieces.push(piece);
  }

  /** The record these bytes make, and start anew. */
  take(line: number): LogEntry | undefined {
    const isTooLong = this.#size > MAX_RECORD_BYTES;
    const bytes = Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#size = 0;
    const damaged = (message: string, at = line): LogEntry => ({
      line,
      value: undefined,
      problem: { line: at, message },
    });
    if (isTooLong) return damaged(`the record is longer than ${MAX_RECORD_BYTES} bytes`);
    let text: string;
    try {
      text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    } catch {
      return damaged('the text is not valid UTF-8');
    }
    if (text.trim() === '') return undefined;
    const { problem } = scanJson(text, line);
    if (problem !== undefined) return damaged(problem.message, problem.line);
    return { line, value: JSON.parse(text), problem: undefined };
  }
}

/** One record a line. */
class LineSplitter {
  readonly #use: (entry: LogEntry) => void;
  readonly #pieces = new Pieces();
  #line = 1;

  constructor(use: (entry: LogEntry) => void) {
    this.#use = use;
  }

  feed(bytes: Buffer): void {
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
      this.#pieces.add(bytes.subarray(start, end));
      this.#flush();
      start = end + 1;
    }
    this.#pieces.add(bytes.subarray(start));
  }

  end(): void {
    this.#flush();
  }

  #flush(): void {
    const entry = this.#pieces.take(this.#line++);
    if (entry !== undefined) this.#use(entry);
  }
}

/**
 * Whole values by counting brackets outside of strings. A string that runs over the end of its line is torn, and so is an
 * object in whose middle a new one begins at the indentation of the first: reading goes on at the next such beginning.
 */
class ValueSplitter {
  readonly #use: (entry: LogEntry) => void;
  readonly #pieces = new Pieces();
  #line = 1;
  #startLine = 1;
  /** Brackets open, the list around the records included. */
  #depth = 0;
  /** 1 inside of a top-level list, else 0. */
  #base = 0;
  #isInside = false;
  #isInString = false;
  #isEscaped = false;
  /** Blanks since the line began; -1 once something else came. */
  #indent = 0;
  /** Indentation of the first record; undefined before it, -1 when inner lines share it, so that it tells nothing. */
  #recordIndent: number | undefined;
  #numEnded = 0;
  /** Looking for the next beginning after a torn record. */
  #isLost = false;

  constructor(use: (entry: LogEntry) => void) {
    this.#use = use;
  }

  feed(bytes: Buffer): void {
    let start = 0;
    for (let at = 0; at < bytes.length; at++) {
      const byte = bytes[at]!;
      const indent = this.#indent;
      if (byte === NEWLINE) {
        this.#line++;
        this.#indent = 0;
        if (this.#isInside && this.#isInString) {
          this.#pieces.add(bytes.subarray(start, at));
          this.#tear();
        }
        continue;
      }
      if (indent >= 0) this.#indent = byte === 0x20 || byte === 0x09 ? indent + 1 : -1;
      if (this.#isLost) {
        if (!this.#isBeginning(byte, indent)) continue;
        this.#isLost = false;
        this.#depth = this.#base;
      }
      if (!this.#isInside) {
        if (isBlank(byte) || byte === COMMA) continue;
        if (byte === OPEN_LIST && this.#base === 0 && this.#numEnded === 0) {
          this.#base = 1;
          this.#depth = 1;
          continue;
        }
        if (byte === CLOSE_LIST && this.#base === 1) {
          this.#base = 0;
          this.#depth = 0;
          continue;
        }
        this.#isInside = true;
        this.#startLine = this.#line;
        this.#recordIndent ??= indent;
        start = at;
      } else if (!this.#isInString && indent >= 0 && indent === this.#recordIndent && !isBlank(byte)) {
        if (this.#numEnded === 0 && byte !== CLOSE_OBJECT) this.#recordIndent = -1;
        else if (this.#isBeginning(byte, indent)) {
          this.#pieces.add(bytes.subarray(start, at));
          this.#tear();
          this.#isLost = false;
          this.#depth = this.#base;
          this.#isInside = true;
          this.#startLine = this.#line;
          start = at;
        }
      }
      if (this.#isInString) {
        if (this.#isEscaped) this.#isEscaped = false;
        else if (byte === BACKSLASH) this.#isEscaped = true;
        else if (byte === QUOTE) this.#isInString = false;
        continue;
      }
      if (byte === QUOTE) this.#isInString = true;
      else if (byte === OPEN_OBJECT || byte === OPEN_LIST) this.#depth++;
      else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) {
        this.#depth--;
        if (this.#depth > this.#base) continue;
        this.#pieces.add(bytes.subarray(start, at + 1));
        this.#finish();
        this.#depth = this.#base;
      }
    }
    if (this.#isInside) this.#pieces.add(bytes.subarray(start));
  }

  /** True when nothing was cut off. */
  end(): boolean {
    const isComplete = !this.#isInside && !this.#isLost && this.#base === 0;
    if (this.#isInside) this.#tear();
    return isComplete;
  }

  #isBeginning(byte: number, indent: number): boolean {
    return byte === OPEN_OBJECT && indent >= 0 && indent === this.#recordIndent;
  }

  #finish(): void {
    const entry = this.#pieces.take(this.#startLine);
    this.#isInside = false;
    this.#numEnded++;
    if (entry !== undefined) this.#use(entry);
  }

  #tear(): void {
    const entry = this.#pieces.take(this.#startLine);
    this.#isInside = false;
    this.#isInString = false;
    this.#isEscaped = false;
    this.#isLost = true;
    this.#numEnded++;
    const problem = entry?.problem ?? {
      line: this.#startLine,
      message: 'the JSON ends before it is complete',
    };
    this.#use({ line: this.#startLine, value: undefined, problem });
  }
}
