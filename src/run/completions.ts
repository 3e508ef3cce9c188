/**
 * `completions/step-000123.jsonl`: every completion of a step with its question, what was read from it and what it earned. The
 * numbers of its tokens stand in `tokens/` under the same group and row.
 */
import { existsSync } from 'node:fs';
import { appendJsonLines, DataError, readJsonLines } from '../base/index.ts';
import { type CompletionRecord, completionSchema } from './step-records.ts';

export function appendCompletions(path: string, records: readonly CompletionRecord[]): void {
  appendJsonLines(path, records);
}

/**
 * All records of a file; none when it is not there. A torn last line is passed over.
 * @throws DataError naming file, line and key of what is no such record
 */
export function readCompletions(path: string): CompletionRecord[] {
  if (!existsSync(path)) return [];
  return readJsonLines(path).map((line, at) => {
    const { data, error } = completionSchema.safeParse(line);
    if (data !== undefined) return data;
    const [issue] = error.issues;
    throw new DataError(`${path}:${at + 1}: ${issue?.path.join('.') ?? ''}: ${issue?.message}`, {
      hint: 'the file is appended by twgrpo train; delete the damaged line to go on',
    });
  });
}
