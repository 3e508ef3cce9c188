/**
 * Columns reduced to what a screen can show: consecutive rows are put together, and each bucket keeps its mean and its extremes, so
 * that no spike is lost.
 */
import type { ReducedColumn, Series } from './api.ts';
import type { MetricsTable } from './metrics-table.ts';

export interface SeriesRequest {
  readonly keys: readonly string[];
  /** Most points of a curve, at least 1. */
  readonly buckets: number;
  /** First and last step, both included. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
}

export function reduceSeries(table: MetricsTable, { keys, buckets, from, to }: SeriesRequest): Series {
  const steps = table.column('step') ?? new Float64Array(0);
  let [first, last] = [0, steps.length];
  if (from !== undefined) while (first < last && steps[first]! < from) first++;
  if (to !== undefined) while (last > first && steps[last - 1]! > to) last--;
  const rows = last - first;
  const edges = edgesOf(first, rows, buckets);
  const isWhole = rows <= buckets;
  const columns: Record<string, ReducedColumn> = {};
  for (const key of keys) {
    const values = table.column(key);
    if (values === undefined) continue;
    const mean = reduce(values, edges, meanOf);
    columns[key] = isWhole
      ? { mean }
      : { mean, min: reduce(values, edges, leastOf), max: reduce(values, edges, mostOf) };
  }
  const tokens = table.column('num_tokens');
  return {
    rows,
    known: table.keys,
    step: reduce(steps, edges, meanOf) as number[],
    hours: reduce(trainingHours(table), edges, meanOf),
    tokens: tokens === undefined ? edges.slice(1).map(() => null) : reduce(tokens, edges, meanOf),
    columns,
  };
}

/** Wall time of training up to each row, in hours: every step of a row took its mean step time. */
function trainingHours(table: MetricsTable): Float64Array {
  const steps = table.column('step') ?? new Float64Array(0);
  const times = table.column('step_time');
  const hours = new Float64Array(steps.length).fill(Number.NaN);
  if (times === undefined) return hours;
  let seconds = 0;
  for (let row = 0; row < steps.length; row++) {
    const taken = steps[row]! - (row === 0 ? 0 : steps[row - 1]!);
    if (!Number.isNaN(times[row]!)) seconds += times[row]! * taken;
    hours[row] = seconds / 3600;
  }
  return hours;
}

function edgesOf(first: number, rows: number, buckets: number): number[] {
  const count = Math.min(rows, buckets);
  return Array.from({ length: count + 1 }, (_, i) => first + Math.round((i * rows) / Math.max(1, count)));
}

type Fold = (values: Float64Array, from: number, to: number) => number;

function reduce(values: Float64Array, edges: readonly number[], fold: Fold): (number | null)[] {
  return edges.slice(1).map((to, i) => {
    const value = fold(values, edges[i]!, to);
    return Number.isFinite(value) ? value : null;
  });
}

function meanOf(values: Float64Array, from: number, to: number): number {
  let [sum, count] = [0, 0];
  for (let i = from; i < to; i++) {
    if (Number.isNaN(values[i]!)) continue;
    sum += values[i]!;
    count++;
  }
  return sum / count;
}

function leastOf(values: Float64Array, from: number, to: number): number {
  let least = Number.POSITIVE_INFINITY;
  for (let i = from; i < to; i++) if (values[i]! < least) least = values[i]!;
  return least;
}

function mostOf(values: Float64Array, from: number, to: number): number {
  let most = Number.NEGATIVE_INFINITY;
  for (let i = from; i < to; i++) if (values[i]! > most) most = values[i]!;
  return most;
}
