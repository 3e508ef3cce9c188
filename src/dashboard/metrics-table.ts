/**
 * `metrics.jsonl` as columns of numbers that grow with the file: each look reads only what was appended since the last. A file that
 * was rewritten (a resumed run cuts its end off) is read anew. The step a run has come to is read from the end of its file alone, so
 * that a list of long runs costs no more than one of short ones.
 */
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { DataError } from '../base/index.ts';

/** Bytes read at once. */
const CHUNK = 1 << 20;
/** Bytes of the end that hold the last row; a longer row is looked for in the whole file. */
const TAIL = 1 << 16;

export class MetricsTable {
  readonly #path: string;
  #columns = new Map<string, Float64Array>();
  /** Keys of the row before with their columns: rows are alike, so that most values find theirs without a search. */
  #layout: { readonly key: string; column: Float64Array }[] = [];
  #rows = 0;
  #capacity = 0;
  /** Bytes of whole lines taken in, and the file they came from. */
  #offset = 0;
  #inode = 0;

  constructor(path: string) {
    this.#path = path;
  }

  get rows(): number {
    return this.#rows;
  }

  get keys(): string[] {
    return [...this.#columns.keys()];
  }

  /** Values of the rows in order, NaN where a row has none; undefined for a key that no row has. A view: it is valid until the next `refresh`. */
  column(key: string): Float64Array | undefined {
    return this.#columns.get(key)?.subarray(0, this.#rows);
  }

  /** Step of the last whole row, 0 before the first: as the file is now, whatever was taken in. @throws DataError as `refresh` */
  lastStep(): number {
    const size = statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0;
    if (size === 0) return 0;
    const from = Math.max(0, size - TAIL);
    const text = readPart(this.#path, from, size);
    const step = lastStepIn(from === 0 ? `\n${text}` : text);
    if (step !== undefined) return step;
    this.refresh();
    return this.column('step')?.at(-1) ?? 0;
  }

  /** Takes in what was appended. @throws DataError naming the line that is no row of metrics */
  refresh(): void {
    const facts = statSync(this.#path, { throwIfNoEntry: false });
    if (facts === undefined) {
      this.#clear(0);
      return;
    }
    if (facts.ino !== this.#inode || facts.size < this.#offset) this.#clear(facts.ino);
    if (facts.size === this.#offset) return;
    const fd = openSync(this.#path, 'r');
    try {
      const { size } = fstatSync(fd);
      let rest = Buffer.alloc(0);
      for (let at = this.#offset; at < size; ) {
        const chunk = Buffer.allocUnsafe(Math.min(CHUNK, size - at));
        const length = readSync(fd, chunk, 0, chunk.length, at);
        if (length === 0) break;
        at += length;
        const bytes = Buffer.concat([rest, chunk.subarray(0, length)]);
        const end = bytes.lastIndexOf(0x0a) + 1;
        for (const line of bytes.toString('utf8', 0, end).split('\n'))
          if (line.trim() !== '') this.#add(line);
        this.#offset += end;
        rest = bytes.subarray(end);
      }
    } finally {
      closeSync(fd);
    }
  }

  #clear(inode: number): void {
    this.#columns = new Map();
    this.#layout = [];
    this.#rows = 0;
    this.#capacity = 0;
    this.#offset = 0;
    this.#inode = inode;
  }

  #add(line: string): void {
    let row: Record<string, unknown>;
    try {
      row = JSON.parse(line) as Record<string, unknown>;
    } catch (cause) {
      throw new DataError(`${this.#path}: row ${this.#rows + 1} is not JSON: ${line.slice(0, 80)}`, {
        hint: 'the file is appended line by line; delete the damaged line to go on',
        cause,
      });
    }
    if (typeof row['step'] !== 'number')
      throw new DataError(`${this.#path}: row ${this.#rows + 1} has no number "step"`);
    if (this.#rows === this.#capacity) this.#grow();
    let at = 0;
    for (const key in row) {
      const value = row[key];
      if (typeof value !== 'number') continue;
      const place = at++;
      if (this.#layout[place]?.key !== key) this.#layout[place] = { key, column: this.#columnOf(key) };
      this.#layout[place]!.column[this.#rows] = value;
    }
    this.#rows++;
  }

  #columnOf(key: string): Float64Array {
    let column = this.#columns.get(key);
    if (column === undefined) {
      column = new Float64Array(this.#capacity).fill(Number.NaN);
      this.#columns.set(key, column);
    }
    return column;
  }

  #grow(): void {
    this.#capacity = Math.max(256, 2 * this.#capacity);
    for (const [key, column] of this.#columns) {
      const wider = new Float64Array(this.#capacity).fill(Number.NaN);
      wider.set(column);
      this.#columns.set(key, wider);
    }
    this.#layout = [];
  }
}

/** The step of the last line that lies between two line ends; undefined where there is none, or it is no row. */
function lastStepIn(text: string): number | undefined {
  const end = text.lastIndexOf('\n');
  const start = text.lastIndexOf('\n', end - 1);
  if (end < 0 || start < 0) return undefined;
  try {
    const { step } = JSON.parse(text.slice(start + 1, end)) as { readonly step?: unknown };
    return typeof step === 'number' ? step : undefined;
  } catch {
    // The reading of the whole file says which line is damaged.
    return undefined;
  }
}

function readPart(path: string, from: number, to: number): string {
  const bytes = Buffer.allocUnsafe(to - from);
  const fd = openSync(path, 'r');
  try {
    return bytes.toString('utf8', 0, readSync(fd, bytes, 0, bytes.length, from));
  } finally {
    closeSync(fd);
  }
}
