/** @file Every kind of argument and result through the boxed call; expected values are computed by hand. */
import { describe, expect } from 'vitest';
import { errorOf } from '../../tests/support/error-of.ts';
import { inScope } from '../../tests/support/in-scope.ts';
import { NativeError } from './errors.ts';
import { Generator } from './generator.ts';
import { callOperator } from './operator-call.ts';
import {
  _amp_foreach_non_finite_check_and_unscale_,
  _foreach_add_,
  _foreach_mul_,
  _foreach_norm,
  _foreach_zero_,
  cat,
  einsum,
  isin,
  meshgrid,
  stack,
  where,
} from './operators.generated.ts';
import { empty, full, ones, type Tensor, tensor, zeros } from './tensor.ts';

const call = (name: string, args: readonly unknown[], options = {}): Tensor =>
  callOperator(name, args, options) as Tensor;

describe('arguments', () => {
  inScope('Tensor', () => {
    expect(
      tensor([1, 2])
        .add(tensor([10, 20]))
        .tolist(),
    ).toEqual([11, 22]);
    expect(call('aten::add.Tensor', [tensor([1, 2]), tensor(5)]).tolist()).toEqual([6, 7]);
  });

  inScope('Tensor?: given, undefined, null and left out', () => {
    const x = tensor([[1, 2]]);
    const weight = tensor([
      [1, 1],
      [1, -1],
    ]);
    const bias = tensor([100, 200]);
    expect(call('aten::linear', [x, weight, bias]).tolist()).toEqual([[103, 199]]);
    for (const args of [
      [x, weight],
      [x, weight, undefined],
      [x, weight, null],
    ])
      expect(call('aten::linear', args).tolist()).toEqual([[3, -1]]);
  });

  inScope('Tensor[]', () => {
    expect(cat([tensor([1]), tensor([2, 3])]).tolist()).toEqual([1, 2, 3]);
    expect(stack([tensor([1, 2]), tensor([3, 4])], 1).tolist()).toEqual([
      [1, 3],
      [2, 4],
    ]);
    expect(errorOf(NativeError, () => cat([])).message).toContain('cat');
  });

  inScope('Tensor?[]: undefined and null leave a dimension alone', () => {
    const x = tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    const columns = tensor([2, 0], { dtype: 'int64' });
    expect(x.index([undefined, columns]).tolist()).toEqual([
      [3, 1],
      [6, 4],
    ]);
    expect(call('aten::index.Tensor', [x, [null, columns]]).tolist()).toEqual([
      [3, 1],
      [6, 4],
    ]);
    expect(x.index([tensor([1], { dtype: 'int64' })]).tolist()).toEqual([[4, 5, 6]]);
  });

  inScope('int and SymInt: numbers and bigints', () => {
    const x = tensor([
      [1, 2],
      [3, 4],
    ]);
    expect(x.select(0, 1).tolist()).toEqual([3, 4]);
    expect(call('aten::select.int', [x, 0n, -1n]).tolist()).toEqual([3, 4]);
    expect(x.narrow(1, 1, 1).tolist()).toEqual([[2], [4]]);
  });

  inScope('int[] and SymInt[], and one number for int[2]', () => {
    const x = tensor([1, 2, 3, 4, 5, 6]);
    expect(x.reshape([2, 3])).toHaveShape([2, 3]);
    expect(x.view([3, -1])).toHaveShape([3, 2]);
    const image = ones([1, 1, 4, 4]);
    const pooled = [
      call('aten::avg_pool2d', [image, 2]), // kernel_size int[2]
      call('aten::avg_pool2d', [image, [2, 2], 2n]),
    ];
    for (const result of pooled)
      expect(result.tolist()).toEqual([
        [
          [
            [1, 1],
            [1, 1],
          ],
        ],
      ]);
    expect(errorOf(NativeError, () => call('aten::reshape', [x, 6])).detail).toContain(
      'expected an array, got number 6',
    );
  });

  inScope('int[]? left out means all dimensions', () => {
    const x = tensor([
      [1, 2],
      [3, 4],
    ]);
    expect(x.sum().item()).toBe(10);
    expect(x.sum([0]).tolist()).toEqual([4, 6]);
    expect(x.sum([-1], true).tolist()).toEqual([[3], [7]]);
    expect(x.sum(undefined, true)).toHaveShape([1, 1]);
  });

  inScope('float: whole numbers too', () => {
    const logits = tensor([1, 2]);
    expect(logits.quantile(0.5).item()).toBe(1.5);
    expect(logits.quantile(1).item()).toBe(2);
    expect(call('aten::uniform_', [empty([3]), 2, 2]).tolist()).toEqual([2, 2, 2]);
  });

  inScope('Scalar: int, float, bool and bigint keep their kind', () => {
    const whole = tensor([1, 2], { dtype: 'int64' });
    expect(whole.add(1).dtype).toBe('int64');
    expect(whole.add(1n).dtype).toBe('int64');
    expect(whole.add(0.5).dtype).toBe('float32');
    expect(whole.add(0.5).tolist()).toEqual([1.5, 2.5]);
    expect(tensor([true, false], { dtype: 'bool' }).add(true).dtype).toBe('bool');
    expect(tensor([true, false], { dtype: 'bool' }).add(1).dtype).toBe('int64');
    expect(whole.add(2n ** 62n).toTypedArray()).toEqual(new BigInt64Array([2n ** 62n + 1n, 2n ** 62n + 2n]));
    expect(tensor([1, 2]).mul(Number.NaN).isnan().all().item()).toBe(1);
    expect(Object.is(tensor([1]).mul(-0).item(), -0)).toBe(true);
    expect(tensor([1, 2]).clamp(undefined, 1.5).tolist()).toEqual([1, 1.5]);
  });

  inScope('bool', () => {
    const x = tensor([3, 1, 2]);
    expect(x.cumsum(0).tolist()).toEqual([3, 4, 6]);
    expect(x.sort(-1, true)[0].tolist()).toEqual([3, 2, 1]);
    expect(x.sort({ stable: true, descending: false })[0].tolist()).toEqual([1, 2, 3]);
  });

  inScope('bool[]', () => {
    const [a, b] = callOperator('aten::convolution_backward', [
      ones([1, 1, 2, 2]), // grad of the output
      ones([1, 1, 3, 3]),
      ones([1, 1, 2, 2]),
      undefined,
      [1, 1],
      [0, 0],
      [1, 1],
      false,
      [0, 0],
      1,
      [true, false, false],
    ]) as (Tensor | undefined)[];
    expect(a?.tolist()).toEqual([
      [
        [
          [1, 2, 1],
          [2, 4, 2],
          [1, 2, 1],
        ],
      ],
    ]);
    expect(b).toBeUndefined();
  });

  inScope('str', () => {
    expect(tensor([-7, 7]).div(2, { rounding_mode: 'floor' }).tolist()).toEqual([-4, 3]);
    expect(
      tensor([-7, 7])
        .div(tensor([2, 2]), { rounding_mode: 'trunc' })
        .tolist(),
    ).toEqual([-3, 3]);
    expect(tensor([-7, 7]).div(2).tolist()).toEqual([-3.5, 3.5]);
    expect(einsum('i,j->ij', [tensor([1, 2]), tensor([3, 4])]).tolist()).toEqual([
      [3, 4],
      [6, 8],
    ]);
    const [rows] = meshgrid([tensor([1, 2]), tensor([3, 4, 5])], { indexing: 'ij' }) as [Tensor];
    expect(rows.tolist()).toEqual([
      [1, 1, 1],
      [2, 2, 2],
    ]);
    expect(errorOf(NativeError, () => tensor([1]).div(2, { rounding_mode: 'up' })).detail).toContain("'up'");
  });

  inScope('ScalarType', () => {
    const x = tensor([1.7, 2.2]);
    expect(x.sum([0], false, { dtype: 'float64' }).dtype).toBe('float64');
    expect(call('aten::_to_copy', [x], { dtype: 'int64' }).tolist()).toEqual([1, 2]);
    expect(callOperator('aten::promote_types', ['int64', 'float32'])).toBe('float32');
    expect(errorOf(NativeError, () => call('aten::_to_copy', [x], { dtype: 'float31' })).detail).toContain(
      "unknown dtype 'float31'; known: float32",
    );
  });

  inScope('Layout, Device and MemoryFormat', () => {
    expect(call('aten::zeros', [[2]], { layout: 'strided', device: 'cpu' }).tolist()).toEqual([0, 0]);
    const channelsLast = call('aten::empty.memory_format', [[2, 3, 4, 5]], {
      memory_format: 'channels_last',
    });
    expect(callOperator('aten::stride.int', [channelsLast, 1])).toBe(1);
    expect(call('aten::zeros', [[2]], { device: 'meta' }).device).toBe('meta');
    expect(errorOf(NativeError, () => call('aten::zeros', [[2]], { layout: 'round' })).detail).toContain(
      "got 'round'",
    );
    expect(errorOf(NativeError, () => call('aten::zeros', [[2]], { device: 'toaster' })).detail).toContain(
      'Expected one of cpu',
    );
    expect(
      errorOf(NativeError, () => call('aten::clone', [zeros([2])], { memory_format: 'tidy' })).detail,
    ).toContain("got 'tidy'");
  });

  inScope('Generator: given, and refused when it is something else', () => {
    const draw = (seed: number): unknown =>
      empty([4])
        .normal_(0, 1, { generator: new Generator(seed) })
        .tolist();
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
    expect(
      errorOf(NativeError, () => call('aten::normal_', [empty([2]), 0, 1], { generator: 7 })).detail,
    ).toContain("'generator' expected a Generator, got number 7");
  });

  inScope('defaults and keyword-only arguments', () => {
    const x = tensor([1, 2]);
    const y = tensor([10, 20]);
    expect(x.add(y).tolist()).toEqual([11, 22]);
    expect(x.add(y, { alpha: 2 }).tolist()).toEqual([21, 42]);
    expect(x.add(y, {}).tolist()).toEqual([11, 22]);
    expect(call('aten::add.Tensor', [x, y], { alpha: undefined }).tolist()).toEqual([11, 22]);
    expect(call('aten::add.Tensor', [], { self: x, other: y, alpha: 3 }).tolist()).toEqual([31, 62]);
    expect(errorOf(NativeError, () => call('aten::add.Tensor', [x, y, 3])).detail).toContain(
      'takes 2 positional arguments, got 3',
    );
    expect(errorOf(NativeError, () => call('aten::add.Tensor', [x, y], { beta: 3 })).detail).toContain(
      "has no argument 'beta'",
    );
    expect(errorOf(NativeError, () => call('aten::add.Tensor', [x])).detail).toContain(
      "argument 'other' (Tensor) is missing",
    );
  });
});

