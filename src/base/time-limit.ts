/**
 * A wall-clock limit on work that holds the thread: a pattern or a file of a stranger may keep the interpreter busy without end, where
 * no timer of ours gets its turn. V8 ends the work from outside, in the middle of a loop or of a regular expression.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createContext, Script } from 'node:vm';

const context = createContext({ work: undefined as (() => unknown) | undefined });
const script = new Script('work()');

/**
 * The result of `work`, which must not be asynchronous.
 * @param limitMs milliseconds, a whole number above 0
 * @param tooLong makes the error for work that is not done in time
 */
export function withinTime<T>(limitMs: number, work: () => T, tooLong: () => Error): T {
  const outer = context['work'];
  context['work'] = work;
  try {
    return script.runInContext(context, { timeout: limitMs }) as T;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException | null)?.code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw cause;
    throw tooLong();
  } finally {
    context['work'] = outer;
  }
}

/** Parts that a limit is counted in. */
const PARTS = 10;

/**
 * Calls `tooLong` after a time, unless it is told before that the work is done. A process that stood still meanwhile (SIGSTOP, a
 * laptop asleep) finds all its timers over at once, before it hears what came of the work: so the time is counted in parts.
 * @returns ends it
 */
export function afterAwake(limitMs: number, tooLong: () => void): () => void {
  const done = new AbortController();
  const count = async (): Promise<void> => {
    try {
      for (let part = 0; part < PARTS; part++)
        await sleep(limitMs / PARTS, undefined, { signal: done.signal });
    } catch (error) {
      if (done.signal.aborted) return;
      throw error;
    }
    if (!done.signal.aborted) tooLong();
  };
  void count();
  return () => done.abort();
}
