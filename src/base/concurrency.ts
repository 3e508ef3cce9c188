/** Asynchronous work of which only so much may run at once. */

/**
 * A gate that lets `count` tasks run at once; others wait, in the order they came.
 * @returns a function that gives what its task gives, or throws what it throws
 */
export function limitConcurrency(count: number): <T>(task: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let numRunning = 0;
  return async (task) => {
    const isFull = numRunning >= count;
    if (!isFull) numRunning += 1;
    // Even a task that need not wait begins after its caller has taken the promise.
    await (isFull ? new Promise<void>((resolve) => waiting.push(resolve)) : undefined);
    try {
      return await task();
    } finally {
      // A place that somebody waits for is handed on; nobody can slip in between.
      const next = waiting.shift();
      if (next === undefined) numRunning -= 1;
      else next();
    }
  };
}

/**
 * Works through items in order, `count` at once. After a failure no further one is begun; those under way are finished first.
 * @throws what the first failure threw
 */
export async function forEachConcurrently<Item>(
  items: readonly Item[],
  count: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const limit = limitConcurrency(count);
  let failure: { readonly error: unknown } | undefined;
  await Promise.all(
    items.map((item) =>
      limit(async () => {
        if (failure !== undefined) return;
        try {
          await work(item);
        } catch (error) {
          failure ??= { error };
        }
      }),
    ),
  );
  if (failure !== undefined) throw (failure as { readonly error: unknown }).error;
}
