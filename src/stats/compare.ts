/** Two runs over the same items: which have the one right and not the other, and whether that could be chance. */
import type { ScoredRow } from './accuracy.ts';
import { type McNemar, mcnemar } from './statistics.ts';

export interface Comparison extends McNemar {
  readonly first: string;
  readonly second: string;
  /** Which questions: all, those with one right option, those with several. */
  readonly questions: 'all' | 'single' | 'multiple';
  /** Strict accuracy on the common items, in [0, 1]; null when there is no common item. */
  readonly strict_first: number | null;
  readonly strict_second: number | null;
  /** Items in the first run alone, in the second alone: they take no part. */
  readonly missing_in_second: number;
  readonly missing_in_first: number;
  /** Common items whose right answers differ between the runs: they take no part either. */
  readonly other_truth: number;
}

export interface NamedRows {
  readonly name: string;
  readonly rows: readonly ScoredRow[];
}

/** McNemar's test of the strict accuracy on the items both runs hold, matched by id. */
export function compareRuns(
  first: NamedRows,
  second: NamedRows,
  questions: Comparison['questions'] = 'all',
): Comparison {
  const isIn = ({ truth }: ScoredRow): boolean =>
    questions === 'all' || truth.length > 1 === (questions === 'multiple');
  const firsts = first.rows.filter(isIn);
  const seconds = new Map(second.rows.filter(isIn).map((row) => [row.id, row]));
  const pairs: [boolean, boolean][] = [];
  let otherTruth = 0;
  let numCommon = 0;
  for (const row of firsts) {
    const other = seconds.get(row.id);
    if (other === undefined) continue;
    numCommon++;
    if (row.truth.join(',') === other.truth.join(',')) pairs.push([row.score === 1, other.score === 1]);
    else otherTruth++;
  }
  const share = (which: 0 | 1): number | null =>
    pairs.length === 0 ? null : pairs.filter((pair) => pair[which]).length / pairs.length;
  return {
    first: first.name,
    second: second.name,
    questions,
    strict_first: share(0),
    strict_second: share(1),
    missing_in_second: firsts.length - numCommon,
    missing_in_first: seconds.size - numCommon,
    other_truth: otherTruth,
    ...mcnemar(pairs),
  };
}
