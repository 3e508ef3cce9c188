/**
 * The tensor: PyTorch's, read and written from TypeScript. Operators are generated methods
 * (`operators.generated.ts`); here is what a tensor knows of itself, and how data gets in and out.
 */
import { arrayTypeOf, type Device, type DType, dtypeOfArray, type TypedArray } from './dtype.ts';
import { kindOf, NativeError } from './errors.ts';
import type { Generator } from './generator.ts';
import { type NativeHandle, native } from './native.ts';
import { isScalar, type Scalar, setTensorFactory } from './operator-call.ts';
import * as operators from './operators.generated.ts';

export interface TensorOptions {
  readonly dtype?: DType | undefined;
  readonly device?: Device | undefined;
}

/** Numbers nested as deep as the tensor has dimensions. */
export type NestedNumbers = number | bigint | boolean | readonly NestedNumbers[];

export class Tensor extends operators.TensorOperators {
  #shape: readonly number[] | undefined;
  #dtype: DType | undefined;

  get shape(): readonly number[] {
    if (!this.isAlive) this.handle; // throws
    this.#shape ??= native.shape(this.handle);
    return this.#shape;
  }

  get dtype(): DType {
    if (!this.isAlive) this.handle; // throws
    this.#dtype ??= native.dtype(this.handle) as DType;
    return this.#dtype;
  }

  get device(): Device {
    return native.device(this.handle);
  }

  /** Number of dimensions. */
  get ndim(): number {
    return this.shape.length;
  }

  /** Number of elements. */
  numel(): number {
    return this.shape.reduce((product, size) => product * size, 1);
  }

  /** The size of one dimension; negative counts from the end. */
  size(dim: number): number {
    const size = typeof dim === 'number' ? this.shape.at(dim) : undefined;
    if (size === undefined)
      throw new NativeError('size', '', `dimension ${kindOf(dim)} of a tensor with ${this.ndim} dimensions`);
    return size;
  }

  is_contiguous(): boolean {
    return native.isContiguous(this.handle);
  }

  override changed(): void {
    this.#shape = undefined;
    this.#dtype = undefined;
  }

  // The only generated methods that change a shape; `callOperator` tells all that it writes to.
  override resize_(...args: Parameters<operators.TensorOperators['resize_']>): this {
    super.resize_(...args);
    this.changed();
    return this;
  }

  override set_(...args: Parameters<operators.TensorOperators['set_']>): this {
    super.set_(...args);
    native.recount(this.handle);
    this.changed();
    return this;
  }

  // Autograd

  get requires_grad(): boolean {
    return native.requiresGrad(this.handle);
  }

  requires_grad_(requiresGrad = true): this {
    native.setRequiresGrad(this.handle, requiresGrad);
    return this;
  }

  get is_leaf(): boolean {
    return native.isLeaf(this.handle);
  }

  /** The gradient that `backward` accumulated here, if any. */
  get grad(): Tensor | undefined {
    const handle = native.gradOf(this.handle);
    return handle === null ? undefined : new Tensor(handle);
  }

  set grad(value: Tensor | undefined) {
    native.setGradOf(this.handle, value === undefined ? null : value.handle);
  }

  /** Accumulates gradients in the `.grad` of the leaves; `gradient` may be left out for a single value. */
  backward(gradient?: Tensor): void {
    native.backward([this.handle], [gradient === undefined ? null : gradient.handle], false, false, []);
  }

  // Data

  /** Another dtype or device; the tensor itself when nothing changes. */
  to({ dtype = this.dtype, device }: TensorOptions): Tensor {
    const target = device ?? this.device;
    if (dtype === this.dtype && (device === undefined || target === this.device)) return this;
    return this._to_copy({ dtype, device: target });
  }

  /**
   * Another dtype or device, always as a new tensor object. With `to`, whether the result may be disposed
   * without harming the source depends on the arguments; here it never does.
   */
  toCopy({ dtype = this.dtype, device }: TensorOptions = {}): Tensor {
    return this._to_copy({ dtype, device: device ?? this.device });
  }

  /**
   * A copy of the values in row-major order, in the array type of the dtype: `BigInt64Array` for int64,
   * `Uint8Array` of 0 and 1 for bool, and the raw bits in a `Uint16Array` for bfloat16 and float16.
   */
  toTypedArray(): TypedArray {
    const array = new (arrayTypeOf(this.dtype))(this.numel());
    native.copyOut(this.handle, array);
    return array;
  }

  /**
   * The tensor's own memory, without a copy: writing to it writes the tensor. It stays valid when the tensor
   * is disposed, because it keeps the storage alive.
   * @throws NativeError unless the tensor is contiguous and on the CPU
   */
  view_as_array(): TypedArray {
    const buffer = native.view(this.handle);
    const type = arrayTypeOf(this.dtype) as unknown as new (buffer: ArrayBuffer) => TypedArray;
    return new type(buffer);
  }

