import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { scratchFolder } from '../../tests/support/scratch-folder.ts';
import { packageRoot } from '../base/index.ts';
import { compareRuns } from '../stats/index.ts';
import { type LogScore, type ScoreLogOptions, scoreLog } from './score-log.ts';

const LOGS = path.join(
  process.env['TWGRPO_SHARED'] ?? path.join(packageRoot(), '..', 'shared'),
  'data',
  'logs',
);
const ZERO_SHOT = path.join(LOGS, 'zeroshot_mmvu.jsonl');
const VIDEOCHAT = path.join(LOGS, 'videochat_r1_mmvu.jsonl');
const hasLogs = existsSync(ZERO_SHOT) && existsSync(VIDEOCHAT);

const folder = scratchFolder();

function row(id: number | undefined, output: string, score: number | undefined, more: object = {}) {
  return {
    question: {
      ...(id === undefined ? {} : { problem_id: id }),
      problem: `question ${id}`,
      video: `/v/${id}.mp4`,
    },
    ground_truth: '<answer>A,C</answer>',
    model_output: output,
    ...(score === undefined ? {} : { accuracy_score: score }),
    ...more,
  };
}

function scoreText(text: string, options: ScoreLogOptions = {}): LogScore {
  const file = path.join(folder, 'log.jsonl');
  writeFileSync(file, text);
  const found = scoreLog(file, options);
  if (found.scores === undefined) throw new Error('refused');
  return found;
}

const scoreRows = (rows: readonly unknown[], options?: ScoreLogOptions): LogScore =>
  scoreText(rows.map((value) => `${JSON.stringify(value)}\n`).join(''), options);

describe.skipIf(!hasLogs)('the published logs', () => {
  it('zero-shot: the raw rule repeats all 625 scores, 65.44 %', () => {
    const found = scoreLog(ZERO_SHOT) as LogScore;
    expect(found).toMatchObject({
      rows: 625,
      unique_items: 625,
      duplicates: [],
      torn: [],
      invalid: [],
      changes: [],
    });
    expect(found.unknown_fields).toEqual({});
    expect(found.rule.rule).toBe('authors_raw');
    expect(found.rule.accuracy.authors_raw).toEqual({ agree: 625, of: 625 });
    expect(found.rule.extracted.authors_raw).toEqual({ agree: 625, of: 625 });
    expect(found.rule.format).toEqual({ agree: 625, of: 625 });
    // Neither of the other rules does.
    expect(found.rule.accuracy.authors_eval.agree).toBe(214);
    expect(found.rule.accuracy.authors.agree).toBe(623);
    expect(found.scores.overall.correct).toBe(409);
    expect((100 * found.scores.overall.strict).toFixed(2)).toBe('65.44');
    expect(Object.keys(found.scores.by['video_folder']!)).toHaveLength(27);
  });

  it('VideoChat-R1: the evaluator rule repeats all 625 scores, 64.16 %', () => {
    const found = scoreLog(VIDEOCHAT) as LogScore;
    expect(found.rule.rule).toBe('authors_eval');
    expect(found.rule.accuracy.authors_eval).toEqual({ agree: 625, of: 625 });
    expect(found.rule.extracted.authors_eval).toEqual({ agree: 625, of: 625 });
    expect(found.rule.format).toEqual({ agree: 625, of: 625 });
    expect(found.changes).toEqual([]);
    expect(found.scores.overall.correct).toBe(401);
    expect((100 * found.scores.overall.strict).toFixed(2)).toBe('64.16');
  });

  it('tolerant: two zero-shot answers in tags become right, and nothing else changes', () => {
    const zeroShot = scoreLog(ZERO_SHOT, { mode: 'tolerant' }) as LogScore;
    expect(zeroShot.changes.map(({ line, from, to }) => [line, from, to])).toEqual([
      [101, 0, 1],
      [344, 0, 1],
    ]);
    expect(zeroShot.changes[0]?.reason).toMatch(/in the answer tag, as letters/);
    expect(zeroShot.scores.overall.correct).toBe(411);
    expect((scoreLog(VIDEOCHAT, { mode: 'tolerant' }) as LogScore).changes).toEqual([]);
  });

  it('do not differ beyond chance', () => {
    const [first, second] = [ZERO_SHOT, VIDEOCHAT].map((file) => {
      const { scored } = scoreLog(file) as LogScore;
      return { name: file, rows: scored };
    });
    const found = compareRuns(first!, second!);
    expect(found).toMatchObject({ n: 625, missing_in_first: 0, missing_in_second: 0, other_truth: 0 });
    expect(found.only_first - found.only_second).toBe(409 - 401);
    expect(found.p_mid).toBeGreaterThan(0.3);
  });
});

