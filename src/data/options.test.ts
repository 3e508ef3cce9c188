import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { labelled } from './item.ts';
import { splitLabel, splitProblem, unlabel } from './options.ts';

describe('options', () => {
  it('lose their letters in every common form', () => {
    expect(unlabel(['A. red', 'B. blue'])).toEqual(['red', 'blue']);
    expect(unlabel(['(A) red', '(B) blue'])).toEqual(['red', 'blue']);
    expect(unlabel(['(a) red', '(b) blue'])).toEqual(['red', 'blue']);
    expect(unlabel(['A) red', 'B) blue'])).toEqual(['red', 'blue']);
    expect(unlabel(['A. 10.0', 'B. B. B. King'])).toEqual(['10.0', 'B. B. King']);
    expect(unlabel([' red ', 'blue'])).toEqual(['red', 'blue']);
    expect(unlabel(['red', 'B. B. King'])).toEqual(['red', 'B. B. King']);
    expect(unlabel(['A. red', 'C. blue'])).toBeUndefined();
    expect(unlabel(['A. red', 'blue'])).toBeUndefined();
    expect(splitLabel('(C)')).toEqual({ letter: 'C', text: '' });
  });

  it('are found inside a problem text', () => {
    expect(splitProblem('What happens?\nA. The cube falls\nB. Nothing')).toEqual({
      question: 'What happens?',
      options: ['The cube falls', 'Nothing'],
    });
    expect(splitProblem('What happens? Options:\n(A) x y\n(B) z')).toEqual({
      question: 'What happens?',
      options: ['x y', 'z'],
    });
    expect(splitProblem('why did he go\nA share with\nB walk')).toEqual({
      question: 'why did he go',
      options: ['share with', 'walk'],
    });
    expect(splitProblem('Which one? A. red B. blue C. green')).toEqual({
      question: 'Which one?',
      options: ['red', 'blue', 'green'],
    });
    expect(splitProblem('A. dog barks.\nWho?\nA. it\ngoes on\nB. he')).toEqual({
      question: 'A. dog barks.\nWho?',
      options: ['it\ngoes on', 'he'],
    });
    expect(splitProblem('What is 2 + 2?')).toBeUndefined();
    expect(splitProblem('\nA. x\nB. y')).toBeUndefined();
  });

  it('come back from any text we write', () => {
    const word = fc.stringMatching(/^[a-z]{2,8}( [a-z0-9,.']{1,8}){0,4}$/);
    fc.assert(
      fc.property(word, fc.array(word, { minLength: 2, maxLength: 8 }), (question, options) => {
        expect(splitProblem([question, ...labelled(options)].join('\n'))).toEqual({ question, options });
        expect(unlabel(labelled(options))).toEqual(options);
      }),
    );
  });
});
