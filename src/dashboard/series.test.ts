import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { scratchFolder } from '../../tests/support/scratch-folder.ts';
import { MetricsTable } from './metrics-table.ts';
import { reduceSeries } from './series.ts';

const folder = scratchFolder();
const rowsOf = (rows: readonly object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

function tableOf(name: string, rows: readonly object[]): MetricsTable {
  const path = join(folder, `${name}.jsonl`);
  writeFileSync(path, rowsOf(rows));
  const table = new MetricsTable(path);
  table.refresh();
  return table;
}

describe('MetricsTable', () => {
  it('has NaN where a row lacks a key, and takes no texts', () => {
    const table = tableOf('keys', [
      { step: 1, a: 1, note: 'x' },
      { step: 2, b: 5 },
    ]);
    expect([...table.column('a')!]).toEqual([1, Number.NaN]);
    expect([...table.column('b')!]).toEqual([Number.NaN, 5]);
    expect(table.column('note')).toBeUndefined();
  });

  it('reads what was appended, whole lines only', () => {
    const path = join(folder, 'growing.jsonl');
    writeFileSync(path, rowsOf([{ step: 1 }]));
    const table = new MetricsTable(path);
    table.refresh();
    appendFileSync(path, '{"step":2}\n{"ste');
    table.refresh();
    expect([...table.column('step')!]).toEqual([1, 2]);
    appendFileSync(path, 'p":3}\n');
    table.refresh();
    expect([...table.column('step')!]).toEqual([1, 2, 3]);
  });

  it('begins anew where the end of the file was cut off', () => {
    const path = join(folder, 'cut.jsonl');
    writeFileSync(path, rowsOf([{ step: 1 }, { step: 2 }, { step: 3 }]));
    const table = new MetricsTable(path);
    table.refresh();
    writeFileSync(path, rowsOf([{ step: 1 }]));
    table.refresh();
    expect([...table.column('step')!]).toEqual([1]);
  });

  it('knows the step of the last whole row without taking rows in', () => {
    const path = join(folder, 'last.jsonl');
    const table = new MetricsTable(path);
    expect(table.lastStep()).toBe(0);
    writeFileSync(path, `${rowsOf([{ step: 1 }])}{"ste`);
    expect(table.lastStep()).toBe(1);
    writeFileSync(path, `${rowsOf([{ step: 1 }, { step: 2 }])}{"ste`);
    expect(table.lastStep()).toBe(2);
    expect(table.rows).toBe(0);
    // Longer than the part of the file that is read for it.
    writeFileSync(path, rowsOf([{ step: 1 }, { step: 3, note: 'x'.repeat(100_000) }]));
    expect(table.lastStep()).toBe(3);
  });

  it('takes keys in any order, that come and go', () => {
    const rows = Array.from({ length: 600 }, (_, i) =>
      i % 3 === 0
        ? { step: i, a: i, b: 1 - i }
        : i % 3 === 1
          ? { b: 1 - i, step: i }
          : { step: i, c: 2 * i, a: i },
    );
    const table = tableOf('order', rows);
    for (const key of ['step', 'a', 'b', 'c'] as const)
      expect([...table.column(key)!]).toEqual(
        rows.map((row) => (row as Readonly<Record<string, number>>)[key] ?? Number.NaN),
      );
  });

  it('has no rows without a file, and names a damaged line', () => {
    const none = new MetricsTable(join(folder, 'none.jsonl'));
    none.refresh();
    expect(none.rows).toBe(0);
    expect(() => tableOf('damaged', [{ step: 1 }, { reward: 1 }])).toThrow(
      /damaged\.jsonl: row 2 has no number "step"/,
    );
  });
});

describe('reduceSeries', () => {
  const rows = Array.from({ length: 1000 }, (_, i) => ({
    step: i + 1,
    a: i === 777 ? 50 : i % 2,
    step_time: 36,
    num_tokens: 10 * (i + 1),
  }));
  const table = tableOf('long', rows);

  it('gives rows as they are where there are few', () => {
    const { rows, step, columns } = reduceSeries(table, { keys: ['a'], buckets: 600, from: 776, to: 779 });
    expect({ rows, step, a: columns['a'] }).toEqual({
      rows: 4,
      step: [776, 777, 778, 779],
      a: { mean: [1, 0, 50, 0] },
    });
  });

  it('loses no spike, and keeps the mean', () => {
    const { rows, step, columns } = reduceSeries(table, { keys: ['a', 'none'], buckets: 10 });
    expect({ rows, points: step.length, keys: Object.keys(columns) }).toEqual({
      rows: 1000,
      points: 10,
      keys: ['a'],
    });
    expect(step[0]).toBe(50.5);
    expect(columns['a']!.max![7]).toBe(50);
    expect(columns['a']!.min!.every((value) => value === 0)).toBe(true);
    expect(columns['a']!.mean[7]).toBeCloseTo((49 + 50) / 100, 12);
  });

  it('counts the hours of steps that a row stands for', () => {
    const sparse = tableOf('sparse', [
      { step: 10, step_time: 360 },
      { step: 20, step_time: 720 },
    ]);
    expect(reduceSeries(sparse, { keys: [], buckets: 10 }).hours).toEqual([1, 3]);
  });

  it('has no hours and no tokens where nothing says so', () => {
    const bare = tableOf('bare', [{ step: 1, a: 2 }]);
    expect(reduceSeries(bare, { keys: ['a'], buckets: 10 })).toMatchObject({ hours: [null], tokens: [null] });
  });
});
