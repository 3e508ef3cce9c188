/**
 * What a reader of one file form is, and the loop all of them share: check each record, turn it into items, check the items,
 * note what is wrong. A record gives at least one item or at least one error; none vanishes.
 */
import type { z } from 'zod';
import type { DataIssue } from '../issues.ts';
import { type DataItem, type DataItemInput, itemSchema } from '../item.ts';
import type { Row, Rows } from '../rows.ts';

export interface ReadResult {
  readonly items: readonly DataItem[];
  readonly issues: readonly DataIssue[];
  /** Questions in the file, unusable ones included. */
  readonly numQuestions: number;
  /** Format the file was read as. */
  readonly format: string;
  /** Line of each item, by its id. */
  readonly lines: ReadonlyMap<string, number>;
}

/** Collects items and issues of one file. */
export class ReadSink {
  readonly file: string;
  readonly format: string;
  readonly split: string;
  readonly items: DataItem[] = [];
  readonly issues: DataIssue[] = [];
  readonly #known = new Map<string, { readonly line: number; readonly item: DataItem }>();
  readonly #warned = new Set<string>();
  #numQuestions = 0;

  constructor(file: string, format: string, split: string) {
    this.file = file;
    this.format = format;
    this.split = split;
  }

  /** Counts a question that gives no item, and says why. */
  reject(
    line: number,
    code: string,
    message: string,
    more: { readonly field?: string; readonly item?: string } = {},
  ): void {
    this.#numQuestions++;
    this.issues.push({ severity: 'error', code, message, file: this.file, line, ...more });
  }

  warn(
    line: number,
    code: string,
    message: string,
    more: { readonly field?: string; readonly item?: string } = {},
  ): void {
    this.issues.push({ severity: 'warning', code, message, file: this.file, line, ...more });
  }

  /** Warns of a field once in a file, however many records have it. */
  warnOnce(
    line: number,
    code: string,
    message: string,
    more: { readonly field: string; readonly item?: string },
  ): void {
    const key = `${code} ${more.field}`;
    if (this.#warned.has(key)) return;
    this.#warned.add(key);
    this.warn(line, code, `${message} (told once)`, more);
  }

  /** Checks and keeps an item. */
  add(line: number, input: DataItemInput): void {
    this.#numQuestions++;
    const checked = itemSchema.safeParse({ source: this.format, split: this.split, ...input });
    if (!checked.success) {
      this.#addSchemaIssues(line, checked.error, input.id, input);
      return;
    }
    const { id, options } = checked.data;
    const earlier = this.#known.get(id);
    if (earlier !== undefined) {
      // A file of one line tells nothing by its line.
      const place = earlier.line === line ? '' : ` (line ${earlier.line})`;
      const isSame = JSON.stringify(earlier.item) === JSON.stringify(checked.data);
      this.issues.push({
        severity: 'error',
        code: isSame ? 'duplicate_row' : 'duplicate_id',
        message: isSame
          ? `the same question stands earlier in the file${place}`
          : `another question earlier in the file${place} has this id too`,
        file: this.file,
        line,
        item: id,
        field: 'id',
      });
      return;
    }
    this.#known.set(id, { line, item: checked.data });
    this.items.push(checked.data);
    if (options.length === 1)
      this.warn(line, 'single_option', 'there is only one option', { item: id, field: 'options' });
    if (new Set(options).size < options.length) {
      this.warn(line, 'duplicate_options', 'two options are equal', { item: id, field: 'options' });
    }
  }

  /** Parses a record's fields; on failure notes one error, naming the first wrong field, and returns undefined. */
  parse<Schema extends z.ZodType>(
    schema: Schema,
    value: unknown,
    line: number,
    item?: string,
  ): z.output<Schema> | undefined {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      const got = JSON.stringify(value)?.slice(0, 60);
      this.reject(line, 'bad_record', `expected one JSON object a record, got ${got}`, item ? { item } : {});
      return undefined;
    }
    const parsed = schema.safeParse(value);
    if (parsed.success) return parsed.data;
    this.#numQuestions++;
    this.#addSchemaIssues(line, parsed.error, item, value);
    return undefined;
  }

  #addSchemaIssues(line: number, error: z.ZodError, item: unknown, given: unknown): void {
    const first = error.issues[0]!;
    const isMissing = first.code === 'invalid_type' && /received undefined/.test(first.message);
    this.issues.push({
      severity: 'error',
      code: isMissing ? 'missing_field' : 'bad_field',
      message: error.issues.map((issue) => shorten(schemaMessage(issue, given))).join('; '),
      file: this.file,
      line,
      item: typeof item === 'string' ? item.slice(0, 100) : undefined,
      field: [...first.path, ...(first.code === 'unrecognized_keys' ? first.keys.slice(0, 1) : [])].join('.'),
    });
  }

  /** The result, with the damaged records of the file itself counted in. */
  result(rows?: Rows): ReadResult {
    const damaged = rows === undefined ? 0 : rows.numRows - rows.rows.length;
    return {
      items: this.items,
      issues: [...(rows?.issues ?? []), ...this.issues],
      numQuestions: this.#numQuestions + damaged,
      format: this.format,
      lines: new Map([...this.#known].map(([id, { line }]) => [id, line])),
    };
  }
}

/** What was expected, and what came where the schema's own words do not say it. */
export function schemaMessage({ message, path }: z.core.$ZodIssue, given: unknown): string {
  const missing = /^Invalid input: expected (.*), received undefined$/.exec(message);
  if (missing !== null) return `expected ${missing[1]}, got nothing`;
  if (/received|got|names no|there are/.test(message)) return message;
  const value = path.reduce<unknown>((inner, key) => Object(inner)[key], given);
  return value === undefined ? message : `${message}, got ${JSON.stringify(value)?.slice(0, 60)}`;
}

/** A message that stays readable however long what it quotes. */
export function shorten(message: string): string {
  return message.length > 200 ? `${message.slice(0, 200)}…` : message;
}

/** Reads the rows of a file into the sink, one after another. */
export type RowReader = (row: Row, sink: ReadSink, index: number) => void;
