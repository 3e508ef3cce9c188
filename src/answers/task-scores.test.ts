import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { porterStem } from './porter-stemmer.ts';
import { pythonFloat, roundToCents } from './python-number.ts';
import { answerText, solutionProblem, type TextTask, taskOf, taskScore, trueWindows } from './task-scores.ts';
import { wordErrorRate } from './text-overlap.ts';
import { groundingScore } from './time-windows.ts';

/** Made by make_tasks.py from Video-R1's and VideoChat-R1's definitions, rouge_score and nltk. */
const golden = JSON.parse(readFileSync('tests/goldens/tasks/tasks.json', 'utf8')) as {
  readonly cases: readonly { task: TextTask; completion: string; solution: string; score: number }[];
  readonly stems: Readonly<Record<string, string>>;
  readonly floats: Readonly<Record<string, string | null>>;
  readonly rounded: Readonly<Record<string, string>>;
};
const python = (text: string): number =>
  text === 'inf' ? Infinity : text === '-inf' ? -Infinity : text === 'nan' ? Number.NaN : Number(text);

describe('scores by kind of question', () => {
  const tasks = [...new Set(golden.cases.map(({ task }) => task))];

  it.each(tasks)('%s: as Video-R1 and VideoChat-R1', (task) => {
    const cases = golden.cases.filter((one) => one.task === task);
    expect(cases.length).toBeGreaterThan(100);
    const wrong = cases.filter(
      ({ completion, solution, score }) => Math.abs(taskScore(task, completion, solution) - score) > 1e-12,
    );
    expect(wrong).toEqual([]);
  });

  it('stems words as nltk does', () => {
    expect(Object.fromEntries(Object.keys(golden.stems).map((word) => [word, porterStem(word)]))).toEqual(
      golden.stems,
    );
  });

  it('reads numbers as float() of Python', () => {
    for (const [text, value] of Object.entries(golden.floats))
      expect(pythonFloat(text.replaceAll(',', '')), text).toEqual(value === null ? undefined : python(value));
  });

  it('rounds as round(x, 2) of Python', () => {
    for (const [text, rounded] of Object.entries(golden.rounded))
      expect(roundToCents(Number(text)) + 0, text).toBe(Number(rounded) + 0);
  });

  it('gives nothing for what is no number', () => {
    expect(taskScore('regression', '<answer>nan</answer>', '3')).toBe(0);
    expect(taskScore('regression', '<answer>inf</answer>', '3')).toBe(0);
  });

  it('takes the true window that fits best', () => {
    expect(
      groundingScore('<answer>5 to 7</answer>', [
        [0, 2],
        [5, 8],
      ]),
    ).toBeCloseTo(2 / 3, 15);
  });

  it('counts edits over words of the reference, and a long answer above 1', () => {
    expect(wordErrorRate('a b', 'a b c d e')).toBe(1.5);
    expect(wordErrorRate('', 'a b')).toBe(2);
    expect(wordErrorRate('', '')).toBe(0);
  });

  it('reads the first answer block', () => {
    expect(answerText('<answer> a\n</answer> <answer>b</answer>')).toBe('a');
    expect(answerText('<answer>a')).toBe('');
  });
});

describe('true answers', () => {
  it('are refused where nothing can be scored against them', () => {
    expect(solutionProblem('numerical', 'three')).toBe(
      'expected a number, as for every numerical question, got "three"',
    );
    expect(solutionProblem('regression', 'nan')).toMatch(/expected a number/);
    expect(solutionProblem('OCR', ' ')).toBe('expected a true answer, got none');
    expect(solutionProblem('temporal grounding', 'at the end')).toMatch(/expected begin and end in seconds/);
    expect(solutionProblem('temporal grounding', '5 to 2')).toMatch(/expected begin and end in seconds/);
    for (const text of ['-1 to 2', '[[0, 2], [-3, 4]]', '1 to -2', '[-1, 2]'])
      expect(solutionProblem('temporal grounding', text)).toMatch(/expected begin and end in seconds/);
    expect(solutionProblem('temporal grounding', '2-3.5')).toBeUndefined();
    expect(solutionProblem('numerical', '1,234.5')).toBeUndefined();
    expect(solutionProblem('free-form', 'It leaves.')).toBeUndefined();
  });

  it('may state windows in several ways', () => {
    expect(trueWindows('2.0 to 3.5')).toEqual([[2, 3.5]]);
    expect(trueWindows('[[0, 2], [5, 8.5]]')).toEqual([
      [0, 2],
      [5, 8.5],
    ]);
    expect(trueWindows('2s - 4s')).toEqual([[2, 4]]);
    expect(trueWindows('1, 2, 3')).toBeUndefined();
  });
});

it('knows kinds of question by their names in the field', () => {
  expect(
    ['multiple choice', 'MC', 'numerical', 'free_form', 'ocr', 'Temporal-Grounding', 'open-ended'].map(
      taskOf,
    ),
  ).toEqual([
    'multiple choice',
    'multiple choice',
    'numerical',
    'free-form',
    'OCR',
    'temporal grounding',
    'open',
  ]);
  expect(taskOf('riddle')).toBeUndefined();
});
