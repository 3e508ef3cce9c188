import { describe, expect, it } from 'vitest';
import { accuracyTable, type ScoredRow } from './accuracy.ts';

/** As `JSON.parse` gives it, where "__proto__" is a key like any other. */
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

  it('leaves out dimensions that tell nothing apart', () => {
    const rows = Array.from({ length: 70 }, (_, i) =>
      row(`${i}`, 1, JSON.stringify({ id: `${i}`, same: 'x', half: i < 30 ? 'a' : 'b' })),
    );
    const { by } = accuracyTable(rows);
    expect(Object.keys(by)).toEqual(['half']);
    expect(Object.entries(by['half']!).map(([value, { n }]) => [value, n])).toEqual([
      ['b', 40],
      ['a', 30],
    ]);
  });
});
