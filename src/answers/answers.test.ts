import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TwgrpoError } from '../base/index.ts';
import { ANSWER_PARSERS, parseAnswer, parseSolution } from './answers.ts';
import { accuracyScore, formatAuthors, formatAuthorsEval, formatStrict } from './scores.ts';

const options = [
  'A. The purple sphere and the yellow sphere collide',
  'B. The cube collides with the cylinder',
  'C. red, blue and green',
  'D. bed',
];

function tolerant(text: string) {
  return parseAnswer(text, { options });
}

describe("the authors' parsing", () => {
  it.each([
    ['<think>x</think><answer>A</answer>', ['A']],
    ['<answer> A, C </answer>', ['A', 'C']],
    ['<answer>C,A,A</answer>', ['A', 'C']],
    ['<answer>\nB\n</answer>', ['B']],
    ['<answer>A</answer> <answer>B</answer>', ['A']],
    ['A,B', ['A', 'B']],
  ])('reads %j', (text, letters) => {
    expect(parseAnswer(text, { parser: 'authors' })).toMatchObject({ letters, failed: false });
  });

  it.each(['A and C', '(A)', 'A.', 'a', 'AC', 'A,', '', 'A\n, C D', 'I think it is A'])(
    'counts %j as a parse failure',
    (text) => {
      const answer = parseAnswer(`<answer>${text}</answer>`, { parser: 'authors' });
      expect(answer.failed).toBe(true);
      expect(accuracyScore(answer.letters, ['A', 'C'], 'soft')).toBe(0);
    },
  );

  it('strips blanks the way Python does', () => {
    const parse = (text: string) => parseAnswer(text, { parser: 'authors' }).letters;
    expect(parse('<answer>\x1cA\x85</answer>')).toEqual(['A']);
    expect(parse('<answer>\ufeffA</answer>')).toEqual(['\ufeffA']);
  });

  it('keeps the three published rules apart', () => {
    const text = 'Therefore the answer: B, C';
    expect(parseAnswer(text, { parser: 'authors' }).failed).toBe(true);
    expect(parseAnswer(text, { parser: 'authors_eval' })).toMatchObject({
      letters: ['B', 'C'],
      source: 'phrase',
    });
    expect(parseAnswer('<answer>C</answer>', { parser: 'authors_raw' }).letters).toEqual([
      '<answer>C</answer>',
    ]);
    expect(parseAnswer('no tag', { parser: 'authors_eval' })).toMatchObject({
      letters: [''],
      failed: true,
    });
  });
});