  /** The values as nested arrays of numbers; a plain number for a tensor without dimensions. */
  tolist(): NestedNumbers {
    const flat = this.#numbers();
    let position = 0;
    const { shape } = this;
    const nest = (dim: number): NestedNumbers => {
      if (dim === shape.length) return flat[position++] as number;
      return Array.from({ length: shape[dim] as number }, () => nest(dim + 1));
    };
    return nest(0);
  }

  /** The values in row-major order, as plain numbers. int64 beyond 2^53 throws. */
  #numbers(): number[] {
    const { dtype } = this;
    if (dtype === 'bfloat16' || dtype === 'float16') {
      const wide = this.to({ dtype: 'float32' });
      try {
        return Array.from(wide.toTypedArray() as Float32Array);
      } finally {
        wide.dispose();
      }
    }
    const array = this.toTypedArray();
    if (!(array instanceof BigInt64Array)) return Array.from(array);
    return Array.from(array, (value) => {
      const number = Number(value);
      if (!Number.isSafeInteger(number))
        throw new NativeError('tolist', '', `${value} is too large for a number; use toTypedArray()`);
      return number;
    });
  }

  /** The only value, as a number (a boolean becomes 0 or 1). Throws unless there is exactly one. */
  item(): number {
    return Number(native.item(this.handle));
  }

  override toString(): string {
    if (!this.isAlive) return 'Tensor(dead)';
    const { shape, dtype, device } = this;
    const place = device === 'cpu' ? '' : `, ${device}`;
    return `Tensor([${shape.join(', ')}], ${dtype}${place})`;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

setTensorFactory((handle: NativeHandle) => new Tensor(handle));

/**
 * A tensor from a typed array; int64 from a BigInt64Array, and bfloat16 or float16 from their raw bits in a
 * Uint16Array. A Uint8Array holds the raw bytes of any dtype that is named.
 *
 * @param options.copy with `false` a tensor on the processor borrows the array's memory: cheap, but writing to one writes the
 *   other, and the array's buffer must not be transferred (`postMessage`, `structuredClone`) while the tensor lives
 * @throws NativeError when the array's length does not fit the shape, the array is of another dtype, or its memory
 *   can't be borrowed (resizable, or not aligned for the dtype)
 */
export function fromTypedArray(
  array: TypedArray,
  shape: readonly number[],
  options: TensorOptions & { readonly copy?: boolean } = {},
): Tensor {
  if (!ArrayBuffer.isView(array))
    throw new NativeError('fromTypedArray', '', `expected a typed array, got ${kindOf(array)}`);
  if (options.copy === false && (array.buffer as { resizable?: boolean }).resizable === true)
    throw new NativeError(
      'fromTypedArray',
      '',
      'the memory of a resizable buffer may move; let it be copied',
    );
  const dtype = options.dtype ?? dtypeOfArray(array);
  const carrier = arrayTypeOf(dtype);
  const isBytes = array instanceof Uint8Array;
  if (!isBytes && !(array instanceof carrier))
    throw new NativeError(
      'fromTypedArray',
      '',
      `${dtype} needs a ${carrier.name}, got a ${array.constructor.name}`,
    );
  return new Tensor(native.fromBytes(array, shape, dtype, options.copy ?? true, options.device ?? 'cpu'));
}

/** Largest number of dimensions, that of libtorch's own iterators. */
const maxDimensions = 64;

/** Least and largest value of each integer dtype. */
const integerRange: Partial<Record<DType, readonly [number, number]>> = {
  int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER], // as numbers; bigints reach further
  int32: [-(2 ** 31), 2 ** 31 - 1],
  int16: [-(2 ** 15), 2 ** 15 - 1],
  int8: [-128, 127],
  uint8: [0, 255],
};

/**
 * A tensor from nested numbers, float32 unless a dtype is named.
 * @throws NativeError when inner arrays differ in length, a value is no number, or an integer dtype can't hold it
 */
