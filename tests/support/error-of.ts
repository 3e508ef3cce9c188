/** @file The error of a call, for tests that look at more than its message. */

/** What a call throws, which must be of this class. */
export function errorOf<E extends Error>(kind: abstract new (...args: never[]) => E, call: () => unknown): E {
  try {
    call();
  } catch (error) {
    if (error instanceof kind) return error;
    throw error;
  }
  throw new Error(`expected a ${kind.name}, nothing was thrown`);
}
