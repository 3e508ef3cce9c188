/** @file Data in and out, and what a tensor knows of itself. Bit patterns are IEEE 754 / bfloat16, written out by hand. */
import { describe, expect, it } from 'vitest';
import { inScope } from '../../tests/support/in-scope.ts';
import { type DType, itemSize, type TypedArray } from './dtype.ts';
import { NativeError } from './errors.ts';
import { Generator } from './generator.ts';
import { scope } from './handle.ts';
import { callOperator } from './operator-call.ts';
import { from_file, linspace } from './operators.generated.ts';
import {
  arange,
  empty,
  empty_like,
  fromTypedArray,
  full,
  type NestedNumbers,
  ones,
  ones_like,
  rand,
  randn,
  randperm,
  tensor,
  zeros,
  zeros_like,
} from './tensor.ts';

/** 1, -2 and the largest value worth a bit pattern, in each dtype: as array, and as the numbers it means. */
const samples: readonly [DType, TypedArray, readonly number[]][] = [
  ['float32', new Float32Array([1, -2, 0.1]), [1, -2, Math.fround(0.1)]],
  ['float64', new Float64Array([1, -2, 0.1]), [1, -2, 0.1]],
  // 1.0 is 0x3f80 in bfloat16, 3.140625 is 0x4049
  ['bfloat16', new Uint16Array([0x3f80, 0xc000, 0x4049]), [1, -2, 3.140625]],
  // 1.0 is 0x3c00 in float16, the largest is 65504 = 0x7bff
  ['float16', new Uint16Array([0x3c00, 0xc000, 0x7bff]), [1, -2, 65504]],
  ['int64', new BigInt64Array([1n, -2n, 9007199254740991n]), [1, -2, 9007199254740991]],
  ['int32', new Int32Array([1, -2, 2147483647]), [1, -2, 2147483647]],
  ['int16', new Int16Array([1, -2, 32767]), [1, -2, 32767]],
  ['int8', new Int8Array([1, -2, 127]), [1, -2, 127]],
  ['uint8', new Uint8Array([1, 254, 255]), [1, 254, 255]],
  ['bool', new Uint8Array([1, 0, 1]), [1, 0, 1]],
];

