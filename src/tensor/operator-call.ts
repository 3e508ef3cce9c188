/**
 * What the generated operators stand on: looking an operator up once, turning tensors into handles,
 * and refusing arguments that fit no overload.
 */
import type { Device, DType } from './dtype.ts';
import { kindOf, NativeError } from './errors.ts';
import { Generator } from './generator.ts';
import { TensorHandle } from './handle.ts';
import { type NativeHandle, type NativeValue, native } from './native.ts';
import type { Tensor } from './tensor.ts';

/** A number, bigint or boolean. Whole numbers are integer scalars, as Python's `1` is. */
export type Scalar = number | bigint | boolean;
export type Layout = 'strided' | 'sparse_coo';
export type MemoryFormat = 'contiguous_format' | 'preserve_format' | 'channels_last' | 'channels_last_3d';
export type { Device, DType };

let makeTensor: (handle: NativeHandle) => Tensor;
/** Called once by `tensor.ts`: the generated base class can't import its own subclass. */
export function setTensorFactory(factory: (handle: NativeHandle) => Tensor): void {
  makeTensor = factory;
}

export function wrap(result: NativeValue): Tensor {
  if (result === null) throw new NativeError('operator', '', 'returned an undefined tensor');
  return makeTensor(result as NativeHandle);
}

export function wrapList(result: NativeValue): Tensor[] {
  return (result as NativeHandle[]).map(wrap);
}

export function handleOf(value: unknown, operator: string, argument: string): NativeHandle {
  if (value instanceof TensorHandle) return value.handle;
  throw new NativeError(operator, '', `argument '${argument}' expected a Tensor, got ${kindOf(value)}`);
}

export function optionalHandle(value: unknown, operator: string, argument: string): NativeHandle | undefined {
  return value === undefined || value === null ? undefined : handleOf(value, operator, argument);
}

/** Far above any list of tensors, far below the 2^32 holes that `new Array(n)` hands out for nothing. */
const maxListLength = 1 << 20;

function listOf(value: unknown, operator: string, argument: string): readonly unknown[] {
  if (!Array.isArray(value))
    throw new NativeError(
      operator,
      '',
      `argument '${argument}' expected an array of Tensors, got ${kindOf(value)}`,
    );
  if (value.length > maxListLength)
    throw new NativeError(
      operator,
      '',
      `argument '${argument}' expected at most ${maxListLength} Tensors, got an array of ${value.length}`,
    );
  return value;
}

export function handlesOf(value: unknown, operator: string, argument: string): NativeHandle[] {
  const list = listOf(value, operator, argument);
  const handles: NativeHandle[] = [];
  for (let i = 0; i < list.length; i++) {
    const item = list[i];
    handles.push(item instanceof TensorHandle ? item.handle : handleOf(item, operator, `${argument}[${i}]`));
  }
  return handles;
}

export function optionalHandles(value: unknown, operator: string, argument: string): (NativeHandle | null)[] {
  const list = listOf(value, operator, argument);
  const handles: (NativeHandle | null)[] = [];
  for (let i = 0; i < list.length; i++)
    handles.push(optionalHandle(list[i], operator, `${argument}[${i}]`) ?? null);
  return handles;
}

export function generatorOf(value: unknown, operator: string, argument: string): NativeValue {
  if (value === undefined || value === null) return undefined;
  if (value instanceof Generator) return value.native;
  throw new NativeError(operator, '', `argument '${argument}' expected a Generator, got ${kindOf(value)}`);
}

export function isTensor(value: unknown): boolean {
  return value instanceof TensorHandle;
}
export function isScalar(value: unknown): boolean {
  return typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint';
}
export function isOptions(value: unknown): boolean {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof TensorHandle)
  );
}

/** True when an options object names this option. */
export function optionOf(value: unknown, name: string): boolean {
  return isOptions(value) && (value as Record<string, unknown>)[name] !== undefined;
}

