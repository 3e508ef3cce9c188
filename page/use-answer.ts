/** Answers of the API as state of a component: the last one stays while the next is on its way, so that nothing flickers. */
import { useEffect, useState } from 'preact/hooks';
import { AnswerError, ask } from './source.ts';

export interface Answer<T> {
  readonly data: T | undefined;
  /** Path that `data` answers. */
  readonly path: string | undefined;
  readonly error: AnswerError | undefined;
  readonly isLoading: boolean;
}

const NOTHING = { data: undefined, path: undefined, error: undefined, isLoading: true };

/**
 * @param path undefined: ask for nothing yet
 * @param revision asked again when it changes
 */
export function useAnswer<T>(path: string | undefined, revision = ''): Answer<T> {
  const [answer, setAnswer] = useState<Answer<T>>(NOTHING);
  useEffect(() => {
    if (path === undefined) return;
    const stop = new AbortController();
    setAnswer((before) => ({ ...before, isLoading: true }));
    ask<T>(path, stop.signal).then(
      (data) => {
        if (!stop.signal.aborted) setAnswer({ data, path, error: undefined, isLoading: false });
      },
      (error: unknown) => {
        if (stop.signal.aborted) return;
        const known = error instanceof AnswerError ? error : new AnswerError({ error: 'the server is gone' });
        setAnswer((before) => ({
          data: before.path === path ? before.data : undefined,
          path,
          error: known,
          isLoading: false,
        }));
      },
    );
    return () => stop.abort();
  }, [path, revision]);
  return answer;
}

/** One answer for each of several paths, in their order; undefined while it is on its way. */
export function useAnswers<T>(paths: readonly string[], revision: string): readonly (T | undefined)[] {
  const [answers, setAnswers] = useState<ReadonlyMap<string, T>>(new Map());
  const all = paths.join(' ');
  useEffect(() => {
    const stop = new AbortController();
    for (const path of paths)
      ask<T>(path, stop.signal).then(
        (data) => {
          if (!stop.signal.aborted) setAnswers((before) => new Map(before).set(path, data));
        },
        // A run without this kind of answer has no curve; the page that shows it alone says why.
        () => {},
      );
    return () => stop.abort();
  }, [all, revision]);
  return paths.map((path) => answers.get(path));
}
