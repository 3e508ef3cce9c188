/** Where the page has its numbers from: the server's API, or the answers that stand in a report. */
import type { Problem } from '../src/dashboard/api.ts';

const embedded = readEmbedded();

/** True in a report: a file that holds all that can be shown. */
export const isReport = embedded !== undefined;

function readEmbedded(): Readonly<Record<string, unknown>> | undefined {
  const text = document.getElementById('answers')?.textContent;
  return text === undefined || text === null ? undefined : (JSON.parse(text) as Record<string, unknown>);
}

/** A failure with words for the reader. */
export class AnswerError extends Error {
  readonly hint: string | undefined;
  constructor({ error, hint }: Problem) {
    super(error);
    this.hint = hint;
  }
}

/** The answer to a path of the API. @throws AnswerError */
export async function ask<T>(path: string, signal?: AbortSignal): Promise<T> {
  if (embedded !== undefined) return askReport<T>(path);
  const response = await fetch(`api${path}`, signal === undefined ? {} : { signal });
  const answer: unknown = await response
    .json()
    .catch(() => ({ error: `the server answered ${response.status}` }));
  if (!response.ok) throw new AnswerError(answer as Problem);
  return answer as T;
}

function askReport<T>(path: string): T {
  const answer = embedded?.[path] ?? embedded?.[path.split('?')[0]!];
  if (answer === undefined)
    throw new AnswerError({
      error: 'this report does not hold it',
      hint: 'twgrpo dashboard shows the whole run',
    });
  if (typeof answer === 'object' && answer !== null && 'failed' in answer)
    throw new AnswerError(answer.failed as Problem);
  return answer as T;
}

/** The address of a picture or a video. */
export function addressOf(path: string): string {
  const inside = embedded?.[path];
  return typeof inside === 'string' ? inside : `api${path}`;
}
