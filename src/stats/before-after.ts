/** One set of questions answered before and after training: accuracies side by side, all together and group by group. */
import { mean } from '../base/index.ts';
import { type Accuracy, accuracy } from './accuracy.ts';
import { compareRuns } from './compare.ts';
import type { EvaluationRow } from './evaluation-rows.ts';
import type { McNemar } from './statistics.ts';

export interface Change {
  readonly name: string;
  readonly before: Accuracy;
  readonly after: Accuracy;
  /** McNemar's test of the strict accuracy. */
  readonly test: McNemar;
  /** Mean tokens of an answer. */
  readonly length: { readonly before: number; readonly after: number };
}

export interface BeforeAfter {
  /** Decoding of the answers, for example `greedy`. */
  readonly label: string;
  readonly all: Change;
  /** The change of each value of the dimension, in the order of the rows. */
  readonly groups: readonly Change[];
}

type Row = Pick<EvaluationRow, 'id' | 'truth' | 'chosen' | 'failed' | 'score' | 'dims' | 'length'>;

/**
 * @param before rows of the same questions as `after`, at least one
 * @param dimension name in `dims` to group by
 */
export function beforeAfter(
  label: string,
  before: readonly Row[],
  after: readonly Row[],
  dimension: string,
): BeforeAfter {
  const groupOf = ({ dims }: Row): string => dims[dimension] ?? '';
  const values = [...new Set(before.map(groupOf))];
  const rowsWith = (rows: readonly Row[], value: string) => rows.filter((row) => groupOf(row) === value);
  return {
    label,
    all: change('all', before, after),
    groups: values.map((value) => change(value, rowsWith(before, value), rowsWith(after, value))),
  };
}

function change(name: string, before: readonly Row[], after: readonly Row[]): Change {
  const { n, only_first, only_second, p_exact, p_mid } = compareRuns(
    { name: 'before', rows: before },
    { name: 'after', rows: after },
  );
  if (n !== before.length || n !== after.length)
    throw new Error(`internal: ${name}: ${before.length} and ${after.length} rows have ${n} in common`);
  const meanLength = (rows: readonly Row[]): number => mean(rows.map(({ length }) => length));
  return {
    name,
    before: accuracy(before),
    after: accuracy(after),
    test: { n, only_first, only_second, p_exact, p_mid },
    length: { before: meanLength(before), after: meanLength(after) },
  };
}