export function tensor(values: NestedNumbers, options: TensorOptions = {}): Tensor {
  const dtype = options.dtype ?? 'float32';
  arrayTypeOf(dtype); // throws for what is no dtype
  const range = integerRange[dtype];
  const shape: number[] = [];
  for (let level: NestedNumbers | undefined = values; Array.isArray(level); level = level[0]) {
    shape.push(level.length);
    if (shape.length > maxDimensions)
      throw new NativeError('tensor', '', `arrays nested deeper than ${maxDimensions}`);
  }
  const flat: (number | bigint | boolean)[] = [];
  const collect = (value: NestedNumbers, dim: number): void => {
    if (!Array.isArray(value)) {
      if (dim !== shape.length) throw new NativeError('tensor', '', 'inner arrays differ in depth');
      if (!isScalar(value)) throw new NativeError('tensor', '', `expected numbers, got ${kindOf(value)}`);
      if (range !== undefined) checkInteger(value as number | bigint | boolean, dtype, range);
      flat.push(value as number | bigint | boolean);
      return;
    }
    if (dim === shape.length) throw new NativeError('tensor', '', 'inner arrays differ in depth');
    if (value.length !== shape[dim])
      throw new NativeError('tensor', '', `inner arrays differ in length: ${value.length} and ${shape[dim]}`);
    for (const item of value) collect(item, dim + 1);
  };
  collect(values, 0);
  switch (dtype) {
    case 'float32':
      return fromTypedArray(Float32Array.from(flat, Number), shape, options);
    case 'float64':
      return fromTypedArray(Float64Array.from(flat, Number), shape, options);
    case 'int64':
      return fromTypedArray(BigInt64Array.from(flat, BigInt), shape, options);
    case 'bool':
      return fromTypedArray(
        Uint8Array.from(flat, (value) => (value ? 1 : 0)),
        shape,
        { ...options, dtype },
      );
    default: {
      const wide = fromTypedArray(Float64Array.from(flat, Number), shape);
      try {
        return wide.toCopy({ ...options, dtype });
      } finally {
        wide.dispose();
      }
    }
  }
}

function checkInteger(
  value: number | bigint | boolean,
  dtype: DType,
  range: readonly [number, number],
): void {
  const number = Number(value);
  const isHeld =
    typeof value === 'bigint' && dtype === 'int64'
      ? BigInt.asIntN(64, value) === value
      : Number.isInteger(number) && number >= range[0] && number <= range[1];
  if (!isHeld) throw new NativeError('tensor', '', `${dtype} can't hold ${value}`);
}

/** Zeros, float32 unless a dtype is named. */
export function zeros(shape: readonly number[], { dtype = 'float32', device }: TensorOptions = {}): Tensor {
  return operators.zeros(shape, { dtype, device });
}

/** Ones, float32 unless a dtype is named. */
export function ones(shape: readonly number[], { dtype = 'float32', device }: TensorOptions = {}): Tensor {
  return operators.ones(shape, { dtype, device });
}

/** Memory as it comes, float32 unless a dtype is named. */
export function empty(shape: readonly number[], { dtype = 'float32', device }: TensorOptions = {}): Tensor {
  return operators.empty(shape, { dtype, device });
}

/** One value everywhere, float32 unless a dtype is named (unlike PyTorch, where the value decides). */
export function full(
  shape: readonly number[],
  value: Scalar,
  { dtype = 'float32', device }: TensorOptions = {},
): Tensor {
  return operators.full(shape, value, { dtype, device });
}

export function zeros_like(like: Tensor, options: TensorOptions = {}): Tensor {
  return operators.zeros_like(like, options);
}

export function ones_like(like: Tensor, options: TensorOptions = {}): Tensor {
  return operators.ones_like(like, options);
}

export function empty_like(like: Tensor, options: TensorOptions = {}): Tensor {
  return operators.empty_like(like, options);
}

/** start, start + step, ... below end; int64 unless a dtype is named or a bound is not whole. `arange(n)` starts at 0. */
export function arange(end: number, options?: TensorOptions): Tensor;
export function arange(start: number, end: number, options?: TensorOptions): Tensor;
export function arange(start: number, end: number, step: number, options?: TensorOptions): Tensor;
export function arange(...args: (number | TensorOptions | undefined)[]): Tensor {
  const last = args.at(-1);
  const options = typeof last === 'object' ? last : {};
  const numbers = args.filter((value): value is number => typeof value === 'number');
  const [first = 0, second, step = 1] = numbers;
  const [start, end] = second === undefined ? [0, first] : [first, second];
  return operators.arange(start, end, step, options);
}

/** Normal noise from its own generator. */
export function randn(
  shape: readonly number[],
  { generator, dtype = 'float32', device }: TensorOptions & { readonly generator: Generator | undefined },
): Tensor {
  return operators.randn(shape, { generator, dtype, device });
}

/** Uniform noise in [0, 1) from its own generator. */
export function rand(
  shape: readonly number[],
  { generator, dtype = 'float32', device }: TensorOptions & { readonly generator: Generator | undefined },
): Tensor {
  return operators.rand(shape, { generator, dtype, device });
}

/** A random order of 0 ... n-1 (int64). */
export function randperm(n: number, { generator }: { readonly generator: Generator | undefined }): Tensor {
  return operators.randperm(n, { generator, dtype: 'int64' });
}
