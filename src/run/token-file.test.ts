import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DataError } from '../base/index.ts';
import type { TokenRecord } from './step-records.ts';
import { decodeTokens, encodeTokens } from './token-file.ts';

function record(group: number, row: number, values: readonly number[]): TokenRecord {
  const float = Float32Array.from(values);
  return {
    group,
    row,
    ids: Int32Array.from(values, (value) => Math.trunc(value)),
    ends: Int32Array.from(values, (_, i) => i + 1),
    logps: float,
    sampling_logps: float.map((value) => value / 2),
    entropy: float.map(Math.abs),
    weights: float.map((value) => 1 + Math.abs(value)),
  };
}

describe('token file', () => {
  it('gives back what was written, whatever the lengths', () => {
    const values = fc.array(fc.float({ noNaN: true, noDefaultInfinity: true, min: -1e6, max: 1e6 }), {
      maxLength: 9,
    });
    fc.assert(
      fc.property(fc.array(values, { maxLength: 5 }), fc.nat(1e6), (lists, step) => {
        const rows = lists.map((list, i) => record(Math.floor(i / 2), i % 2, list));
        const bytes = encodeTokens({ step, rows });
        expect(decodeTokens(bytes)).toEqual({ step, rows });
        // The same from memory that begins at an odd address.
        const shifted = new Uint8Array(bytes.length + 1);
        shifted.set(bytes, 1);
        expect(decodeTokens(shifted.subarray(1))).toEqual({ step, rows });
      }),
    );
  });

  it('can be read by the layout alone', () => {
    const bytes = Buffer.from(encodeTokens({ step: 7, rows: [record(0, 0, [1, 2, 3]), record(0, 1, [4])] }));
    const headerLength = Number(bytes.readBigUInt64LE(0));
    expect(headerLength % 8).toBe(0);
    const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerLength));
    expect(header).toMatchObject({
      format: 1,
      step: 7,
      rows: [
        { group: 0, row: 0, length: 3 },
        { group: 0, row: 1, length: 1 },
      ],
    });
    const { offset, length, dtype } = header.arrays.weights;
    expect([dtype, length, offset % 8]).toEqual(['float32', 4, 0]);
    const at = 8 + headerLength + offset;
    expect([0, 1, 2, 3].map((i) => bytes.readFloatLE(at + 4 * i))).toEqual([2, 3, 4, 5]);
  });

  it('refuses a file that is cut off or of another kind', () => {
    const bytes = encodeTokens({ step: 1, rows: [record(0, 0, [1, 2, 3, 4])] });
    for (const length of [0, 7, 20, bytes.length - 1])
      expect(() => decodeTokens(bytes.subarray(0, length), 'x.bin')).toThrow(DataError);
    expect(() => decodeTokens(bytes.subarray(0, bytes.length - 1), 'x.bin')).toThrow(
      /x.bin: weights ends behind/,
    );
    const other = Buffer.from(bytes);
    other.write('{"format":2', 8);
    expect(() => decodeTokens(other)).toThrow(/expected format 1/);
  });
});
