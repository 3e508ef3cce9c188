import { describe, expect, it } from 'vitest';
import { presentValue, presentWords } from './aliases.ts';

describe('former values', () => {
  it('are read under their key alone', () => {
    expect(presentValue('answer_parser', 'reference_raw')).toBe('authors_raw');
    expect(presentValue('video', 'reference_eval')).toBe('authors_eval');
    expect(presentValue('video', 'reference_raw')).toBeUndefined();
    expect(presentValue('output_dir', 'reference')).toBeUndefined();
    expect(presentValue('constructor', 'reference')).toBeUndefined();
    expect(presentValue('token_weight', 'toString')).toBeUndefined();
    expect(presentValue('token_weight', 3)).toBeUndefined();
  });

  it('on a command line are translated and told, in both spellings', () => {
    const words = [
      'eval',
      '--protocol',
      'zero-shot-reference',
      '--video-preset=reference',
      '--data',
      'reference',
    ];
    expect(presentWords(words)).toEqual({
      argv: ['eval', '--protocol', 'zero-shot-authors', '--video-preset=authors', '--data', 'reference'],
      notices: [
        '--protocol zero-shot-reference is called zero-shot-authors now; the former name goes with the next version',
        '--video-preset reference is called authors now; the former name goes with the next version',
      ],
    });
  });
});
