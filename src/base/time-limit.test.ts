import { describe, expect, it } from 'vitest';
import { withinTime } from './time-limit.ts';

const late = (): Error => new Error('too late');

describe('withinTime', () => {
  it('gives results and errors through, also of work inside work', () => {
    expect(withinTime(1000, () => withinTime(1000, () => 7, late) + 1, late)).toBe(8);
    expect(() =>
      withinTime(
        1000,
        () => {
          throw new RangeError('own');
        },
        late,
      ),
    ).toThrow(new RangeError('own'));
  });

  it('ends a loop and a regular expression', () => {
    const forever = (): void => {
      for (;;);
    };
    expect(() => withinTime(50, forever, late)).toThrow('too late');
    expect(() => withinTime(50, () => /^(a+)+$/.test(`${'a'.repeat(60)}b`), late)).toThrow('too late');
    expect(withinTime(1000, () => 1, late)).toBe(1);
  });
});
