import { describe, expect, it } from 'vitest';
import { checkOptions, hasNegativeOption } from './options-check.ts';

describe('checkOptions', () => {
  it.each([
    [['to climb', 'fall', 'jump'], undefined],
    [['red', 'blue'], undefined],
    [['a', 'the'], undefined],
    [['stand up', 'sit down'], undefined],
    [['fell', 'fall', 'jump'], 'overlapping_options'],
    [['chased the dog', 'it chases a dog', 'jump'], 'overlapping_options'],
    [['smile', 'smile and wave', 'jump'], 'overlapping_options'],
    [['smile and wave', 'smiled', 'jump'], 'overlapping_options'],
    [['jump', 'None of the above', 'run'], 'meta_option'],
    [['jump', 'run', 'Both A and B'], 'meta_option'],
    [['jump', 'run', 'A and B'], 'meta_option'],
    [['jump', 'nothing', 'run'], 'meta_option'],
    [['Yes.', 'No.'], 'meta_option'],
    [['jump', 'Not enough information'], 'meta_option'],
    [['only one'], 'no_wrong_option'],
  ] as const)('%j, the first is right: %s', (options, refusal) => {
    expect(checkOptions(options, new Set([0]))).toBe(refusal);
  });

  it('compares wrong options with every right one, and never wrong ones with each other', () => {
    expect(checkOptions(['jump', 'run', 'ran'], new Set([0, 1]))).toBe('overlapping_options');
    expect(checkOptions(['jump', 'run', 'ran'], new Set([0]))).toBeUndefined();
    expect(checkOptions(['jump', 'run'], new Set([0, 1]))).toBe('no_wrong_option');
    expect(checkOptions(['jump', 'run'], new Set())).toBe('no_wrong_option');
  });
});

describe('hasNegativeOption', () => {
  it.each([
    'no reaction',
    'did not respond',
    "Didn't move.",
    'he does not care',
    'nothing happens',
    'Not moving',
  ])('%s', (text) => {
    expect(hasNegativeOption(['jump', text])).toBe(true);
  });
  it.each([
    'nod his head',
    'notice the dog',
    'knot the rope',
    'look at nothing',
    'north',
    'November',
    'noisily eating',
  ])('not %s', (text) => {
    expect(hasNegativeOption(['jump', text])).toBe(false);
  });
});