describe('fromTypedArray and toTypedArray', () => {
  describe.each(samples)('%s', (dtype, array, numbers) => {
    inScope('in and out', () => {
      const x = fromTypedArray(array, [3], { dtype });
      expect([x.dtype, x.device, x.shape, x.numel(), x.ndim]).toEqual([dtype, 'cpu', [3], 3, 1]);
      expect(x.toTypedArray()).toEqual(array);
      expect(x.tolist()).toEqual(numbers);
      expect(x.select(0, 1).item()).toBe(numbers[1]);
      expect(itemSize(dtype)).toBe(array.BYTES_PER_ELEMENT);
    });

    inScope('is what tensor() makes of the same numbers', () => {
      const x = tensor(numbers, { dtype });
      expect([x.dtype, x.toTypedArray()]).toEqual([dtype, array]);
    });

    inScope('through float64 and back', () => {
      const x = fromTypedArray(array, [3], { dtype });
      const there = x.to({ dtype: 'float64' });
      expect(there.tolist()).toEqual(numbers);
      expect(there.to({ dtype }).toTypedArray()).toEqual(array);
    });

    inScope('as raw bytes', () => {
      const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
      expect(fromTypedArray(bytes, [3], { dtype }).toTypedArray()).toEqual(array);
    });

    inScope('a copy by default: later writes stay apart', () => {
      const own = array.slice();
      const x = fromTypedArray(own, [3], { dtype });
      own.set(own.subarray(1, 2) as never, 0);
      expect(x.toTypedArray()).toEqual(array);
      const out = x.toTypedArray();
      out.set(out.subarray(1, 2) as never, 0);
      expect(x.toTypedArray()).toEqual(array);
    });

    inScope('borrowed with copy: false: one memory', () => {
      const own = array.slice();
      const x = fromTypedArray(own, [3], { dtype, copy: false });
      own[0] = own[2] as never;
      expect(x.select(0, 0).item()).toBe(numbers[2]);
      x.zero_();
      expect(Array.from(own, Number)).toEqual([0, 0, 0]);
    });

    inScope('seen with view_as_array: one memory', () => {
      const x = fromTypedArray(array, [3], { dtype });
      const view = x.view_as_array();
      expect(view).toEqual(array);
      view[0] = view[2] as never;
      expect(x.select(0, 0).item()).toBe(numbers[2]);
    });
  });

  inScope('row-major order of non-contiguous tensors', () => {
    const x = tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]).t();
    expect(x.is_contiguous()).toBe(false);
    expect(x.toTypedArray()).toEqual(new Float32Array([1, 4, 2, 5, 3, 6]));
    expect(x.tolist()).toEqual([
      [1, 4],
      [2, 5],
      [3, 6],
    ]);
    expect(() => x.view_as_array()).toThrow('only a contiguous CPU tensor');
    expect(tensor([1]).expand([3]).toTypedArray()).toEqual(new Float32Array([1, 1, 1]));
  });

  inScope('tensors that require grad', () => {
    const x = tensor([1, 2]).requires_grad_(true);
    expect(x.mul(2).toTypedArray()).toEqual(new Float32Array([2, 4]));
    expect(x.mul(2).view_as_array()).toEqual(new Float32Array([2, 4]));
    expect(x.mul(2).sum().item()).toBe(6);
  });

  inScope('empty tensors, and tensors without dimensions', () => {
    expect(zeros([0]).toTypedArray()).toHaveLength(0);
    expect(zeros([0]).view_as_array()).toHaveLength(0);
    expect(zeros([2, 0, 3]).tolist()).toEqual([[], []]);
    expect(fromTypedArray(new Float32Array(0), [0, 7], { copy: false })).toHaveShape([0, 7]);
    expect(tensor([[], []])).toHaveShape([2, 0]);
    const scalar = tensor(3);
    expect([scalar.shape, scalar.ndim, scalar.numel(), scalar.tolist(), scalar.item()]).toEqual([
      [],
      0,
      1,
      3,
      3,
    ]);
    expect(scalar.view_as_array()).toEqual(new Float32Array([3]));
  });

  inScope('parts of a larger buffer, shared and resizable buffers', () => {
    const whole = new Float32Array([0, 1, 2, 3]);
    expect(fromTypedArray(whole.subarray(1, 3), [2], { copy: false }).tolist()).toEqual([1, 2]);
    const shared = new Float32Array(new SharedArrayBuffer(8)).fill(5);
    expect(fromTypedArray(shared, [2]).tolist()).toEqual([5, 5]);
    const Resizable = ArrayBuffer as unknown as new (n: number, o: object) => ArrayBuffer;
    const resizable = new Float32Array(new Resizable(8, { maxByteLength: 64 })).fill(5);
    expect(fromTypedArray(resizable, [2]).tolist()).toEqual([5, 5]);
    expect(() => fromTypedArray(resizable, [2], { copy: false })).toThrow('resizable');
    const odd = new Uint8Array(9).subarray(1);
    expect(fromTypedArray(odd, [2], { dtype: 'float32' }).tolist()).toEqual([0, 0]);
    expect(() => fromTypedArray(odd, [2], { dtype: 'float32', copy: false })).toThrow('not aligned');
  });

  inScope('what does not fit is refused', () => {
    expect(() => fromTypedArray(new Float32Array(3), [2, 2])).toThrow(
      'array holds 12 bytes, the shape and dtype need 16',
    );
    expect(() => fromTypedArray(new Float32Array(3), [3], { dtype: 'int64' })).toThrow(
      'int64 needs a BigInt64Array, got a Float32Array',
    );
    expect(() => fromTypedArray(new Uint16Array(3), [3])).toThrow('a Uint16Array needs a dtype');
    expect(() => fromTypedArray(new BigUint64Array(3) as never, [3])).toThrow('BigUint64Array');
    expect(() => fromTypedArray([1, 2] as never, [2])).toThrow('expected a typed array, got an array');
    expect(() => fromTypedArray(new Float32Array(1), [-1])).toThrow('no negative sizes');
    expect(() => fromTypedArray(new Float32Array(1), [0.5])).toThrow('whole number');
    expect(() => fromTypedArray(new Float32Array(0), [2 ** 40, 2 ** 40])).toThrow(NativeError);
    expect(() => fromTypedArray(new Uint8Array([0, 2]), [2], { dtype: 'bool' })).toThrow('element 1 is 2');
    expect(() => zeros([2], { dtype: 'complex64' as never }).toTypedArray()).toThrow('no JavaScript array');
  });

  it('a view keeps its memory when the tensor dies', () => {
    const view = scope(() => full([1000], 7).view_as_array());
    expect(view.every((value) => value === 7)).toBe(true);
  });

  inScope('memory under a view cannot be resized away', () => {
    const x = ones([2]);
    const view = x.view_as_array();
    expect(() => x.resize_([1_000_000])).toThrow('not resizable');
    expect(view).toEqual(new Float32Array([1, 1]));
  });

  it('an array stays reachable while a tensor borrows it', () => {
    const x = fromTypedArray(new Float32Array(1 << 16).fill(3), [1 << 16], { copy: false });
    const noise = Array.from({ length: 64 }, () => new Float32Array(1 << 16)); // other users of freed memory
    expect(scope(() => x.sum().item())).toBe(3 * (1 << 16));
    expect(noise).toHaveLength(64);
    x.dispose();
  });
});

