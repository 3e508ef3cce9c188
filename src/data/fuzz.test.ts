/**
 * @file 10,000 records of every form, sound ones and damaged ones mixed: fields missing, of wrong types, twice, endless, with
 * NUL and broken Unicode, nested without end. A sound record gives its questions whatever stands beside it; a damaged one gives
 * its questions or an error with line and field; nothing throws and nothing vanishes.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { scratchFolder } from '../../tests/support/scratch-folder.ts';
import { type DataFormat, readItemsWithIssues } from './read-items.ts';

const folder = scratchFolder();

const PER_FORMAT = 1250;
const PER_FILE = 50;

/** A sound record with this number, and how many questions it holds. */
type Template = (number: number) => { readonly record: object; readonly numQuestions: number };

const authors = (number: number) => ({
  problem_id: number,
  problem: 'What falls?',
  options: ['A. the cube', 'B. the ball', 'C. both'],
  solution: '<answer>B</answer>',
  data_type: 'video',
  problem_type: 'multiple choice',
});
const choices = [
  { choice_id: 0, choice: 'it falls', answer: 'correct' },
  { choice_id: 1, choice: 'it stands', answer: 'wrong' },
];
const TEMPLATES: Readonly<Partial<Record<DataFormat, Template>>> = {
  items: (number) => ({
    record: {
      id: `${number}`,
      path: 'a.mp4',
      question: 'What falls?',
      options: ['cube', 'ball'],
      answer: ['A', 'B'],
      start: 1,
      end: 2,
      dims: { kind: 'x' },
    },
    numQuestions: 1,
  }),
  authors: (number) => ({ record: { ...authors(number), path: 'a.mp4' }, numQuestions: 1 }),
  mmvu: (number) => ({ record: { ...authors(number), video: '/MMVU/videos/Art/0.mp4' }, numQuestions: 1 }),
  mvbench: (number) => ({
    record: {
      ...authors(number),
      ori_video: 'a',
      answer: 'the ball',
      start: 1,
      end: 9,
      video: '/MVBench/sta/a.mp4',
    },
    numQuestions: 1,
  }),
  videomme: (number) => ({
    record: {
      ...authors(number),
      question_id: `${number}-1`,
      videoID: 'a',
      task_type: 'x',
      duration: 'short',
      answer: 'B',
      video: '/videoMME/data/a.mp4',
    },
    numQuestions: 1,
  }),
  nextgqa: (number) => ({
    record: {
      id: `${number}`,
      video: '1/2.mp4',
      question: 'why',
      options: ['(A) x', '(B) y'],
      duration: 9,
      glue: [[1, 2]],
      type: 'CW',
      answer: '(B)',
    },
    numQuestions: 1,
  }),
  star: (number) => ({
    record: {
      question_id: `Interaction_T1_${number}`,
      video_id: 'A',
      start: 1.5,
      end: 9,
      question: 'Which?',
      answer: 'it falls',
      choices,
    },
    numQuestions: 1,
  }),
  clevrer: (number) => ({
    record: {
      scene_index: number,
      video_filename: 'a.mp4',
      questions: [
        { question_id: 0, question_type: 'descriptive', question: 'How many?', answer: '3' },
        { question_id: 1, question_type: 'counterfactual', question: 'What if?', choices },
      ],
    },
    numQuestions: 2,
  }),
};

/** Texts of JSON values that no field expects. */
const nasty = fc.oneof(
  { weight: 6, arbitrary: fc.jsonValue({ maxDepth: 4 }).map((value) => JSON.stringify(value)) },
  {
    weight: 3,
    arbitrary: fc.string({ unit: 'binary', maxLength: 20 }).map((value) => JSON.stringify(value)),
  },
  {
    weight: 6,
    arbitrary: fc.constantFrom(
      '""',
      'null',
      '[]',
      '{}',
      '[[]]',
      '-1',
      '1e999',
      '"\\u0000"',
      '"a\\u0000b"',
      '"\\ud800"',
      '"<answer></answer>"',
      '"<answer>Z</answer>"',
      '["A. x", "C. y"]',
      '{"__proto__": "x"}',
    ),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom('LONG 100001', 'LONG 1000000', 'DEEP 90', 'DEEP 101', 'DEEP 20000'),
  },
);
const ODD_KEYS = [
  '__proto__',
  'constructor',
  'toString',
  'valueOf',
  '',
  '\0',
  'image',
  'fps',
  'type',
  'problem',
];

