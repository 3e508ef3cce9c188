/** Element types, with PyTorch's names, and the JavaScript arrays that carry them. */
import { NativeError } from './errors.ts';

export type DType =
  | 'float32'
  | 'float64'
  | 'bfloat16'
  | 'float16'
  | 'int64'
  | 'int32'
  | 'uint8'
  | 'bool'
  | 'int8'
  | 'int16';

/** `cpu` or `cuda:N`. */
export type Device = string;

export type TypedArray =
  | Float32Array
  | Float64Array
  | BigInt64Array
  | Int32Array
  | Uint8Array
  | Int8Array
  | Int16Array
  | Uint16Array;

interface ArrayType<T extends TypedArray = TypedArray> {
  new (length: number): T;
  readonly BYTES_PER_ELEMENT: number;
  readonly name: string;
}

/** bfloat16 and float16 have no JavaScript array of their own: their raw bits travel in a Uint16Array. */
const arrayTypes: Record<DType, ArrayType> = {
  float32: Float32Array,
  float64: Float64Array,
  bfloat16: Uint16Array,
  float16: Uint16Array,
  int64: BigInt64Array,
  int32: Int32Array,
  uint8: Uint8Array,
  bool: Uint8Array,
  int8: Int8Array,
  int16: Int16Array,
};

export function arrayTypeOf(dtype: DType): ArrayType {
  if (typeof dtype !== 'string')
    throw new NativeError('dtype', '', `expected a dtype, got a ${typeof dtype}`);
  if (!Object.hasOwn(arrayTypes, dtype)) {
    const known = Object.keys(arrayTypes).join(', ');
    throw new NativeError('dtype', '', `'${dtype}' has no JavaScript array; these have: ${known}`);
  }
  return arrayTypes[dtype];
}

/** The dtype that a typed array holds when none is named. */
export function dtypeOfArray(array: TypedArray): DType {
  if (array instanceof Float32Array) return 'float32';
  if (array instanceof Float64Array) return 'float64';
  if (array instanceof BigInt64Array) return 'int64';
  if (array instanceof Int32Array) return 'int32';
  if (array instanceof Uint8Array) return 'uint8';
  if (array instanceof Int8Array) return 'int8';
  if (array instanceof Int16Array) return 'int16';
  const given: unknown = array;
  throw new NativeError(
    'fromTypedArray',
    '',
    given instanceof Uint16Array
      ? 'a Uint16Array needs a dtype: bfloat16 or float16'
      : `no dtype is carried by a ${(given as object).constructor.name}`,
  );
}

/** Bytes of one element. */
export function itemSize(dtype: DType): number {
  return arrayTypeOf(dtype).BYTES_PER_ELEMENT;
}
