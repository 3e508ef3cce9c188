/**
 * `metrics.jsonl` as columns of numbers that grow with the file: each look reads only what was appended since the last. A file that
 * was rewritten (a resumed run cuts its end off) is read anew.
 */
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { DataError } from '../base/index.ts';

/** Bytes read at once. */
const CHUNK = 1 << 20;

export class MetricsTable {
  readonly #path: string;
  #columns = new Map<string, Float64Array>();
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

  /** The value of the last row that has one. */
  last(key: string): number | undefined {
    return this.column(key)?.findLast((value) => !Number.isNaN(value));
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
    for (const [key, value] of Object.entries(row)) {
      if (typeof value !== 'number') continue;
      let column = this.#columns.get(key);
      if (column === undefined) {
        column = new Float64Array(this.#capacity).fill(Number.NaN);
        this.#columns.set(key, column);
      }
      column[this.#rows] = value;
    }
    this.#rows++;
  }

  #grow(): void {
    this.#capacity = Math.max(256, 2 * this.#capacity);
    for (const [key, column] of this.#columns) {
      const wider = new Float64Array(this.#capacity).fill(Number.NaN);
      wider.set(column);
      this.#columns.set(key, wider);
    }
  }
}