describe('scoreLog', () => {
  it('tells the rules apart by the scores, and says how many rows each repeats', () => {
    const outputs = ['<answer>A,C</answer>', '<answer>A</answer>', 'A,C', 'answer: C', 'the answer is B'];
    const byEval = outputs.map((output, i) => row(i, output, [1, 0.5, 0, 0.5, 0][i]));
    expect(scoreRows(byEval).rule).toMatchObject({
      rule: 'authors_eval',
      found_by: 'scores',
      accuracy: { authors_eval: { agree: 5, of: 5 }, authors_raw: { agree: 1, of: 5 } },
    });
    const byRaw = outputs.map((output, i) => row(i, output, [0, 0, 1, 0, 0][i]));
    expect(scoreRows(byRaw).rule.rule).toBe('authors_raw');
    const byTraining = outputs.map((output, i) => row(i, output, [1, 0.5, 1, 0, 0][i]));
    expect(scoreRows(byTraining).rule.rule).toBe('authors');
    expect(scoreRows(outputs.map((output, i) => row(i, output, undefined))).rule).toMatchObject({
      rule: 'authors_eval',
      found_by: 'default',
    });
  });

  it('lists rows that no rule repeats, with the reason', () => {
    const found = scoreRows([row(1, '<answer>A</answer>', 1), row(2, '<answer>B</answer>', 0)]);
    expect(found.changes).toMatchObject([{ line: 1, id: '1', from: 1, to: 0.5 }]);
    expect(found.changes[0]?.reason).toBe(
      'authors_eval compares "A", which does not give the score in the log',
    );
  });

  it('counts an item once, names its other rows, and keeps the totals of the log', () => {
    const found = scoreRows([
      row(1, '<answer>A,C</answer>', 1),
      row(2, '<answer>B</answer>', 0),
      row(1, '<answer>A,C</answer>', 1),
      row(2, '<answer>C</answer>', 0.5),
    ]);
    expect(found).toMatchObject({
      rows: 4,
      unique_items: 2,
      as_logged: { rows: 4, strict: 0.5, soft: 0.625 },
    });
    expect(found.duplicates).toEqual([
      { id: '1', lines: [1, 3], is_identical: true },
      { id: '2', lines: [2, 4], is_identical: false },
    ]);
    expect(found.scores.overall).toMatchObject({ n: 2, strict: 0.5, soft: 0.5 });
  });

  it('keeps different questions under one id apart', () => {
    const other = { question: { problem_id: 1, problem: 'another', video: '/v/x.mp4' } };
    const found = scoreRows([row(1, '<answer>A,C</answer>', 1), row(1, '<answer>B</answer>', 0, other)]);
    expect(found).toMatchObject({ unique_items: 2, id_clashes: ['1'], duplicates: [] });
    expect(new Set(found.scored.map(({ id }) => id)).size).toBe(2);
  });

  it('knows items without an id by their content', () => {
    const found = scoreRows([row(undefined, 'A,C', 1), row(undefined, 'A,C', 1)]);
    expect(found).toMatchObject({ rows: 2, unique_items: 1 });
  });

  it('reports torn lines, invalid rows with their field, and unknown fields', () => {
    const sound = JSON.stringify(
      row(1, '<answer>A,C</answer>', 1, { note: 'x', valueOf: 1, total_tokens_generated: 3 }),
    );
    const invalid = [
      { ...row(2, '', 0), model_output: 3 },
      { ...row(3, '', 0), accuracy_score: '1.0' },
      { ...row(4, '', 0), ground_truth: '<answer></answer>' },
      { ...row(5, '', 0), ground_truth: undefined },
      [1],
      { ...row(6, '', 0), question: 7 },
    ];
    const found = scoreText(
      `${sound}\n${invalid.map((value) => JSON.stringify(value)).join('\n')}\n${sound.slice(0, 50)}`,
    );
    expect(found.rows).toBe(1);
    expect(found.unknown_fields).toEqual({ note: 1, valueOf: 1 });
    expect(found.torn).toMatchObject([{ line: 8 }]);
    expect(found.invalid.map(({ line, field }) => [line, field])).toEqual([
      [2, 'model_output'],
      [3, 'accuracy_score'],
      [4, 'ground_truth'],
      [5, 'question.solution'],
      [6, '(the record)'],
      [7, 'question'],
    ]);
  });

  it('reads options in the problem text when there is no list of them (tolerant)', () => {
    const question = { problem_id: 1, problem: 'What?\nA. a red cube\nB. a blue cube\nC. nothing' };
    const found = scoreRows([row(1, 'a red cube', 0, { question, ground_truth: 'A' })], { mode: 'tolerant' });
    expect(found.changes).toMatchObject([{ from: 0, to: 1 }]);
    expect(found.changes[0]?.reason).toMatch(/as the words of an option/);
  });

  it('breaks down by every dimension with more than one value, and by fields asked for', () => {
    const items = ['short', 'long', 'short'].map((duration, i) => ({
      problem_id: i,
      duration,
      domain: 'x',
      video: `/MMVU/${i % 2 ? 'Art' : 'Law'}/${i}.mp4`,
      level: i,
    }));
    const rows = items.map((question, i) => row(i, i === 0 ? 'A,C' : 'B', i === 0 ? 1 : 0, { question }));
    const found = scoreRows(rows, { by: ['level'] });
    expect(Object.keys(found.scores.by)).toEqual(['duration', 'level', 'video_folder']);
    expect(found.scores.by['duration']).toMatchObject({
      short: { n: 2, correct: 1 },
      long: { n: 1, correct: 0 },
    });
    expect(found.scores.by_answers).toMatchObject({ multiple: { n: 3 } });
    expect(found.scores.by_answers['single']).toBeUndefined();
  });

  it('refuses a file without any row, and hides nothing of it', () => {
    const file = path.join(folder, 'other.jsonl');
    writeFileSync(file, '{"problem":"x"}\n{"a":');
    expect(scoreLog(file)).toMatchObject({
      torn: [{ line: 2 }],
      invalid: [{ line: 1, field: 'model_output' }],
    });
  });

  it('accounts for every record of a fuzzed log', () => {
    const record = fc.oneof(
      fc.constant(row(1, '<answer>A</answer>', 0.5)),
      fc.jsonValue({ maxDepth: 4 }),
      fc.record(
        {
          question: fc.jsonValue(),
          ground_truth: fc.oneof(fc.jsonValue(), fc.constantFrom('A', '<answer>B,C</answer>', '')),
          model_output: fc.oneof(fc.jsonValue(), fc.string({ unit: 'binary', maxLength: 2000 })),
          accuracy_score: fc.oneof(fc.jsonValue(), fc.double()),
          extracted_answer: fc.jsonValue(),
        },
        { requiredKeys: [] },
      ),
    );
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 20 }), (values) => {
        const file = path.join(folder, 'fuzz.jsonl');
        const lines = values.map((value) => JSON.stringify(value));
        writeFileSync(file, `${JSON.stringify(row(0, 'A', 0))}\n${lines.join('\n')}\n`);
        const found = scoreLog(file, { mode: 'tolerant' }) as LogScore;
        expect(found.rows + found.invalid.length + found.torn.length).toBe(values.length + 1);
        for (const { field, line } of found.invalid) {
          expect(field).not.toBe('');
          expect(line).toBeGreaterThan(1);
        }
      }),
      { numRuns: 200 },
    );
  });
});
