/**
 * Items of any data file the field uses. The format is named, or told by the fields of the first record; what cannot be used is
 * an error with file, line and field, or, for codes the caller lists, a counted loss.
 */
import { createHash } from 'node:crypto';
import { DataError } from '../base/index.ts';
import { isCsvPath, readCsv } from './csv.ts';
import { type FieldValue, type FileRecord, pickRecords, recordsOf } from './filter-rows.ts';
import { countIssues, type DataIssue, throwOnErrors } from './issues.ts';
import type { DataItem } from './item.ts';
import { AUTHORS_VARIANTS, authorsReader } from './readers/authors.ts';
import { readChatRow } from './readers/chat.ts';
import { clevrerReader } from './readers/clevrer.ts';
import { readItemRow } from './readers/items.ts';
import { readNextGqaCsvRow, readNextGqaRow } from './readers/nextgqa.ts';
import { type ReadResult, ReadSink, type RowReader } from './readers/reader.ts';
import { readStarRow } from './readers/star.ts';
import { readTempCompassRow } from './readers/tempcompass.ts';
import { readVideoChatRow } from './readers/videochat-r1.ts';
import { type Row, type Rows, readRows } from './rows.ts';

export const DATA_FORMATS = [
  'items',
  'authors',
  'mmvu',
  'mvbench',
  'videomme',
  'nextgqa',
  'nextgqa-csv',
  'clevrer',
  'star',
  'tempcompass',
  'easyr1',
  'verl',
  'trl',
  'ms-swift',
  'llamafactory',
  'videochat-r1',
] as const;
export type DataFormat = (typeof DATA_FORMATS)[number];

export interface ReadOptions {
  /** @default 'auto', told by the fields of the first record */
  readonly format?: DataFormat | 'auto';
  /** Name of the split, kept with each item. @default '' */
  readonly split?: string;
  /** CLEVRER: which kinds of question to read. @default all */
  readonly question_types?: readonly string[];
}

/** Reads a file and reports everything that is wrong with it, without throwing for single records. */
export function readItemsWithIssues(path: string, options: ReadOptions = {}): ReadResult {
  const { rows, format } = openRows(path, options.format);
  return readRowsAs(format, path, rows, options);
}

/** The rows of a file, and their form: as named, or told by its name and its first record. */
function openRows(path: string, wished: ReadOptions['format'] = 'auto'): { rows: Rows; format: DataFormat } {
  const isCsv = isCsvPath(path);
  const rows = isCsv ? readCsv(path) : readRows(path);
  if (wished !== 'auto') return { rows, format: wished };
  return { rows, format: isCsv ? 'nextgqa-csv' : detectFormat(rows.rows, rows.layout) };
}

/** What one row gave. */
interface FromRow {
  readonly row: Row;
  readonly items: readonly DataItem[];
  readonly issues: readonly DataIssue[];
}

/** The questions of rows, whose form is known. @param onRow is told of each row with what it gave */
function readRowsAs(
  format: DataFormat,
  path: string,
  rows: Rows,
  options: ReadOptions,
  onRow?: (found: FromRow) => void,
): ReadResult {
  const sink = new ReadSink(path, format, options.split ?? '');
  const read = readerOf(format, options);
  for (const [index, row] of rows.rows.entries()) {
    const [numItems, numIssues] = [sink.items.length, sink.issues.length];
    read(row, sink, index);
    onRow?.({ row, items: sink.items.slice(numItems), issues: sink.issues.slice(numIssues) });
  }
  return sink.result(rows);
}

/** Records of a file with the question that each of them is. */
export interface QuestionRecords extends Pick<LoadedItems, 'dropped' | 'fingerprint' | 'format'> {
  /** In the order of the file, those that `where` picks and that are not dropped. */
  readonly records: readonly { readonly record: FileRecord; readonly item: DataItem }[];
  /** Records that `where` picks, dropped ones included. */
  readonly num_picked: number;
  /** Records of the file. */
  readonly num_records: number;
}

/**
 * Reads the records of a file for a filter that passes them on as they stand. Questions without an id are named by their place in the
 * whole file, whatever `where` picks; the fingerprint is of the whole file too.
 * @throws DataError for a damaged file, an error in a record that is picked and not dropped, and a record of several questions
 */
export function readQuestionRecords(
  path: string,
  options: ReadOptions & { readonly drop?: readonly string[]; readonly where?: readonly FieldValue[] } = {},
): QuestionRecords {
  const { drop = [] } = options;
  const { rows, format } = openRows(path, options.format);
  const all = recordsOf(path, rows);
  const picked = new Set(pickRecords(path, all, options.where ?? []));
  const records: { record: FileRecord; item: DataItem }[] = [];
  const dropped: DataIssue[] = [];
  const { items } = readRowsAs(format, path, rows, options, ({ row, items: found, issues }) => {
    const record = row.value as FileRecord;
    if (!picked.has(record)) return;
    const errors = issues.filter(({ severity }) => severity === 'error');
    throwOnErrors(errors.filter(({ code }) => !drop.includes(code)));
    if (found.length > 1)
      throw new DataError(`${path}:${row.line}: the record holds ${found.length} questions`, {
        hint: 'a filter keeps or drops whole records: write one question a record first (CLEVRER: twgrpo data convert)',
      });
    dropped.push(...errors.slice(0, 1));
    for (const item of found) records.push({ record, item });
  });
  return {
    records,
    num_picked: picked.size,
    num_records: all.length,
    dropped: countIssues(dropped),
    fingerprint: fingerprint(items),
    format,
  };
}