describe('tensor()', () => {
  inScope('nested numbers of every depth', () => {
    const values: NestedNumbers = [[[1, 2]], [[3, 4]], [[5, 6]]];
    const x = tensor(values);
    expect(x).toHaveShape([3, 1, 2]);
    expect(x.dtype).toBe('float32');
    expect(x.tolist()).toEqual(values);
    expect(tensor(true, { dtype: 'bool' }).item()).toBe(1);
    expect(tensor([3n], { dtype: 'int64' }).tolist()).toEqual([3]);
    expect(tensor([-(2n ** 63n)], { dtype: 'int64' }).toTypedArray()).toEqual(
      new BigInt64Array([-(2n ** 63n)]),
    );
    expect(tensor([Number.NaN, Number.NEGATIVE_INFINITY]).tolist()).toEqual([
      Number.NaN,
      Number.NEGATIVE_INFINITY,
    ]);
  });

  inScope('rounding to bfloat16 and float16 is to nearest, ties to even', () => {
    expect(tensor([1 + 2 ** -8, 1 + 3 * 2 ** -8], { dtype: 'bfloat16' }).tolist()).toEqual([1, 1 + 2 ** -6]);
    expect(tensor([65520, 1e-8], { dtype: 'float16' }).tolist()).toEqual([Number.POSITIVE_INFINITY, 0]);
  });

  inScope('what is no tensor is refused', () => {
    expect(() => tensor([[1, 2], [3]])).toThrow('differ in length: 1 and 2');
    expect(() => tensor([[1], 2] as never)).toThrow('differ in depth');
    expect(() => tensor([1, [2]] as never)).toThrow('differ in depth');
    expect(() => tensor(['1'] as never)).toThrow("expected numbers, got '1'");
    expect(() => tensor([undefined] as never)).toThrow('expected numbers, got undefined');
    expect(() => tensor(null as never)).toThrow('expected numbers, got null');
    // biome-ignore lint/suspicious/noSparseArray: a hole is the point
    expect(() => tensor([1, , 3] as never)).toThrow('expected numbers, got undefined');
    const cyclic: unknown[] = [];
    cyclic.push(cyclic);
    expect(() => tensor(cyclic as never)).toThrow('deeper than 64');
    expect(() => tensor([1.5], { dtype: 'int64' })).toThrow("int64 can't hold 1.5");
    expect(() => tensor([2 ** 60], { dtype: 'int64' })).toThrow("int64 can't hold");
    expect(() => tensor([2n ** 63n], { dtype: 'int64' })).toThrow("int64 can't hold");
    expect(() => tensor([2 ** 31], { dtype: 'int32' })).toThrow("int32 can't hold");
    expect(() => tensor([Number.NaN], { dtype: 'int32' })).toThrow("int32 can't hold NaN");
    expect(() => tensor([256], { dtype: 'uint8' })).toThrow("uint8 can't hold 256");
    expect(() => tensor([1], { dtype: 'float31' as never })).toThrow("'float31' has no JavaScript array");
    expect(() => tensor([1], { device: 'toaster' })).toThrow(NativeError);
  });
});

describe('numbers out', () => {
  inScope('item takes one value of any shape, and only one', () => {
    expect(tensor([[4]]).item()).toBe(4);
    expect(tensor([true], { dtype: 'bool' }).item()).toBe(1);
    expect(tensor([2n ** 60n], { dtype: 'int64' }).item()).toBe(2 ** 60);
    expect(() => tensor([1, 2]).item()).toThrow(NativeError);
    expect(() => zeros([0]).item()).toThrow(NativeError);
  });

  inScope('tolist refuses integers that numbers cannot hold', () => {
    expect(() => tensor([2n ** 60n], { dtype: 'int64' }).tolist()).toThrow('too large for a number');
  });

  inScope('a tensor describes itself', () => {
    expect(String(zeros([2, 3], { dtype: 'bfloat16' }))).toBe('Tensor([2, 3], bfloat16)');
    const gone = zeros([1]);
    gone.dispose();
    expect(String(gone)).toBe('Tensor(dead)');
    expect(zeros([2, 3]).size(-1)).toBe(3);
    expect(() => zeros([2, 3]).size(2)).toThrow('dimension number 2');
  });
});

