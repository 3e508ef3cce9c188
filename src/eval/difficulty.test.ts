import { describe, expect, it } from 'vitest';
import { histogram, isAnsweredBlind, leftOutByShare } from './difficulty.ts';
import { isRight } from './sampled-answers.ts';

const row = (right: number, samples: number) => ({
  id: '',
  right,
  scores: Array.from({ length: samples }, (_, i) => Number(i < right)),
  chosen: [],
  truncated: 0,
  completion: '',
});

describe('what is worth training on', () => {
  it('is right at times, but not always; or by the shares that are given, ends included', () => {
    const reasons = (keep?: { low: number; high: number }) =>
      [0, 1, 2, 3, 4].map((right) => leftOutByShare(row(right, 4), keep));
    expect(reasons()).toEqual(['never_right', undefined, undefined, undefined, 'always_right']);
    expect(reasons({ low: 0.5, high: 0.5 })).toEqual([
      'never_right',
      'too_hard',
      undefined,
      'too_easy',
      'always_right',
    ]);
    expect(reasons({ low: 0, high: 1 })).toEqual(Array.from({ length: 5 }, () => undefined));
    expect(leftOutByShare(row(1, 1), undefined)).toBe('always_right');
  });

  it('is not right without the video in at least half of the samples', () => {
    expect([1, 2, 3].map((right) => isAnsweredBlind(row(right, 4)))).toEqual([false, true, true]);
    expect([1, 2, 3].map((right) => isAnsweredBlind(row(right, 5)))).toEqual([false, false, true]);
  });

  it('is right by all letters, or by half of the score of its kind', () => {
    const letters = { type: 'multiple choice', options: ['a', 'b'] };
    const text = { type: 'OCR', options: [] };
    expect([0.5, 1].map((score) => isRight(letters, score))).toEqual([false, true]);
    expect([0.49, 0.5, 1].map((score) => isRight(text, score))).toEqual([false, true, true]);
  });

  it('is counted from none to all', () => {
    expect(histogram([row(0, 2), row(2, 2), row(2, 2)], 2)).toEqual([1, 0, 2]);
  });
});
