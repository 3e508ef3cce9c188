/** One evaluation folder as the page asks for it: its settings, its accuracies, its items, and those that differ from another's. */
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { DataError, type JsonObject } from '../base/index.ts';
import { OUTCOMES, type Outcome } from '../report/index.ts';
import {
  type AccuracyTable,
  accuracyTable,
  compareRuns,
  type EvaluationRow,
  readEvaluationRows,
  rowsPath,
} from '../stats/index.ts';
import type { EvaluationItem, EvaluationRows } from './api.ts';
import { FileCache } from './file-cache.ts';
import { ItemBook } from './item-book.ts';

export interface ItemQuery {
  readonly change?: string | undefined;
  readonly q?: string | undefined;
  readonly offset: number;
  readonly limit: number;
}

export class EvaluationData {
  readonly id: string;
  readonly path: string;
  readonly #rows = new FileCache<readonly EvaluationRow[]>(1);
  readonly #tables = new FileCache<AccuracyTable | null>(1);
  #book: ItemBook | undefined;

  constructor(id: string, path: string) {
    this.id = id;
    this.path = path;
  }

  get rowsPath(): string {
    return rowsPath(this.path);
  }

  /** @throws DataError when settings.json is there and no JSON */
  get settings(): JsonObject {
    const file = join(this.path, 'settings.json');
    if (!existsSync(file)) return {};
    try {
      return JSON.parse(readFileSync(file, 'utf8')) as JsonObject;
    } catch (cause) {
      throw new DataError(`${file}: is no JSON`, { cause });
    }
  }

  /** The model that answered. */
  get model(): string | null {
    const { model, facts } = this.settings;
    const named = model ?? (facts as JsonObject | undefined)?.['model'];
    return typeof named === 'string' ? named : null;
  }

  /** What was asked: the benchmark's name, or those of the data files; null where the settings do not say. */
  get set(): string | null {
    const { benchmark } = this.settings;
    if (typeof benchmark === 'string') return benchmark;
    return this.#dataFiles.length === 0 ? null : this.#dataFiles.map((path) => basename(path)).join(', ');
  }

  /** What the data files say of the questions, where they are at hand. */
  get questions(): ItemBook {
    this.#book ??= new ItemBook(this.#dataFiles);
    return this.#book;
  }

  get #dataFiles(): readonly string[] {
    const data = (this.settings['facts'] as JsonObject | undefined)?.['data'];
    return Array.isArray(data) ? data.filter((path) => typeof path === 'string') : [];
  }

  rows(): readonly EvaluationRow[] {
    return this.#rows.get(this.rowsPath, () => readEvaluationRows(this.path));
  }

  /** Null before the first row. */
  accuracy(): AccuracyTable | null {
    return this.#tables.get(this.rowsPath, () => {
      const rows = this.rows();
      return rows.length === 0 ? null : accuracyTable(rows);
    });
  }

  /** @throws DataError for a place behind the end */
  row(at: number): EvaluationRow {
    const row = this.rows()[at];
    if (row === undefined) throw new DataError(`the evaluation has no row ${at}`);
    return row;
  }

  /** Items in order, against those of another evaluation where one is given. */
  items(
    name: string,
    other: { readonly name: string; readonly data: EvaluationData } | undefined,
    query: ItemQuery,
  ): EvaluationRows {
    const rows = this.rows();
    const others = new Map(other?.data.rows().map((row) => [row.id, row]));
    const all = rows.map((row, at): EvaluationItem => {
      const before = others.get(row.id) ?? null;
      return { at, change: outcomeOf(before, row), row, other: before };
    });
    const counts = Object.fromEntries(
      OUTCOMES.map((name) => [name, all.filter(({ change }) => change === name).length]),
    ) as Record<Outcome, number>;
    const needle = query.q?.toLowerCase() ?? '';
    const matches = all.filter(
      ({ change, row }) =>
        (query.change === undefined || change === query.change) &&
        (needle === '' ||
          [row.id, row.problem, row.completion].some((text) => text.toLowerCase().includes(needle))),
    );
    return {
      counts,
      matches: matches.length,
      comparison:
        other === undefined
          ? null
          : compareRuns({ name, rows }, { name: other.name, rows: other.data.rows() }),
      items: matches.slice(query.offset, query.offset + query.limit),
    };
  }
}

/** From `before` to `now`; without a before, an item has always been what it is. */
function outcomeOf(before: EvaluationRow | null, now: EvaluationRow): Outcome {
  const isRight = now.score === 1;
  const wasRight = before === null ? isRight : before.score === 1;
  return isRight ? (wasRight ? 'stayed right' : 'became right') : wasRight ? 'became wrong' : 'stayed wrong';
}
