/**
 * @file Loaded before every test file: a clean table of tensors, and matchers for numbers.
 *
 *   expect(values).toBeAllclose(golden, { rtol: 1e-6, atol: 0 })
 *   expect(tensor).toHaveShape([2, 3])
 *
 * Values may be a number, nested arrays, a typed array (also of bigint), or anything with `tolist()`: a Tensor.
 */
import { expect } from 'vitest';
import { collectLeftTensors } from './support/collect-garbage.ts';

// Files share a process (vitest.config.ts). What earlier ones left to the garbage collector must not be freed while
// a test of this one compares counts of live tensors.
await collectLeftTensors();

export interface Tolerance {
  /** Relative to the expected value. @default 1e-5 */
  readonly rtol?: number;
  /** Absolute. @default 1e-8 */
  readonly atol?: number;
}

declare module 'vitest' {
  // biome-ignore lint/suspicious/noExplicitAny: a merged declaration must repeat vitest's own type parameter
  interface Matchers<T = any> {
    /**
     * Every element fulfils `|received - expected| <= atol + rtol * |expected|` (as `torch.allclose`), shapes are
     * equal, NaN equals NaN only in the same place, and infinities must be the same.
     */
    toBeAllclose(expected: unknown, tolerance?: Tolerance): T;
    /** `.shape` of a tensor (or of nested arrays) is exactly this. */
    toHaveShape(shape: readonly number[]): T;
  }
}

interface Flat {
  readonly values: readonly number[];
  /** undefined for a typed array, which carries none: then only the number of elements is compared. */
  readonly shape: readonly number[] | undefined;
}

function hasTolist(value: unknown): value is { tolist(): unknown } {
  return (
    typeof value === 'object' && value !== null && 'tolist' in value && typeof value.tolist === 'function'
  );
}

function flatten(value: unknown): Flat {
  if (hasTolist(value)) return flatten(value.tolist());
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) {
    const elements = value as unknown as ArrayLike<number | bigint>;
    return { values: Array.from(elements, Number), shape: undefined };
  }
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean')
    return { values: [Number(value)], shape: [] };
  if (!Array.isArray(value))
    throw new TypeError(`expected numbers, got ${value === null ? 'null' : typeof value}`);
  const parts = value.map(flatten);
  const inner = parts[0]?.shape ?? [];
  for (const part of parts)
    if (String(part.shape ?? [part.values.length]) !== String(parts[0]?.shape ?? [parts[0]?.values.length]))
      throw new TypeError(`ragged nested array: rows of shape [${inner}] and [${part.shape}]`);
  const width = parts[0]?.shape === undefined && parts[0] !== undefined ? [parts[0].values.length] : inner;
  return { values: parts.flatMap((part) => part.values), shape: [value.length, ...width] };
}

const count = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

/** Where element `index` of a flattened array of this shape lies: `[1, 0, 2]`. */
function place(index: number, shape: readonly number[] | undefined): string {
  if (shape === undefined || shape.length === 0) return `[${index}]`;
  const coordinates: number[] = [];
  let rest = index;
  for (const size of [...shape].reverse()) {
    coordinates.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return `[${coordinates.join(', ')}]`;
}

interface Comparison {
  readonly pass: boolean;
  readonly message: string;
}

/** The comparison behind `toBeAllclose`, with the sentence that explains a failure. */
export function compareClose(received: unknown, expected: unknown, tolerance: Tolerance = {}): Comparison {
  const { rtol = 1e-5, atol = 1e-8 } = tolerance;
  const a = flatten(received);
  const b = flatten(expected);
  const shapeA = a.shape ?? [a.values.length];
  const shapeB = b.shape ?? [b.values.length];
  const isSameShape =
    a.shape === undefined || b.shape === undefined
      ? count(shapeA) === count(shapeB)
      : String(shapeA) === String(shapeB);
  if (!isSameShape) return { pass: false, message: `expected shape [${shapeB}], received shape [${shapeA}]` };

  let numWrong = 0;
  let worst = { index: -1, excess: Number.NEGATIVE_INFINITY };
  let maxAbs = 0;
  let maxRel = 0;
  for (const [index, want] of b.values.entries()) {
    const got = a.values[index]!;
    if (Object.is(got, want) || got === want) continue;
    const error = Math.abs(got - want);
    const allowed = atol + rtol * Math.abs(want);
    maxAbs = Math.max(maxAbs, error);
    maxRel = Math.max(maxRel, error / Math.abs(want));
    if (Number.isFinite(want) && error <= allowed) continue; // NaN fails: it compares with nothing
    numWrong += 1;
    const excess = Number.isNaN(error) ? Number.POSITIVE_INFINITY : error - allowed;
    if (excess > worst.excess || worst.index < 0) worst = { index, excess };
  }
  if (numWrong === 0)
    return { pass: true, message: `all ${b.values.length} values are within rtol ${rtol}, atol ${atol}` };
  const where = place(worst.index, b.shape ?? a.shape);
  return {
    pass: false,
    message:
      `${numWrong} of ${b.values.length} values differ by more than rtol ${rtol}, atol ${atol}; worst at ${where}: ` +
      `expected ${b.values[worst.index]}, received ${a.values[worst.index]} ` +
      `(largest error: absolute ${maxAbs.toExponential(3)}, relative ${maxRel.toExponential(3)})`,
  };
}

function shapeOf(value: unknown): readonly number[] | undefined {
  if (typeof value === 'object' && value !== null && 'shape' in value && Array.isArray(value.shape))
    return value.shape;
  return Array.isArray(value) ? flatten(value).shape : undefined;
}

expect.extend({
  toBeAllclose(received: unknown, expected: unknown, tolerance?: Tolerance) {
    const { pass, message } = compareClose(received, expected, tolerance);
    return { pass, message: () => (pass ? `expected a difference, but ${message}` : message) };
  },
  toHaveShape(received: unknown, expected: readonly number[]) {
    const shape = shapeOf(received);
    const pass =
      shape !== undefined && shape.length === expected.length && shape.every((n, i) => n === expected[i]);
    const got = shape === undefined ? 'a value without a shape' : `shape [${shape}]`;
    return {
      pass,
      message: () => `expected ${pass ? 'another shape than' : 'shape'} [${expected}], received ${got}`,
    };
  },
});
