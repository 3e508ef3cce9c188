import { describe, expect, it } from 'vitest';
import { accuracy, accuracyTable, breakdowns, type ScoredRow } from './accuracy.ts';
import { compareRuns } from './compare.ts';

/** An object as `JSON.parse` gives it, where "__proto__" is a key like any other. */
function row(id: string, score: number, dims: string): ScoredRow {
  return {
    id,
    truth: ['A'],
    chosen: ['A'],
    failed: false,
    score,
    dims: JSON.parse(dims) as Record<string, string>,
  };
}

describe('accuracyTable', () => {
  it('takes dimensions and values named like members of every object for what they are', () => {
    const { by } = accuracyTable([
      row('1', 1, '{"__proto__": "valueOf", "constructor": "a"}'),
      row('2', 0, '{"__proto__": "toString", "constructor": "b"}'),
      row('3', 1, '{}'),
    ]);
    expect(Object.keys(by)).toEqual(['__proto__', 'constructor']);
    expect(
      Object.entries(Object.values(by)[0]!).map(([value, { n, correct }]) => [value, n, correct]),
    ).toEqual([
      ['toString', 1, 0],
      ['valueOf', 1, 1],
    ]);
    expect(by['toString']).toBeUndefined();
    expect(by['constructor']?.['hasOwnProperty']).toBeUndefined();
  });
});

describe('accuracy', () => {
  const scored = (id: string, score: number, truth = ['A'], dims = {}): ScoredRow => ({
    id,
    truth,
    chosen: [],
    failed: score === 0,
    score,
    dims,
  });

  it('gives Wilson for right or wrong, and a bootstrap for parts', () => {
    const binary = accuracy([scored('1', 1), scored('2', 0)]);
    expect(binary.soft_interval).toEqual(binary.strict_interval);
    const parts = accuracy([scored('1', 1), scored('2', 0.5), scored('3', 0.5), scored('4', 0)]);
    expect(parts).toMatchObject({ n: 4, correct: 1, strict: 0.25, soft: 0.5, parse_failure: 0.25 });
    expect(parts.soft_interval.low).toBeGreaterThanOrEqual(0);
    expect(parts.soft_interval.high).toBeLessThanOrEqual(1);
  });

  it('leaves out dimensions that tell nothing or name each item', () => {
    const rows = Array.from({ length: 100 }, (_, i) =>
      scored(`${i}`, 1, ['A'], { url: `u${i}`, set: 'same', half: `${i % 2}` }),
    );
    expect(Object.keys(accuracyTable(rows).by)).toEqual(['half']);
  });

  it('compares only common items with the same truth', () => {
    const first = [scored('1', 1), scored('2', 1), scored('3', 0), scored('4', 1)];
    const second = [scored('1', 0), scored('2', 1, ['B']), scored('3', 1), scored('5', 1)];
    expect(compareRuns({ name: 'a', rows: first }, { name: 'b', rows: second })).toMatchObject({
      n: 2,
      only_first: 1,
      only_second: 1,
      strict_first: 0.5,
      strict_second: 0.5,
      missing_in_second: 1,
      missing_in_first: 1,
      other_truth: 1,
    });
    expect(compareRuns({ name: 'a', rows: [] }, { name: 'b', rows: second })).toMatchObject({
      n: 0,
      strict_first: null,
    });
  });
});

describe('breakdowns', () => {
  it('has fields that part the items alike once, under all their names', () => {
    const table = accuracyTable([
      row('1', 1, '{"task_type": "move", "original_question_type": "move", "subset": "a"}'),
      row('2', 0, '{"task_type": "hit", "original_question_type": "hit", "subset": "a"}'),
      row('3', 1, '{"task_type": "hit", "original_question_type": "hit", "subset": "b"}'),
    ]);
    expect(breakdowns(table).map(({ names }) => names)).toEqual([
      ['original_question_type', 'task_type'],
      ['subset'],
    ]);
  });
});
