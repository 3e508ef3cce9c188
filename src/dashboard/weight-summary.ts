/** Where the weight of the loss lies over a run: by position, by word, and how the answers were judged, from steps spread evenly over it. */
import { setImmediate } from 'node:timers/promises';
import { wordsOf } from '../report/index.ts';
import type { TokenRecord } from '../run/index.ts';
import { stepOutcomes } from './answer-outcomes.ts';
import type { StepOutcomes, WeightSummary, WordChange } from './api.ts';
import type { RunData } from './run-data.ts';

/** Steps looked at. */
const NUM_STEPS = 48;
/** Columns of the picture by position, at most. */
const NUM_BUCKETS = 96;
/** Rarer words say nothing. */
const LEAST_COUNT = 12;
const NUM_WORDS = 60;

/** @throws DataError for a damaged file */
export async function weightSummary(run: RunData): Promise<WeightSummary> {
  const all = run.steps();
  const count = Math.min(NUM_STEPS, all.length);
  const steps = Array.from({ length: count }, (_, i) => all[Math.floor((i * all.length) / count)]!);
  const words = new Map<string, WordTotals>();
  const sums: TokenRecord[][] = [];
  const outcomes: StepOutcomes[] = [];
  const tops: TopShare[] = [];
  for (const [i, step] of steps.entries()) {
    const records = run.directory.readCompletions(step);
    outcomes.push(stepOutcomes(records));
    const texts = new Map(records.map(({ group, row, completion }) => [`${group}/${row}`, completion]));
    const third = Math.floor((3 * i) / steps.length);
    const rows = run.tokens(step)?.rows ?? [];
    for (const row of rows)
      for (const [word, weight] of wordsOf(texts.get(`${row.group}/${row.row}`) ?? '', row))
        addWord(words, word, weight, third);
    const advantages = new Map(records.map(({ group, row, advantage }) => [`${group}/${row}`, advantage]));
    tops.push(
      topShare(rows.map((row) => ({ row, advantage: advantages.get(`${row.group}/${row.row}`) ?? 0 }))),
    );
    sums.push([...rows]);
    await setImmediate();
  }
  const longest = Math.max(1, ...sums.flatMap((rows) => rows.map(({ ids }) => ids.length)));
  const size = Math.ceil(longest / NUM_BUCKETS);
  const buckets = Math.ceil(longest / size);
  return {
    steps,
    positions_per_bucket: size,
    by_position: sums.map((rows) => meanWeights(rows, size, buckets)),
    alive: sums.map((rows) => aliveShares(rows, size, buckets)),
    words: [...words]
      .filter(([, { count }]) => count >= LEAST_COUNT)
      .map(([word, totals]) => wordChange(word, totals))
      .sort((a, b) => b.mean - a.mean)
      .slice(0, NUM_WORDS),
    top_share: tops.map(({ weighted }) => weighted),
    top_share_plain: tops.map(({ plain }) => plain),
    outcomes,
  };
}

interface TopShare {
  readonly weighted: number | null;
  readonly plain: number | null;
}

/** Part of the tokens that counts as the top. */
const TOP = 0.2;

/**
 * What the 20 % of tokens with the greatest weights have of the loss's weight, with their weights and with 1 for each. Tokens of equal
 * weight at the edge count in part, so that their order plays no role.
 */
export function topShare(
  rows: readonly { readonly row: Pick<TokenRecord, 'weights'>; readonly advantage: number }[],
): TopShare {
  const tokens = rows.flatMap(({ row, advantage }) =>
    Array.from(row.weights, (weight) => ({
      weight,
      size: Number.isFinite(advantage) ? Math.abs(advantage) : 0,
    })),
  );
  const sum = (values: readonly { weight: number; size: number }[], isPlain: boolean) =>
    values.reduce((total, { weight, size }) => total + (isPlain ? size : size * weight), 0);
  if (sum(tokens, true) === 0) return { weighted: null, plain: null };
  const count = TOP * tokens.length;
  const edge = tokens.map(({ weight }) => weight).sort((a, b) => b - a)[Math.max(0, Math.ceil(count) - 1)]!;
  const above = tokens.filter(({ weight }) => weight > edge);
  const at = tokens.filter(({ weight }) => weight === edge);
  const part = (count - above.length) / at.length;
  const share = (isPlain: boolean) => (sum(above, isPlain) + part * sum(at, isPlain)) / sum(tokens, isPlain);
  return { weighted: share(false), plain: share(true) };
}

interface WordTotals {
  count: number;
  /** Sum of weights and number of occurrences in each third of the run. */
  readonly sums: [number, number, number];
  readonly counts: [number, number, number];
}

function addWord(words: Map<string, WordTotals>, word: string, weight: number, third: number): void {
  let totals = words.get(word);
  if (totals === undefined) {
    totals = { count: 0, sums: [0, 0, 0], counts: [0, 0, 0] };
    words.set(word, totals);
  }
  totals.count++;
  totals.sums[third]! += weight;
  totals.counts[third]!++;
}

function wordChange(word: string, { count, sums, counts }: WordTotals): WordChange {
  const part = (i: 0 | 2) => (counts[i] === 0 ? null : sums[i] / counts[i]);
  return { word, count, mean: (sums[0] + sums[1] + sums[2]) / count, early: part(0), late: part(2) };
}

function meanWeights(rows: readonly TokenRecord[], size: number, buckets: number): (number | null)[] {
  const sums = new Float64Array(buckets);
  const counts = new Float64Array(buckets);
  for (const { weights } of rows)
    for (let t = 0; t < weights.length; t++) {
      sums[Math.floor(t / size)]! += weights[t]!;
      counts[Math.floor(t / size)]!++;
    }
  return Array.from(sums, (sum, i) => (counts[i] === 0 ? null : sum / counts[i]!));
}

function aliveShares(rows: readonly TokenRecord[], size: number, buckets: number): number[] {
  return Array.from({ length: buckets }, (_, i) =>
    rows.length === 0 ? 0 : rows.filter(({ ids }) => ids.length > i * size).length / rows.length,
  );
}