describe('results', () => {
  inScope('several tensors', () => {
    const [values, indices] = tensor([5, 9, 7]).topk(2);
    expect(values.tolist()).toEqual([9, 7]);
    expect(indices.tolist()).toEqual([1, 2]);
    expect(indices.dtype).toBe('int64');
    const [largest, at] = tensor([
      [1, 5],
      [7, 2],
    ]).max(1);
    expect([largest.tolist(), at.tolist()]).toEqual([
      [5, 7],
      [1, 0],
    ]);
  });

  inScope('a list of tensors', () => {
    const parts = tensor([1, 2, 3, 4, 5]).split([2, 3]);
    expect(parts.map((part) => part.tolist())).toEqual([
      [1, 2],
      [3, 4, 5],
    ]);
    expect(_foreach_norm([tensor([3, 4]), tensor([0])]).map((norm) => norm.item())).toEqual([5, 0]);
  });

  inScope('plain values', () => {
    const x = tensor([1, 2]);
    expect(x.equal(tensor([1, 2]))).toBe(true);
    expect(x.allclose(tensor([1, 2.1]))).toBe(false);
    expect(callOperator('aten::size.int', [x, 0])).toBe(2);
    expect(callOperator('aten::result_type.Tensor', [x, tensor([1], { dtype: 'float64' })])).toBe('float64');
  });

  inScope('in place: the same object', () => {
    const x = tensor([1, 2]);
    expect(x.add_(1).mul_(tensor([2, 3]))).toBe(x);
    expect(x.tolist()).toEqual([4, 9]);
    expect(x.zero_().fill_(7).tolist()).toEqual([7, 7]);
    expect(call('aten::sub_.Scalar', [x, 3])).toBe(x);
    expect(x.tolist()).toEqual([4, 4]);
  });

  inScope('out=: the given tensor, also when it was given by name', () => {
    const out = empty([0]);
    expect(out).toHaveShape([0]);
    expect(call('aten::add.out', [tensor([1, 2]), tensor([3, 4])], { out })).toBe(out);
    expect(out).toHaveShape([2]); // resized by the operator
    expect(out.tolist()).toEqual([4, 6]);
    const values = empty([0]);
    const indices = empty([0], { dtype: 'int64' });
    const results = callOperator('aten::max.dim_max', [tensor([[1, 5]]), 1], {
      max: values,
      max_values: indices,
    });
    expect(results).toEqual([values, indices]);
    expect([values.tolist(), indices.tolist()]).toEqual([[5], [1]]);
  });

  inScope('in-place operators that change the shape', () => {
    const x = tensor([[1, 2, 3]]);
    expect(x).toHaveShape([1, 3]);
    call('aten::t_', [x]);
    expect(x).toHaveShape([3, 1]);
    expect(x.tolist()).toEqual([[1], [2], [3]]);
    x.resize_([2]);
    expect(x).toHaveShape([2]);
  });

  inScope('nothing: the _foreach_ operators', () => {
    const list = [tensor([1, 2]), tensor([3])];
    expect(_foreach_add_(list, 1)).toBeUndefined();
    expect(_foreach_add_(list, [tensor([10, 20]), tensor([30])], { alpha: 2 })).toBeUndefined();
    expect(list.map((t) => t.tolist())).toEqual([[22, 43], [64]]);
    _foreach_mul_(list, tensor(0.5));
    _foreach_mul_(list, [tensor([1, 2]), tensor([3])]);
    _foreach_mul_(list, 10);
    expect(list.map((t) => t.tolist())).toEqual([[110, 430], [960]]);
    _foreach_zero_(list);
    expect(list.map((t) => t.tolist())).toEqual([[0, 0], [0]]);
    const found = tensor(0);
    _amp_foreach_non_finite_check_and_unscale_([tensor([1, Number.NaN])], found, tensor(0.5));
    expect(found.item()).toBe(1);
  });

  inScope('an undefined tensor in a list of results', () => {
    const results = callOperator('aten::_scaled_dot_product_flash_attention_for_cpu', [
      ones([1, 1, 2, 4]),
      ones([1, 1, 2, 4]),
      ones([1, 1, 2, 4]),
    ]) as Tensor[];
    expect(results).toHaveLength(2);
    expect(results[0]).toHaveShape([1, 1, 2, 4]);
    // Softmax over two equal scores of 4 / sqrt(4): log-sum-exp is 2 + ln 2.
    expect(results[1]).toBeAllclose([[[2 + Math.log(2), 2 + Math.log(2)]]]);
  });
});

