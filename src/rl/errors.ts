/**
 * The one error class of the `rl` room. Rooms that read files or flags have richer classes; here an error always means
 * that a function was called with values outside its stated domain, so a `RangeError` with a next step is enough.
 */

/** A value outside the stated domain of an `rl` function. `hint` is the next step, as in the project's other errors. */
export class RlError extends RangeError {
  readonly hint: string | undefined;

  constructor(message: string, details: { readonly hint?: string; readonly cause?: unknown } = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'RlError';
    this.hint = details.hint;
  }
}
