import { expect, it } from 'vitest';
import { mean, median, percent, percentNumber, percentRange, variance } from './index.ts';

it('means and medians, and none of no values', () => {
  expect(mean([1, 2, 6])).toBe(3);
  expect(mean([])).toBeNaN();
  expect(median([9, 1, 2])).toBe(2);
  expect(median([9, 1, 2, 4])).toBe(3);
  expect(median([])).toBeNaN();
});

it('variance of a population and of a sample', () => {
  expect(variance([1, 3])).toBe(1);
  expect(variance([1, 3], 1)).toBe(2);
});

it('shares in percent', () => {
  expect(percent(0.4151)).toBe('41.5 %');
  expect(percent(0.4151, 0)).toBe('42 %');
  expect(percent(Number.NaN)).toBe('–');
  expect(percent(null)).toBe('–');
  expect(percentNumber(1)).toBe('100.0');
  expect(percentRange({ low: 0.382, high: 0.449 })).toBe('38.2–44.9');
});
