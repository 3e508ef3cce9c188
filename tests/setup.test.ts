import { describe, expect, it } from 'vitest';
import { closingLine } from './closing-line.ts';
import { compareClose } from './setup.ts';

describe('toBeAllclose', () => {
  it('accepts what torch.allclose accepts', () => {
    expect([1, 2, 3]).toBeAllclose([1, 2, 3]);
    expect([[1], [2.00001]]).toBeAllclose([[1], [2]], { rtol: 1e-5, atol: 0 });
    expect(new Float32Array([0.1, 0.2])).toBeAllclose([0.1, 0.2], { rtol: 1e-6 });
    expect(new BigInt64Array([1n, 2n])).toBeAllclose([1, 2], { rtol: 0, atol: 0 });
    expect({ tolist: () => [[1, 2]] }).toBeAllclose([[1, 2]]);
    expect([Number.NaN, Number.POSITIVE_INFINITY, -0]).toBeAllclose([
      Number.NaN,
      Number.POSITIVE_INFINITY,
      0,
    ]);
    expect([]).toBeAllclose([]);
  });

  it('refuses another value, another shape, NaN and infinity', () => {
    expect([1, 2]).not.toBeAllclose([1, 2.1]);
    expect([[1, 2]]).not.toBeAllclose([1, 2]);
    expect([1, 2]).not.toBeAllclose([1, 2, 3]);
    expect([Number.NaN]).not.toBeAllclose([1], { rtol: 1, atol: 1 });
    expect([1]).not.toBeAllclose([Number.NaN], { rtol: 1, atol: 1 });
    expect([1]).not.toBeAllclose([Number.POSITIVE_INFINITY], { rtol: 1, atol: 1 });
    expect(() => compareClose([[1], [2, 3]], [1])).toThrow('ragged');
    expect(() => compareClose('1', [1])).toThrow('expected numbers, got string');
  });

  it('names the worst element', () => {
    const { message } = compareClose(
      [
        [1, 2.5],
        [3, 4.1],
      ],
      [
        [1, 2],
        [3, 4],
      ],
      { rtol: 0, atol: 0.01 },
    );
    expect(message).toContain('2 of 4 values differ');
    expect(message).toContain('worst at [0, 1]: expected 2, received 2.5');
  });
});

describe('toHaveShape', () => {
  it('compares shapes of tensors and of nested arrays', () => {
    expect({ shape: [2, 3] }).toHaveShape([2, 3]);
    expect([
      [1, 2, 3],
      [4, 5, 6],
    ]).toHaveShape([2, 3]);
    expect({ shape: [2, 3] }).not.toHaveShape([3, 2]);
    expect(3).not.toHaveShape([1]);
  });
});

describe('closing line', () => {
  it('leaves out what did not happen', () => {
    expect(closingLine({ passed: 3, failed: 0, skipped: 0 })).toBe('3 passed, 0 failed');
    expect(closingLine({ passed: 3, failed: 1, skipped: 2 })).toBe('3 passed, 1 failed, 2 skipped');
  });
});