const damage = fc.oneof(
  { weight: 3, arbitrary: fc.constant({ kind: 'none' } as const) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('drop' as const), at: fc.nat(20) }) },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('replace' as const), at: fc.nat(20), value: nasty }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('repeat' as const), at: fc.nat(20), value: nasty }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('add' as const),
      key: fc.constantFrom(...ODD_KEYS),
      value: nasty,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('cut' as const),
      share: fc.double({ min: 0.1, max: 0.9, noNaN: true }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('other' as const), value: nasty }) },
);
type Damage = typeof damage extends fc.Arbitrary<infer T> ? T : never;

/** Stands for a text that no counterexample should print. */
function spelledOut(value: string): string {
  const [word, count] = value.split(' ');
  if (word === 'LONG') return `"${'x'.repeat(Number(count))}"`;
  if (word === 'DEEP') return `${'['.repeat(Number(count))}${']'.repeat(Number(count))}`;
  return value;
}

/** The record as a line of text, so that keys may repeat. */
function lineOf(record: object, what: Damage): string {
  const members = Object.entries(record).map(([key, value]) => [key, JSON.stringify(value)] as const);
  const text = (list: readonly (readonly [string, string])[]) =>
    `{${list.map(([key, value]) => `${JSON.stringify(key)}:${spelledOut(value)}`).join(',')}}`;
  switch (what.kind) {
    case 'none':
      return text(members);
    case 'drop':
      return text(members.toSpliced(what.at % members.length, 1));
    case 'replace': {
      const at = what.at % members.length;
      return text(members.with(at, [members[at]![0], what.value]));
    }
    case 'repeat':
      return text([...members, [members[what.at % members.length]![0], what.value]]);
    case 'add':
      return text([...members, [what.key, what.value]]);
    case 'cut':
      return text(members).slice(0, Math.ceil(text(members).length * what.share));
    case 'other':
      return spelledOut(what.value);
  }
}

/** The record as such is damaged, so that there is no field to name. */
const WITHOUT_FIELD = new Set(['bad_json', 'bad_utf8', 'line_too_long', 'bad_record']);

describe('10,000 fuzzed records', () => {
  it.each(Object.keys(TEMPLATES) as DataFormat[])(
    '%s: an error with line and field, or the questions',
    (format) => {
      const template = TEMPLATES[format]!;
      let numRecords = 0;
      let numErrors = 0;
      fc.assert(
        fc.property(fc.array(damage, { minLength: PER_FILE - 1, maxLength: PER_FILE - 1 }), (list) => {
          // A file that begins with a bracket is one JSON document, not lines.
          const damages: Damage[] = [{ kind: 'none' }, ...list];
          const path = join(folder, `${format}.jsonl`);
          const lines = damages.map((what, number) => lineOf(template(number).record, what));
          writeFileSync(path, lines.join('\n'));
          numRecords += lines.length;
          const { items, issues, numQuestions } = readItemsWithIssues(path, { format });
          const errors = issues.filter(({ severity }) => severity === 'error');
          numErrors += errors.length;
          expect(items.length + errors.length).toBe(numQuestions);
          for (const { line, field, code, message } of issues) {
            expect(line).toBeGreaterThan(0);
            expect(line).toBeLessThanOrEqual(PER_FILE);
            expect(field !== undefined || WITHOUT_FIELD.has(code), `${code}: ${message}`).toBe(true);
            expect(message.length).toBeLessThan(1000);
          }
          const told = new Set(issues.map(({ line }) => line));
          const sound = damages.flatMap(({ kind }, number) => (kind === 'none' ? [number] : []));
          for (const number of sound) expect(told.has(number + 1), `line ${number + 1}`).toBe(false);
          // A damaged record that nothing is told about has its questions all the same.
          const silent = lines.filter((_, number) => !told.has(number + 1)).length;
          expect(items.length).toBeGreaterThanOrEqual(silent);
          const least = sound.reduce((sum, number) => sum + template(number).numQuestions, 0);
          expect(items.length).toBeGreaterThanOrEqual(least);
        }),
        { numRuns: PER_FORMAT / PER_FILE },
      );
      expect([numRecords, numErrors > 100]).toEqual([PER_FORMAT, true]);
    },
  );
});