describe('overloads', () => {
  inScope('are chosen by the kinds of the arguments', () => {
    const condition = tensor([true, false], { dtype: 'bool' });
    expect(where(condition, tensor([1, 1]), tensor([2, 2])).tolist()).toEqual([1, 2]);
    expect(where(condition, tensor([1, 1]), 5).tolist()).toEqual([1, 5]);
    expect(where(condition, 3, tensor([2, 2])).tolist()).toEqual([3, 2]);
    expect(where(condition, 3, 4).tolist()).toEqual([3, 4]);
    expect(tensor([2, 3]).pow(2).tolist()).toEqual([4, 9]);
    expect(
      tensor([2, 3])
        .pow(tensor([3, 2]))
        .tolist(),
    ).toEqual([8, 9]);
    expect(tensor([1, 5, 2]).max().item()).toBe(5);
    expect(
      tensor([1, 5])
        .max(tensor([3, 3]))
        .tolist(),
    ).toEqual([3, 5]);
    expect(tensor([1.26]).round({ decimals: 1 }).tolist()).toBeAllclose([1.3]);
    expect(tensor([1.26]).round().tolist()).toEqual([1]);
    expect(isin(tensor([1, 2]), tensor([2])).tolist()).toEqual([0, 1]);
  });

  inScope('that fit nothing are listed', () => {
    const { message } = errorOf(NativeError, () => tensor([1]).add('one' as never));
    expect(message).toContain("no overload takes ('one')");
    expect(message).toContain('aten::add.Tensor(Tensor self, Tensor other');
  });
});