describe('tolerant parsing', () => {
  it.each([
    ['<answer>A</answer>', 'A', 'tag', 'letters'],
    ['<answer>(A)</answer>', 'A', 'tag', 'letters'],
    ['<answer>A.</answer>', 'A', 'tag', 'letters'],
    ['<answer>a</answer>', 'A', 'tag', 'letters'],
    ['<answer>A,</answer>', 'A', 'tag', 'letters'],
    ['<answer>A and C</answer>', 'AC', 'tag', 'letters'],
    ['<answer>both A and C.</answer>', 'AC', 'tag', 'letters'],
    ['<answer>A, B, and C</answer>', 'ABC', 'tag', 'letters'],
    ['<answer>AC</answer>', 'AC', 'tag', 'letters'],
    ['<answer>C D</answer>', 'CD', 'tag', 'letters'],
    ['<answer>CD, A</answer>', 'ACD', 'tag', 'letters'],
    ['<answer>(A), (C)</answer>', 'AC', 'tag', 'letters'],
    ['<answer>A\nC</answer>', 'AC', 'tag', 'letters'],
    ['<answer>Options A and C</answer>', 'AC', 'tag', 'letters'],
    ['<answer>The answer is B</answer>', 'B', 'tag', 'letters'],
    ['<answer>**B**</answer>', 'B', 'tag', 'letters'],
    ['<answer>$\\boxed{\\text{B}}$</answer>', 'B', 'tag', 'letters'],
    ['<answer>A. The purple sphere and the yellow sphere collide</answer>', 'A', 'tag', 'labelled'],
    ['<answer>A. The purple sphere ...</answer>', 'A', 'tag', 'labelled'],
    ['<answer>(B) The cube collides with the cylinder.</answer>', 'B', 'tag', 'labelled'],
    [
      '<answer>A. The purple sphere and the yellow sphere collide, B. The cube collides with the cylinder</answer>',
      'AB',
      'tag',
      'labelled',
    ],
    ['<answer>A: yes\nD: bed</answer>', 'AD', 'tag', 'labelled'],
    ['<answer>the cube collides with the cylinder.</answer>', 'B', 'tag', 'option_text'],
    ['<answer>Red, blue and green</answer>', 'C', 'tag', 'option_text'],
    ['<answer>bed</answer>', 'D', 'tag', 'option_text'],
    ['<answer>bed; the cube collides with the cylinder</answer>', 'BD', 'tag', 'option_text'],
    ['<answer>A</answer> no, wait <answer>B</answer>', 'B', 'tag', 'letters'],
    ['<answer>A <answer>B</answer>', 'B', 'tag', 'letters'],
    ['<think>so</think> <answer>B', 'B', 'unclosed_tag', 'letters'],
    ['<think>so</think>\nB', 'B', 'after_think', 'letters'],
    ['B\n<think>because', 'B', 'whole_text', 'letters'],
    ['<think>so <answer>B</answer>', 'B', 'tag', 'letters'],
    ['Hence the final answer is: B.', 'B', 'phrase', 'letters'],
    ['B', 'B', 'whole_text', 'letters'],
  ])('reads %j as %s', (text, letters, source, form) => {
    expect(tolerant(text)).toMatchObject({ letters: [...letters], failed: false, source, form });
  });

  it.each([
    '<answer></answer>',
    '',
    '<answer>A or C</answer>',
    '<answer>E</answer>',
    '<answer>A cube</answer>',
    '<answer>none</answer>',
    '<answer>BB</answer>',
    '<answer>A. The cube collides with the cylinder</answer>',
    'A sphere moves behind B and stops',
    '<answer>The cube</answer>',
    '<think>red moves, so the answer is B',
    '<think>\nB',
    '<think>\nFinal answer: B\nWait',
  ])('refuses %j', (text) => {
    expect(tolerant(text)).toMatchObject({ letters: [], failed: true, form: 'none' });
  });

  it('does not choose between two options with the same words', () => {
    expect(parseAnswer('<answer>same</answer>', { options: ['same', 'same'] }).failed).toBe(true);
  });

  it('takes any of the first ten letters when the options are unknown', () => {
    expect(parseAnswer('<answer>J</answer>').letters).toEqual(['J']);
    expect(parseAnswer('<answer>K</answer>').failed).toBe(true);
  });

  it('never throws and never leaves the options', () => {
    const pieces = [
      '<answer>',
      '</answer>',
      '<think>',
      '</think>',
      'A',
      'b',
      'and',
      'answer:',
      ',',
      '.',
      '(',
      ')',
      ' ',
      '\n',
    ];
    const text = fc
      .array(fc.oneof(fc.constantFrom(...pieces), fc.string({ maxLength: 4 })), { maxLength: 12 })
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(text, fc.constantFrom(...ANSWER_PARSERS), (completion, parser) => {
        const answer = parseAnswer(completion, { parser, options });
        if (!answer.failed) expect(answer.letters.join('')).toMatch(/^[A-Z]+$/);
        if (parser === 'tolerant') {
          expect(answer.failed).toBe(answer.letters.length === 0);
          expect(answer.letters.join('')).toMatch(/^[A-D]*$/);
        }
      }),
      { numRuns: 500 },
    );
  });

  // Longer than any completion; patterns of quadratic time would run into the time limit.
  it('comes back from a model that says only blanks, or only the start of an answer', () => {
    for (const piece of [' ', '\n', '<answer>', '</answer>', '<think>', 'answer: ', 'A. ', 'A ']) {
      const text = `x${piece.repeat(piece.trim() === '' ? 1_000_000 : 5_000)}x`;
      for (const parser of ANSWER_PARSERS) parseAnswer(text, { parser, options });
      formatAuthors(text);
      formatAuthorsEval(text);
      formatStrict(text);
    }
  });

  it('agrees with the rule of the authors wherever that one succeeds', () => {
    const letters = fc.uniqueArray(fc.constantFrom('A', 'B', 'C', 'D'), { minLength: 1 });
    const joint = fc.constantFrom(',', ', ', ' , ');
    fc.assert(
      fc.property(letters, joint, (chosen, between) => {
        const text = `<think>so</think>\n<answer>${chosen.join(between)}</answer>`;
        expect(tolerant(text).letters).toEqual(parseAnswer(text, { parser: 'authors' }).letters);
      }),
    );
  });
});

describe('parseSolution', () => {
  it('reads tagged and bare letters', () => {
    expect(parseSolution('<answer>C,A</answer>')).toEqual(['A', 'C']);
    expect(parseSolution('B')).toEqual(['B']);
  });
  it.each(['', '<answer></answer>', '<answer>A,</answer>', 'red'])('refuses %j', (solution) => {
    expect(() => parseSolution(solution)).toThrow(TwgrpoError);
  });
});

const shared = process.env['TWGRPO_SHARED'] ?? join(import.meta.dirname, '../../../shared');
const logs = join(shared, 'data/logs');

// The published logs hold the authors' own scores: two different scorers of theirs wrote them.
describe('published logs', () => {
  it.skipIf(!existsSync(logs)).each([
    ['videochat_r1_mmvu.jsonl', 'authors_eval', 401],
    ['zeroshot_mmvu.jsonl', 'authors_raw', 409],
  ] as const)('%s: every score is reproduced', (file, parser, numRight) => {
    const rows = readFileSync(join(logs, file), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const scores = rows.map((row) => {
      const answer = parseAnswer(String(row['model_output']), { parser });
      if (parser === 'authors_eval') expect(answer.letters.join(',')).toBe(row['extracted_answer']);
      return accuracyScore(answer.letters, parseSolution(String(row['ground_truth'])), 'soft');
    });
    expect(scores).toEqual(rows.map((row) => row['accuracy_score']));
    expect(scores.filter((score) => score === 1)).toHaveLength(numRight);
    expect(rows.map((row) => formatAuthorsEval(String(row['model_output'])))).toEqual(
      rows.map((row) => row['format_score']),
    );
    // The tolerant rule finds the same answers, plus those a scorer lost to its own tags.
    const found = rows.map((row) => {
      const question = row['question'] as { options: string[] };
      return parseAnswer(String(row['model_output']), { options: question.options });
    });
    found.forEach((answer, i) => {
      if (scores[i] === 1) {
        expect(answer.letters).toEqual(parseSolution(String(rows[i]!['ground_truth'])));
      }
    });
  });
});
