/**
 * @file Nothing that JavaScript can hand over may end the process, hang it, or be taken for something else: wrong
 * kinds, wrong counts, dead tensors, traps. Operators of libtorch with random arguments run in a process of their own.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { NativeError } from './errors.ts';
import { Generator } from './generator.ts';
import { liveTensors, scope } from './handle.ts';
import * as room from './index.ts';
import { native } from './native.ts';
import { callOperator } from './operator-call.ts';
import { cat, stack, TensorOperators } from './operators.generated.ts';
import { fromTypedArray, Tensor, tensor, zeros } from './tensor.ts';

class Trap extends Error {}
const trap = (): never => {
  throw new Trap('sprung');
};

/** Junk by name; made anew for each use, because some of it wears out. */
const junk: Readonly<Record<string, () => unknown>> = {
  undefined: () => undefined,
  null: () => null,
  'minus one': () => -1,
  'a fraction': () => 1.5,
  NaN: () => Number.NaN,
  infinity: () => Number.POSITIVE_INFINITY,
  'a huge number': () => 1e300,
  '2^53': () => 2 ** 53,
  'a bigint': () => 3n,
  'a bigint beyond 64 bits': () => 2n ** 64n,
  'a string': () => 'junk',
  'a long string': () => 'x'.repeat(100_000),
  'a lone surrogate': () => '\ud800',
  true: () => true,
  'a symbol': () => Symbol('junk'),
  'a function': () => () => 1,
  'a class': () => Tensor,
  'an object': () => ({}),
  'an object without prototype': () => Object.create(null),
  'an array': () => [],
  'an array of junk': () => ['x', null, {}],
  'a sparse array': () => new Array(7),
  'an endless array': () => new Array(2 ** 32 - 1),
  'a cyclic array': () => {
    const cyclic: unknown[] = [];
    cyclic.push(cyclic);
    return cyclic;
  },
  'a typed array': () => new Float32Array(3),
  'a detached array': () => {
    const array = new Float32Array(4);
    structuredClone(array.buffer, { transfer: [array.buffer] });
    return array;
  },
  'a data view': () => new DataView(new ArrayBuffer(8)),
  'a date': () => new Date(Number.NaN),
  'a promise': () => Promise.resolve(),
  'a dead tensor': () => {
    const dead = zeros([2]);
    dead.dispose();
    return dead;
  },
  'a tensor': () => zeros([3]),
  'an empty tensor': () => zeros([0]),
  'a bare Tensor.prototype': () => Tensor.prototype,
  'a thing dressed as a tensor': () => Object.create(Tensor.prototype),
  'a thing dressed as a generator': () => Object.assign(Object.create(Generator.prototype), { native: {} }),
  'a proxy of a tensor': () => new Proxy(zeros([2]), {}),
  'a proxy of an array': () => new Proxy([1, 2], {}),
  'a revoked proxy': () => {
    const { proxy, revoke } = Proxy.revocable([], {});
    revoke();
    return proxy;
  },
  'a proxy that throws': () => new Proxy({}, { get: trap, ownKeys: trap, has: trap, getPrototypeOf: trap }),
  'options that throw': () =>
    Object.defineProperties(
      {},
      Object.fromEntries(
        ['dtype', 'dim', 'alpha', 'device'].map((key) => [key, { get: trap, enumerable: true }]),
      ),
    ),
  'an array with a getter that throws': () => Object.defineProperty([1, 2], 1, { get: trap }),
  'an object that throws when converted': () => ({
    [Symbol.toPrimitive]: trap,
    valueOf: trap,
    toString: trap,
  }),
};

/** What junk may throw: our error, the trap's own, or what JavaScript throws by itself (a revoked proxy, a private field). */
function expectHarmless(body: () => unknown): void {
  const before = liveTensors();
  try {
    scope('junk', () => {
      body();
    });
  } catch (error) {
    const isFine = error instanceof NativeError || error instanceof Trap || error instanceof TypeError;
    if (!isFine) throw error;
  }
  expect(liveTensors()).toBe(before);
}

