/**
 * The one error of the engine: an operator failed, or was given arguments that it can't take.
 */
export class NativeError extends Error {
  override readonly name = 'NativeError';
  /** The operator or engine function, for example `aten::matmul`. */
  readonly operator: string;
  /** Its arguments as text, dtypes and shapes included, for example `self: float32 [2, 3]`. */
  readonly arguments: string;
  /** What libtorch said, without its C++ stack. */
  readonly detail: string;

  constructor(operator: string, args: string, detail: string) {
    super(`${operator}${args === '' ? '' : `(${args})`}: ${detail}`);
    this.operator = operator;
    this.arguments = args;
    this.detail = detail;
  }
}
