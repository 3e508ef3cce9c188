/**
 * The one error of the engine: an operator failed, or was given arguments that it can't take.
 */
export class NativeError extends Error {
  override readonly name = 'NativeError';
  /** The operator or engine function, for example `aten::matmul`. */
  readonly operator: string;
  /** The operator's arguments as text, dtypes and shapes included, for example `self: float32 [2, 3]`. */
  readonly arguments: string;
  /** The message of libtorch without its C++ stack. */
  readonly detail: string;

  constructor(operator: string, args: string, detail: string) {
    super(`${operator}${args === '' ? '' : `(${args})`}: ${detail}`);
    this.operator = operator;
    this.arguments = args;
    this.detail = detail;
  }
}

/** libtorch's words for memory that ran out, on the processor and on GPUs, and V8's for a buffer that it can't have. */
export function isOutOfMemory(error: unknown): boolean {
  if (error instanceof NativeError)
    return /can't allocate memory|not enough memory|out of memory|bad_alloc|CUBLAS_STATUS_ALLOC_FAILED/i.test(
      error.detail,
    );
  return error instanceof RangeError && /allocation failed/i.test(error.message);
}

/** A value described in a few words: `number 3`, `'text'`, `an array`, `a Date`. */
export function kindOf(value: unknown): string {
  if (value === undefined || value === null) return String(value);
  if (Array.isArray(value)) return 'an array';
  switch (typeof value) {
    case 'object':
      return `a ${value.constructor?.name ?? 'object'}`;
    case 'function':
      return 'a function';
    case 'string':
      return value.length <= 40 ? `'${value}'` : `'${value.slice(0, 40)}...'`;
    default:
      return `${typeof value} ${String(value)}`;
  }
}
