import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAnswer } from './answers.ts';

const options = ['A. red', 'B. blue', 'C. green', 'D. yellow'];
const letters = (text: string, among: readonly string[] = options) =>
  parseAnswer(text, { options: among }).letters;

const document = readFileSync(new URL('../../docs/evaluation.md', import.meta.url), 'utf8');
const table = [...document.matchAll(/^\| `(.*)` \| (unread|[A-D](?:, [A-D])*) \|$/gm)].map(
  ([, text, read]) =>
    [
      text!.replaceAll(/\\n(?![a-z])/g, '\n').replaceAll('\\|', '|'),
      read === 'unread' ? [] : read!.split(', '),
    ] as const,
);

describe('the table of docs/evaluation.md', () => {
  it('is found', () => {
    expect(table.length).toBeGreaterThan(80);
  });

  it.each(table)('%j', (text, read) => {
    expect(parseAnswer(text, { options })).toMatchObject({ letters: read, failed: read.length === 0 });
  });

  it('says the same in full-width letters', () => {
    const wide = (text: string) =>
      text.replace(/[!-~]/g, (char) => String.fromCharCode(char.charCodeAt(0) + 0xfee0));
    for (const [text, read] of table) expect(letters(wide(text)), text).toEqual(read);
  });
});

describe('tolerant reading', () => {
  it('compares options in full width too', () => {
    const chinese = ['Ａ．红球', 'Ｂ、蓝球', '（C）绿球'];
    expect(letters('答案：红球。', chinese)).toEqual(['A']);
    expect(letters('<answer>Ｂ、蓝球</answer>', chinese)).toEqual(['B']);
    expect(letters('<answer>A、蓝球</answer>', chinese)).toEqual([]);
    expect(letters('<answer>红球和绿球</answer>', chinese)).toEqual(['A', 'C']);
  });

  it('keeps an option that says none of the above', () => {
    expect(letters('<answer>None of the above</answer>', ['A. red', 'B. none of the above'])).toEqual(['B']);
  });

  const word = fc.constantFrom(
    ...[
      'A',
      'b',
      'C.',
      '(D)',
      'E',
      'Ｂ',
      'red',
      'blue',
      'ball',
      'and',
      'or',
      'the answer is',
      '答案是',
      '选',
    ],
    ...[
      'because',
      'since',
      '\n',
      ',',
      '、',
      '-',
      '/',
      '<answer>',
      '</answer>',
      '</answer',
      '{"answer":"',
      '"}',
    ],
    ...['\\boxed{', '}', '**', 'is correct', 'Explanation:', 'not', '</think>'],
  );
  const completion = fc
    .array(fc.oneof(word, fc.string({ maxLength: 3 })), { maxLength: 12 })
    .map((words) => words.join(' '));

  it('never names a letter that is not among the options', () => {
    fc.assert(
      fc.property(completion, fc.integer({ min: 2, max: 10 }), (text, count) => {
        const allowed = 'ABCDEFGHIJ'.slice(0, count);
        const among = [...allowed].map((letter) => `${letter}. thing ${letter}`);
        for (const letter of letters(text, among)) expect(allowed).toContain(letter);
      }),
      { numRuns: 500 },
    );
  });

  it('reads what it has read again, alike', () => {
    fc.assert(
      fc.property(completion, (text) => {
        const first = parseAnswer(text, { options });
        fc.pre(!first.failed);
        expect(letters(first.letters.join(', '))).toEqual(first.letters);
        expect(letters(`<answer>${first.letters.join(',')}</answer>`)).toEqual(first.letters);
        if (!first.text.includes('<'))
          expect(letters(`<answer>${first.text}</answer>`)).toEqual(first.letters);
      }),
      { numRuns: 500 },
    );
  });

  it('leaves prose alone', () => {
    const article = fc.constantFrom('A', 'a', 'I');
    const noun = fc.constantFrom('man', 'ball', 'woman in red', 'car', 'purple sphere');
    const verb = fc.constantFrom('moves', 'is seen', 'walks to B', 'hits a cube', 'turns left and stops');
    const frame = fc.constantFrom(
      (prose: string) => prose,
      (prose: string) => `<answer>${prose}</answer>`,
      (prose: string) => `The answer is ${prose}.`,
      (prose: string) => `答案是 ${prose}`,
      (prose: string) => `<think>x</think>${prose}`,
    );
    const ten = [...'ABCDEFGHIJ'].map((letter) => `${letter}. thing ${letter}`);
    fc.assert(
      fc.property(article, noun, verb, frame, (a, b, c, wrap) => {
        expect(letters(wrap(`${a} ${b} ${c}`), ten)).toEqual([]);
        expect(letters(wrap(`${a} ${b}`), ten)).toEqual([]);
      }),
    );
  });
});