describe.each(Object.entries(junk))('%s', (_, make) => {
  it('is harmless as an argument of every generated method', () => {
    for (const name of Object.getOwnPropertyNames(TensorOperators.prototype)) {
      if (name === 'constructor') continue;
      const self = scope(() =>
        tensor([
          [1, 2],
          [3, 4],
        ]),
      );
      const method = (self as unknown as Record<string, (...args: unknown[]) => unknown>)[name]!;
      expectHarmless(() => method.call(self, make()));
      expectHarmless(() => method.call(self, make(), make()));
      expectHarmless(() => method.call(self, 0, make(), make()));
      expectHarmless(() => method.call(self, zeros([2, 2]), make()));
      expectHarmless(() => method.call(self, [0], make(), make(), make(), make(), make()));
      expectHarmless(() => method.call(make()));
      self.dispose();
    }
  });

  it('is harmless as an argument of every public function', () => {
    // keep, scope and dispose take any value by design; errors are made by the room; Tensor's constructor takes a
    // handle; threads have their own test; leaveAtOnce ends the process, which is what it is for; resolveDevice takes the text of a configuration key and calls no operator.
    const skipped = new Set([
      'keep',
      'scope',
      'dispose',
      'NativeError',
      'Tensor',
      'setNumThreads',
      'leaveAtOnce',
      'resolveDevice',
    ]);
    for (const [name, value] of Object.entries(room)) {
      if (typeof value !== 'function' || skipped.has(name)) continue;
      const call = value as (...args: unknown[]) => unknown;
      const isClass = /^class /.test(Function.prototype.toString.call(value));
      const invoke = (...args: unknown[]): unknown =>
        isClass ? Reflect.construct(value, args) : call(...args);
      expectHarmless(() => invoke(make()));
      expectHarmless(() => invoke(make(), make()));
      expectHarmless(() => invoke([], make(), make()));
      expectHarmless(() => invoke([zeros([2])], make(), make(), make()));
      expectHarmless(() => invoke(zeros([2, 2]), zeros([2, 2]), make(), make()));
      expectHarmless(() => invoke(new Float32Array(2), make(), make()));
    }
  });

  it('is harmless as an argument of callOperator, of every kind', () => {
    const operators = [
      'aten::add.Tensor', // Tensor, Scalar
      'aten::linear', // Tensor?
      'aten::cat', // Tensor[], int
      'aten::index.Tensor', // Tensor?[]
      'aten::sum.dim_IntList', // int[]?, bool, ScalarType?
      'aten::avg_pool2d', // int[2]
      'aten::clamp', // Scalar?
      'aten::quantile.scalar', // float, int?, str
      'aten::upsample_bilinear2d', // float?
      'aten::empty.memory_format', // Layout, Device, MemoryFormat
      'aten::normal_', // Generator
      'aten::convolution_backward', // bool[3]
      'aten::einsum', // str
      'aten::_foreach_add_.ScalarList', // Scalar[]
    ];
    for (const operator of operators) {
      const names = native
        .schemaOf(operator.split('.')[0]!, operator.split('.')[1] ?? '')
        .arguments.map((argument) => argument.name);
      for (const name of names)
        expectHarmless(() => callOperator(operator, [], { ...goodArguments(operator), [name]: make() }));
      expectHarmless(() => callOperator(operator, make() as never));
      expectHarmless(() => callOperator(operator, [], make() as never));
    }
    expectHarmless(() => callOperator(make() as never));
  });

  it("is harmless in a tensor's own members", () => {
    const x = (): Tensor => tensor([1, 2]);
    const uses: ((value: never) => unknown)[] = [
      (v) => x().to(v),
      (v) => x().to({ dtype: v }),
      (v) => x().to({ device: v }),
      (v) => x().toCopy({ dtype: v, device: v }),
      (v) => x().size(v),
      (v) => x().requires_grad_(v),
      (v) => x().requires_grad_().mul(2).backward(v),
      (v) => {
        x().grad = v;
      },
      (v) => fromTypedArray(new Float32Array(2), v),
      (v) => fromTypedArray(new Float32Array(2), [v]),
      (v) => fromTypedArray(new Float32Array(2), [2], { dtype: v }),
      (v) => fromTypedArray(new Float32Array(2), [2], { copy: v }),
      (v) => fromTypedArray(v, [3], { dtype: 'float32', copy: false }),
      (v) => new Generator(1).setState(v),
      (v) => new Generator(1, v),
      (v) => Object.getOwnPropertyDescriptor(Tensor.prototype, 'shape')?.get?.call(v),
      (v) => Tensor.prototype.tolist.call(v),
    ];
    for (const use of uses) expectHarmless(() => use(make() as never));
  });
});

/** Arguments with which the operator would run, by name. */
function goodArguments(operator: string): Record<string, unknown> {
  const image = zeros([1, 1, 4, 4]);
  const all: Record<string, Record<string, unknown>> = {
    'aten::add.Tensor': { self: image, other: image, alpha: 1 },
    'aten::linear': { input: image, weight: zeros([4, 4]), bias: zeros([4]) },
    'aten::cat': { tensors: [image, image], dim: 0 },
    'aten::index.Tensor': { self: image, indices: [undefined] },
    'aten::sum.dim_IntList': { self: image, dim: [1], keepdim: true },
    'aten::avg_pool2d': { self: image, kernel_size: 2 },
    'aten::clamp': { self: image, min: 0, max: 1 },
    'aten::quantile.scalar': { self: image, q: 0.5 },
    'aten::upsample_bilinear2d': { self: image, output_size: [2, 2], align_corners: false },
    'aten::empty.memory_format': { size: [2] },
    'aten::normal_': { self: image },
    'aten::convolution_backward': {
      grad_output: zeros([1, 1, 3, 3]),
      input: image,
      weight: zeros([1, 1, 2, 2]),
      stride: [1, 1],
      padding: [0, 0],
      dilation: [1, 1],
      transposed: false,
      output_padding: [0, 0],
      groups: 1,
      output_mask: [true, true, true],
    },
    'aten::einsum': { equation: 'bchw->b', tensors: [image] },
    'aten::_foreach_add_.ScalarList': { self: [image], scalars: [1] },
  };
  return all[operator]!;
}

