import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { scratchFolder } from '../../tests/support/scratch-folder.ts';
import { DataError } from '../base/index.ts';
import { appendCompletions, readCompletions } from './completions.ts';
import type { CompletionRecord } from './step-records.ts';

const folder = scratchFolder();
const record = (row: number, changes: Partial<CompletionRecord> = {}): CompletionRecord => ({
  ...{ step: 3, group: 1, row, item: 'q1', video: '/v/q1.mp4', problem: 'Which?\nA. x\nB. y' },
  ...{ solution: '<answer>A,B</answer>', completion: 'Both: "A"\u2028, B', answer: ['A', 'B'] },
  ...{ rewards: { accuracy: 1, mine: 0.25 }, reward: 1.25, advantage: -0.5, length: 9, truncated: false },
  ...changes,
});

describe('the file of completions', () => {
  it('gives back what was written, what could not be judged or read included', () => {
    const path = join(folder, 'whole.jsonl');
    const { NaN: none } = Number;
    const records = [
      record(0, { temporal_bonus: 0.3 }),
      record(1, { answer: null, rewards: { accuracy: none }, reward: none, truncated: true }),
    ];
    appendCompletions(path, records);
    appendCompletions(path, [record(2)]);
    expect(readCompletions(path)).toEqual([...records, record(2)]);
    expect(readFileSync(path, 'utf8')).not.toContain('NaN');
  });

  it('passes over a torn last line, keys of newer versions, and a file that is not there', () => {
    const path = join(folder, 'torn.jsonl');
    writeFileSync(path, `${JSON.stringify({ ...record(0), mood: 'new' })}\n`);
    appendFileSync(path, JSON.stringify(record(1)).slice(0, 40));
    expect(readCompletions(path)).toEqual([record(0)]);
    expect(readCompletions(join(folder, 'none.jsonl'))).toEqual([]);
  });

  it.each([
    ['advantage', { advantage: '0' }],
    ['rewards.accuracy', { rewards: { accuracy: 'much' } }],
    ['row', { row: -1 }],
    ['completion', { completion: undefined }],
  ])('names file, line and key of a damaged record (%s)', (key, change) => {
    const path = join(folder, `${key}.jsonl`);
    writeFileSync(
      path,
      [record(0), { ...record(1), ...change }].map((one) => `${JSON.stringify(one)}\n`).join(''),
    );
    expect(() => readCompletions(path)).toThrow(DataError);
    expect(() => readCompletions(path)).toThrow(`${path}:2: ${key}: `);
  });
});