/** No overload takes these arguments. */
export function noOverload(
  operator: string,
  schemas: readonly string[],
  args: readonly unknown[],
): NativeError {
  return new NativeError(
    operator,
    '',
    `no overload takes (${args.map(kindOf).join(', ')}); there are:\n  ${schemas.join('\n  ')}`,
  );
}

const ids = new Map<string, number>();

/** The id of an operator, looked up once. */
function operatorId(name: string, overload: string): number {
  const key = `${name}.${overload}`;
  let id = ids.get(key);
  if (id === undefined) {
    id = native.resolve(name, overload);
    ids.set(key, id);
  }
  return id;
}

/** Ids by place in a list, looked up at their first use: an operator missing from an older libtorch harms nobody else. */
export function operatorIds(
  operators: readonly (readonly [name: string, overload: string])[],
): (index: number) => number {
  const resolved: number[] = new Array(operators.length).fill(0);
  return (index) => {
    let id = resolved[index] as number;
    if (id === 0) {
      id = operatorId(...(operators[index] as readonly [string, string]));
      resolved[index] = id;
    }
    return id;
  };
}

/**
 * Calls any of libtorch's operators, also those without a generated method.
 *
 * @param fullName `namespace::name` or `namespace::name.overload`, for example `aten::add.Tensor`
 * @param args positional arguments in the schema's order
 * @param options arguments by name
 * @returns a Tensor, a list of Tensors, a plain value, or an array of several results; the changed
 *   arguments of an in-place operator are returned as the tensors that were given
 * @throws NativeError for an unknown operator, a wrong argument, or a failing kernel
 */
export function callOperator(
  fullName: string,
  args: readonly unknown[] = [],
  options: Readonly<Record<string, unknown>> = {},
): unknown {
  if (typeof fullName !== 'string')
    throw new NativeError('callOperator', '', `expected the name of an operator, got ${kindOf(fullName)}`);
  const dot = fullName.indexOf('.', fullName.indexOf('::') + 2);
  const name = dot < 0 ? fullName : fullName.slice(0, dot);
  const overload = dot < 0 ? '' : fullName.slice(dot + 1);
  const schema = native.schemaOf(name, overload);
  const known = new Set(schema.arguments.map((argument) => argument.name));
  for (const key of Object.keys(options))
    if (!known.has(key))
      throw new NativeError(fullName, '', `has no argument '${key}'; schema: ${schema.text}`);
  const positional = schema.arguments.filter((argument) => !argument.isKeywordOnly);
  if (args.length > positional.length)
    throw new NativeError(
      fullName,
      '',
      `takes ${positional.length} positional arguments, got ${args.length}: ${schema.text}`,
    );
  const values = schema.arguments.map((argument, i) => {
    const value = !argument.isKeywordOnly && i < args.length ? args[i] : options[argument.name];
    if (value === undefined) return undefined;
    switch (argument.kind) {
      case 'Tensor':
        return optionalHandle(value, fullName, argument.name);
      case 'Tensor[]':
        return handlesOf(value, fullName, argument.name);
      case 'Tensor?[]':
        return optionalHandles(value, fullName, argument.name);
      case 'Generator':
        return generatorOf(value, fullName, argument.name);
      default:
        return value as NativeValue;
    }
  });
  const result = native.call(operatorId(name, overload), ...values);
  const written = schema.arguments.flatMap((argument, i) =>
    argument.isWritten ? [args[i] ?? options[argument.name]] : [],
  );
  for (const value of written.flat()) if (value instanceof TensorHandle) value.changed();
  let writtenTaken = 0;
  const wrapped = schema.results.map((spec, i) => {
    const value = schema.results.length === 1 ? result : (result as NativeValue[])[i];
    if (spec.isWritten) return written[writtenTaken++];
    if (value === null || value === undefined) return undefined;
    if (spec.kind === 'Tensor') return wrap(value);
    if (spec.kind === 'Tensor[]') return wrapList(value);
    return value;
  });
  return wrapped.length === 0 ? undefined : wrapped.length === 1 ? wrapped[0] : wrapped;
}