describe('wrong arguments are named', () => {
  it('by operator, argument, what was expected and what came', () => {
    const x = zeros([2, 3]);
    const cases: readonly [() => unknown, string][] = [
      [() => x.matmul(3 as never), "aten::matmul: argument 'other' expected a Tensor, got number 3"],
      [() => x.matmul(undefined as never), "argument 'other' expected a Tensor, got undefined"],
      [() => x.softmax('last' as never), "argument 'dim' (int): expected a whole number, got string 'last'"],
      [() => x.softmax(0.5), "argument 'dim' (int): expected a whole number, got number 0.5"],
      [() => x.softmax(Number.NaN), "argument 'dim' (int): expected a whole number, got number nan"],
      [() => x.softmax(9), 'Dimension out of range (expected to be in range of [-2, 1], but got 9)'],
      [
        () => x.reshape([2, '3'] as never),
        "argument 'shape' (int[]): expected a whole number, got string '3'",
      ],
      [() => x.reshape(undefined as never), "argument 'shape' (int[]) is missing"],
      [() => cat([x, null] as never), "argument 'tensors[1]' expected a Tensor, got null"],
      [() => cat(x as never), "argument 'tensors' expected an array of Tensors, got a Tensor"],
      [() => stack(new Array(3) as never), "argument 'tensors[0]' expected a Tensor, got undefined"],
      [() => x.reshape(new Array(2 ** 32 - 1)), 'expected at most 1048576 items, got an array of 4294967295'],
      [() => x.cumsum(0, { dtype: 'float8' as never }), "unknown dtype 'float8'"],
      [
        () => x.multinomial(1, false, { generator: 3 as never }),
        "'generator' expected a Generator, got number 3",
      ],
      [
        () => x.allclose(x, 'tight' as never),
        "argument 'rtol' (float): expected a number, got string 'tight'",
      ],
      [() => x.amax([0], 1 as never), "argument 'keepdim' (bool): expected a boolean, got number 1"],
      [() => x.sum([0], 1 as never), 'no overload takes (an array, number 1); there are:'],
    ];
    for (const [use, message] of cases) {
      expect(use).toThrow(NativeError);
      expect(use).toThrow(message);
    }
    x.dispose();
  });
});

/** Operators that are left out, and why. None of it is ours: all do the same when called from Python. */
const excluded: readonly [pattern: RegExp, reason: string][] = [
  [/^(?!aten::)/, 'other namespaces wait for other processes, or are for one kind of hardware'],
  [
    /^aten::_/,
    "inner operators, whose callers check: _stack.out([]) and _foreach_copy([], [x]) read past a list's end",
  ],
  [/_backward/, 'inner operators: reflection_pad2d_backward reads past an empty gradient'],
  [/_window.*out$/, 'a size of 2^53 is counted through, whatever `out` is: hours'],
  [/^aten::special_.*_polynomial/, 'a degree of 2^53 is counted through: hours'],
];

describe("libtorch's operators with random arguments", () => {
  const operators = native
    .operatorNames()
    .filter((name) => !excluded.some(([pattern]) => pattern.test(name)))
    .sort();

  it.each([1, 2])(
    'seed %i: every eighth operator throws NativeError or returns',
    (seed) => {
      const folder = mkdtempSync(join(tmpdir(), 'twgrpo-fuzz-')); // from_file writes where it runs
      try {
        const sample = operators.filter((_, i) => i % 8 === seed);
        const script = (name: string): string => fileURLToPath(new URL(`../../${name}`, import.meta.url));
        const run = spawnSync(
          process.execPath,
          [
            '--import',
            script('scripts/typescript/loader.mjs'),
            script('tests/support/fuzz-operators.ts'),
            String(seed),
            '6',
            ...sample,
          ],
          { cwd: folder, encoding: 'utf8', timeout: 300_000, env: { ...process.env, OMP_NUM_THREADS: '1' } },
        );
        const lastLine = run.stdout.trim().split('\n').at(-1);
        const end = run.error?.message ?? run.signal ?? `exit code ${run.status}`;
        expect(`${lastLine} (${end})\n${run.status === 0 ? '' : run.stderr}`).toMatch(
          /^done: \d+ returned, \d+ threw NativeError \(exit code 0\)/,
        );
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
    310_000,
  );
});
