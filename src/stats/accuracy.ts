/**
 * From scored rows to figures: strict and soft accuracy with intervals, for all items, for single- and multi-answer items,
 * and for every value of every dimension.
 *
 * Strict is the share of items whose chosen set equals the true set; its interval is Wilson's. Soft is the mean of |S|/|G|
 * over subsets S of the truth G; where it takes other values than 0 and 1 its interval is a seeded bootstrap.
 */
import { mean, percent, percentRange, recordOf } from '../base/index.ts';
import { bootstrapMean, type Interval, wilsonInterval } from './statistics.ts';

/** One item's answer, scored. */
export interface ScoredRow {
  /** Tells the item apart from the others of the set; the same in every run over the set. */
  readonly id: string;
  /** True letters, at least one. */
  readonly truth: readonly string[];
  /** Chosen letters; empty when none could be read. */
  readonly chosen: readonly string[];
  /** True when no answer could be read. */
  readonly failed: boolean;
  /** Soft score in [0, 1]; 1 exactly when the chosen set is the true set. */
  readonly score: number;
  /** Name of the dimension -> value. */
  readonly dims: Readonly<Record<string, string>>;
}

/** Accuracies of a set of items. All shares lie in [0, 1]. */
export interface Accuracy {
  readonly n: number;
  readonly correct: number;
  readonly strict: number;
  readonly strict_interval: Interval;
  readonly soft: number;
  readonly soft_interval: Interval;
  /** Share of items without a readable answer. */
  readonly parse_failure: number;
}

export interface AccuracyTable {
  readonly overall: Accuracy;
  /** `single` and `multiple`, as far as there are such items. */
  readonly by_answers: Readonly<Record<string, Accuracy>>;
  /** Dimension -> value -> accuracy; whole numbers ascend, other values follow by falling number of items. */
  readonly by: Readonly<Record<string, Readonly<Record<string, Accuracy>>>>;
}

/** A dimension with more values than this (an id, a URL) is no dimension. */
const MAX_VALUES = 60;
const BOOTSTRAP_SEED = 0;

/** @param rows at least one */
export function accuracy(rows: readonly Pick<ScoredRow, 'score' | 'failed'>[]): Accuracy {
  const n = rows.length;
  const scores = rows.map(({ score }) => score);
  const correct = scores.filter((score) => score === 1).length;
  const strictInterval = wilsonInterval(correct, n);
  const isBinary = scores.every((score) => score === 0 || score === 1);
  return {
    n,
    correct,
    strict: correct / n,
    strict_interval: strictInterval,
    soft: mean(scores),
    soft_interval: isBinary ? strictInterval : bootstrapMean(scores, { seed: BOOTSTRAP_SEED }),
    parse_failure: rows.filter(({ failed }) => failed).length / n,
  };
}

/** @param rows at least one; dimensions with a single value, or more than 60, are left out */
export function accuracyTable(rows: readonly ScoredRow[]): AccuracyTable {
  const names = new Set(rows.flatMap(({ dims }) => Object.keys(dims)));
  const by = recordOf<Record<string, Accuracy>>([]);
  for (const name of [...names].sort()) {
    const groups = group(rows, ({ dims }) => (Object.hasOwn(dims, name) ? dims[name] : undefined));
    if (groups.size < 2 || groups.size > MAX_VALUES) continue;
    by[name] = table(groups);
  }
  return {
    overall: accuracy(rows),
    by_answers: table(group(rows, ({ truth }) => (truth.length > 1 ? 'multiple' : 'single'))),
    by,
  };
}

function group<T>(rows: readonly T[], keyOf: (row: T) => string | undefined): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const row of rows) {
    const key = keyOf(row);
    if (key === undefined) continue;
    const members = groups.get(key);
    if (members === undefined) groups.set(key, [row]);
    else members.push(row);
  }
  return groups;
}

function table(groups: ReadonlyMap<string, readonly ScoredRow[]>): Record<string, Accuracy> {
  const sorted = [...groups].sort(
    ([a, rowsA], [b, rowsB]) => rowsB.length - rowsA.length || (a < b ? -1 : 1),
  );
  return recordOf(sorted.map(([key, rows]) => [key, accuracy(rows)]));
}

/** The cells of a table: items, strict and soft accuracy with their 95 % intervals, the share that could not be read. */
export function accuracyCells(row: Accuracy): (string | number)[] {
  return [
    row.n,
    percent(row.strict, 2),
    percentRange(row.strict_interval),
    percent(row.soft, 2),
    percentRange(row.soft_interval),
    percent(row.parse_failure, 2),
  ];
}

/** One dimension of a table, under all its names. */
export interface Breakdown {
  readonly names: readonly string[];
  readonly values: Readonly<Record<string, Accuracy>>;
}

/** The table's dimensions; those that part the items alike, value by value, stand once, under all their names. */
export function breakdowns({ by }: Pick<AccuracyTable, 'by'>): Breakdown[] {
  const found = new Map<string, { names: string[]; values: Breakdown['values'] }>();
  for (const [name, values] of Object.entries(by)) {
    const key = JSON.stringify(values);
    const known = found.get(key);
    if (known === undefined) found.set(key, { names: [name], values });
    else known.names.push(name);
  }
  return [...found.values()];
}