describe('NativeError', () => {
  inScope('carries operator, arguments with dtypes and shapes, and the C++ text without its stack', () => {
    const error = errorOf(NativeError, () => ones([2, 3]).matmul(full([4, 5], 1, { dtype: 'float64' })));
    expect(error).toBeInstanceOf(Error);
    expect(error.name).toBe('NativeError');
    expect(error.operator).toBe('aten::matmul');
    expect(error.arguments).toBe('self: float32 [2, 3], other: float64 [4, 5]');
    expect(error.detail).toContain('2x3 and 4x5');
    expect(error.detail).not.toContain('Exception raised from');
    expect(error.message).toBe(`aten::matmul(${error.arguments}): ${error.detail}`);
    expect(error.stack).toContain('operator-call.test.ts');
  });

  inScope('shortens long lists and names dtypes', () => {
    const many = Array.from({ length: 9 }, (_, i) => zeros([i + 1, 2, 2]));
    expect(errorOf(NativeError, () => stack(many)).arguments).toContain('... 9 tensors');
    expect(errorOf(NativeError, () => call('aten::zeros', [[-1]], { dtype: 'bfloat16' })).arguments).toBe(
      'size: [-1], dtype: bfloat16',
    );
    const long = Array.from({ length: 5000 }, () => 2);
    expect(errorOf(NativeError, () => ones([1]).reshape(long)).message.length).toBeLessThan(2500);
  });

  inScope('names the operators that exist when one does not', () => {
    expect(errorOf(NativeError, () => callOperator('aten::add.Tensr', [])).detail).toContain(
      'aten::add.Tensor',
    );
    expect(errorOf(NativeError, () => callOperator('aten::ad', [])).detail).toBe(
      "libtorch has no operator 'aten::ad'",
    );
    expect(errorOf(NativeError, () => callOperator('add', [])).detail).toContain("no operator 'add'");
  });

  inScope('refuses operators with results or arguments from outside the world of tensors', () => {
    expect(
      errorOf(NativeError, () => callOperator('quantized::linear_prepack', [ones([2, 2])])).detail,
    ).toContain("can't be given to JavaScript");
    expect(
      errorOf(NativeError, () => callOperator('quantized::conv_transpose3d_groups', [1])).detail,
    ).toContain("can't be given from JavaScript");
  });
});