export interface LoadedItems {
  readonly items: readonly DataItem[];
  readonly warnings: readonly DataIssue[];
  /** Code -> number of questions left out for it; empty unless `drop` names codes. */
  readonly dropped: Readonly<Record<string, number>>;
  readonly format: string;
  /** Hash of ids, questions and answers, to tell data sets apart. */
  readonly fingerprint: string;
}

/**
 * Reads a file for use.
 * @param options.drop codes of errors whose questions may be left out and counted, for example `['no_answer']`
 * @throws DataError for every other error, and when no item is left
 */
export function readItems(
  path: string,
  options: ReadOptions & { readonly drop?: readonly string[] } = {},
): LoadedItems {
  const result = readItemsWithIssues(path, options);
  const isDropped = (issue: DataIssue): boolean =>
    issue.severity === 'error' && options.drop?.includes(issue.code) === true;
  throwOnErrors(result.issues.filter((issue) => !isDropped(issue)));
  if (result.items.length === 0) {
    throw new DataError(`${path}: there is no usable question in it (read as ${result.format})`, {
      hint: 'check the file and its format',
    });
  }
  return {
    items: result.items,
    warnings: result.issues.filter((issue) => issue.severity === 'warning'),
    dropped: countIssues(result.issues.filter(isDropped)),
    format: result.format,
    fingerprint: fingerprint(result.items),
  };
}

/** 16 hexadecimal digits that change when an item, its order, or its answer changes. */
export function fingerprint(items: readonly DataItem[]): string {
  const hash = createHash('sha256');
  for (const { id, media, question, options, answer, solution } of items) {
    const paths = media.map(({ path }) => path);
    // One medium counts as it always did, so that older evaluations can be continued.
    const [path = null] = paths;
    const shown = paths.length > 1 ? paths : path;
    const truth = solution === undefined ? [answer] : [answer, solution];
    hash.update(JSON.stringify([id, shown, question, options, ...truth]));
  }
  return hash.digest('hex').slice(0, 16);
}

function readerOf(format: DataFormat, options: ReadOptions): RowReader {
  switch (format) {
    case 'items':
      return readItemRow;
    case 'nextgqa':
      return readNextGqaRow;
    case 'nextgqa-csv':
      return readNextGqaCsvRow;
    case 'clevrer':
      return clevrerReader(options.question_types);
    case 'star':
      return readStarRow;
    case 'tempcompass':
      return readTempCompassRow;
    case 'verl':
    case 'trl':
    case 'ms-swift':
    case 'llamafactory':
      return readChatRow;
    case 'videochat-r1':
      return readVideoChatRow;
    default:
      return authorsReader(AUTHORS_VARIANTS[format]);
  }
}

/** The format a file seems to have; unclear ones are read as the authors' records, whose errors name what is missing. */
function detectFormat(rows: readonly Row[], layout: 'array' | 'object' | 'lines'): DataFormat {
  const first = rows.find((row) => typeof row.value === 'object' && row.value !== null)?.value as
    | Record<string, unknown>
    | undefined;
  if (first === undefined) return 'authors';
  const has = (...names: string[]): boolean => names.every((name) => Object.hasOwn(first, name));
  if (has('scene_index', 'questions')) return 'clevrer';
  if (has('question_id', 'video_id', 'choices')) return 'star';
  const isList = (name: string): boolean => Array.isArray(first[name]);
  if (has('question', 'options', 'answer') && isList('answer') && (has('path') || isList('media')))
    return 'items';
  if (isList('conversations')) return 'llamafactory';
  if (isList('messages')) {
    const last = Object((first['messages'] as unknown[]).at(-1)) as { readonly role?: unknown };
    return last.role === 'assistant' && !has('solution') ? 'llamafactory' : 'ms-swift';
  }
  if (isList('prompt') || typeof first['prompt'] === 'string') return has('reward_model') ? 'verl' : 'trl';
  if (has('instruction', 'output')) return 'llamafactory';
  if (typeof first['query'] === 'string' && (has('response') || has('solution'))) return 'ms-swift';
  if (has('timestamps', 'sentences')) return 'videochat-r1';
  if (has('problem', 'answer') && !has('solution') && (isList('videos') || isList('images'))) return 'easyr1';
  if (has('problem', 'solution')) {
    if (has('ori_video')) return 'mvbench';
    if (has('videoID', 'task_type')) return 'videomme';
    return /(?:^|\/)MMVU\//.test(String(first['video'] ?? first['path'])) ? 'mmvu' : 'authors';
  }
  if (has('question', 'options', 'answer', 'glue')) return 'nextgqa';
  if (layout === 'object' && Object.values(first).every(Array.isArray)) return 'tempcompass';
  return 'authors';
}
