import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../base/index.ts';
import { type AuthorsSet, invertFileLikeAuthors, invertLikeAuthors } from './authors.ts';

interface Goldens {
  readonly cases: readonly { set: AuthorsSet; seed: number; items: object[]; made: object[] }[];
  readonly validation: readonly { seed: number; sha256: string; inverted: number; unchanged: number }[];
}

const { cases, validation } = JSON.parse(
  readFileSync(new URL('../../../tests/goldens/qai/authors.json', import.meta.url), 'utf8'),
) as Goldens;

const NEXTGQA = path.join(
  process.env['TWGRPO_SHARED'] ?? path.join(packageRoot(), '..', 'shared'),
  'data/benchmarks/nextgqa_val.json',
);

const rows = (items: readonly unknown[]) => items.map((value, index) => ({ value, line: index + 1 }));

describe('invertLikeAuthors', () => {
  it.each(cases)('$set, seed $seed: every record as the script makes it', ({ set, seed, items, made }) => {
    const found = invertLikeAuthors(rows(items), { set, seed });
    expect(found.records).toEqual(made);
    expect(found.report.inverted + found.report.original).toBe(items.length);
    expect(Object.values(found.report.rules).reduce((sum, count) => sum + count, 0)).toBe(
      found.report.inverted,
    );
  });

  it('writes the fields in the order of the script', () => {
    const item = {
      id: '1',
      video: 'a/1.mp4',
      question: 'why is it',
      options: ['(A) x', '(B) y'],
      type: 'CW',
      answer: '(A)',
    };
    const { records } = invertLikeAuthors(rows([item]), { set: 'nextgqa', seed: 0 });
    expect(Object.keys(records[0]!)).toEqual([...Object.keys(item), 'problem', 'solution', 'is_negated']);
  });

  it('keeps the defects, and counts them', () => {
    const item = (question: string) => ({
      id: '1',
      video: '1.mp4',
      question,
      options: ['(A) x', '(B) y'],
      answer: '(A)',
    });
    const questions = ['which object did he move', 'Why Did he  move', 'what did he move'];
    const items = Array.from({ length: 60 }, (_, i) => item(questions[i % 3]!));
    const { records, report } = invertLikeAuthors(rows(items), { set: 'nextgqa', seed: 5 });
    const inverted = records.filter((record) => record.is_negated).map(({ question }) => question);
    expect(new Set(inverted)).toEqual(
      new Set(['which object did he move', "why didn't he move", "what didn't he move"]),
    );
    expect(report.unchanged).toBe(inverted.filter((question) => question.startsWith('which')).length);
    expect(report.negated_why).toBe(inverted.filter((question) => question.startsWith('why')).length);
    expect(report.unchanged).toBeGreaterThan(0);
  });

  it('names line and field of a record the script would fail on', () => {
    const item = { video: '1.mp4', question: 'why is it', options: ['(A) x', '(B) y'] };
    expect(() => invertLikeAuthors(rows([item]), { set: 'nextgqa', seed: 0, file: 'f' })).toThrow(
      /f:1: field "answer"/,
    );
    expect(() =>
      invertLikeAuthors(rows([{ ...item, solution: 'A and B' }]), { set: 'star', seed: 0, file: 'f' }),
    ).toThrow(/f:1: field "solution"/);
    const same = { ...item, options: ['(A) x', '(B) x'], answer: '(A)' };
    expect(() => invertLikeAuthors(rows([same, same, same, same]), { set: 'nextgqa', seed: 0 })).toThrow(
      /no right option is left/,
    );
  });
});

describe.skipIf(!existsSync(NEXTGQA))('the NExT-GQA validation file', () => {
  it.each(validation)(
    'seed $seed: all 3,358 records as in Python',
    ({ seed, sha256, inverted, unchanged }) => {
      const { records, report } = invertFileLikeAuthors(NEXTGQA, { set: 'nextgqa', seed });
      const keys = ['id', 'video', 'question', 'options', 'answer', 'problem', 'solution', 'is_negated'];
      const lines = records.map((record) => JSON.stringify(keys.map((key) => record[key])));
      expect(createHash('sha256').update(lines.join('\n')).digest('hex')).toBe(sha256);
      expect(report).toMatchObject({ items: 3358, inverted, unchanged });
    },
  );
});