describe('to and toCopy', () => {
  inScope('to returns the tensor itself when nothing changes; toCopy never does', () => {
    const x = tensor([1, 2]);
    expect(x.to({ dtype: 'float32' })).toBe(x);
    expect(x.to({ device: 'cpu' })).toBe(x);
    const copy = x.toCopy();
    expect(copy).not.toBe(x);
    copy.zero_();
    expect(x.tolist()).toEqual([1, 2]);
  });

  inScope('float to integer cuts off, as in C', () => {
    expect(tensor([1.9, -1.9]).to({ dtype: 'int32' }).tolist()).toEqual([1, -1]);
    expect(tensor([0, 0.5, Number.NaN]).to({ dtype: 'bool' }).tolist()).toEqual([0, 1, 1]);
  });
});

describe('factories', () => {
  inScope('fill', () => {
    expect(zeros([2, 2], { dtype: 'int64' }).toTypedArray()).toEqual(new BigInt64Array(4));
    expect(ones([2], { dtype: 'bool' }).tolist()).toEqual([1, 1]);
    expect(full([2], 2.5).tolist()).toEqual([2.5, 2.5]);
    expect(full([1], 3, { dtype: 'int32' }).dtype).toBe('int32');
    expect(empty([3, 4], { dtype: 'float16' })).toHaveShape([3, 4]);
    const like = ones([2], { dtype: 'float64' });
    expect(zeros_like(like).dtype).toBe('float64');
    expect(ones_like(like, { dtype: 'int32' }).tolist()).toEqual([1, 1]);
    expect(empty_like(like)).toHaveShape([2]);
    expect(zeros([]).shape).toEqual([]);
    expect(() => zeros([-2])).toThrow(NativeError);
    expect(() => zeros([2 ** 52])).toThrow(NativeError);
  });

  inScope('count', () => {
    expect(arange(3).tolist()).toEqual([0, 1, 2]);
    expect(arange(3).dtype).toBe('int64');
    expect(arange(1, 3, { dtype: 'float32' }).tolist()).toEqual([1, 2]);
    expect(arange(0, 1, 0.25).tolist()).toEqual([0, 0.25, 0.5, 0.75]);
    expect(arange(5, 0, -2).tolist()).toEqual([5, 3, 1]);
    expect(linspace(0, 1, 3).tolist()).toEqual([0, 0.5, 1]);
    expect(() => arange(0, 1, 0)).toThrow(NativeError);
    expect(() => arange(0, Number.NaN)).toThrow(NativeError);
  });

  inScope('draw', () => {
    const generator = new Generator(3);
    const normal = randn([10_000], { generator, dtype: 'float64' });
    // Means and spreads of 10,000 draws, five standard errors wide.
    expect(Math.abs(normal.mean().item())).toBeLessThan(0.05);
    expect(Math.abs(normal.std(undefined, { correction: 1 }).item() - 1)).toBeLessThan(0.036);
    const uniform = rand([10_000], { generator });
    expect([uniform.min().item() >= 0, uniform.max().item() < 1]).toEqual([true, true]);
    expect(Math.abs(uniform.mean().item() - 0.5)).toBeLessThan(0.015);
    const order = randperm(100, { generator });
    expect(order.sort()[0].tolist()).toEqual(arange(100).tolist());
  });

  inScope('map a file, and refuse one that is too short', () => {
    expect(() => from_file('/does/not/exist', false, 4)).toThrow(NativeError);
    expect(() => from_file(new URL(import.meta.url).pathname, false, 1 << 30)).toThrow('smaller than');
  });

  inScope('make tensors without memory on the meta device', () => {
    const x = zeros([2 ** 20, 2 ** 20], { device: 'meta' });
    expect(x.matmul(x)).toHaveShape([2 ** 20, 2 ** 20]);
    expect(() => zeros([2], { device: 'meta' }).tolist()).toThrow(NativeError);
    expect(() => callOperator('aten::item', [zeros([1], { device: 'meta' })])).toThrow(NativeError);
  });
});
