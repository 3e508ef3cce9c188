/**
 * `completions/step-000123.jsonl`: every completion of a step with its question, what was read from it and what it earned. The
 * numbers of its tokens stand in `tokens/` under the same group and row.
 */
import { existsSync } from 'node:fs';
import { z } from 'zod';
import { appendJsonLines, DataError, readJsonLines } from '../base/index.ts';

/** A number; written as null where it is NaN, since JSON has none. */
const number = z
  .number()
  .nullable()
  .transform((value) => value ?? Number.NaN);
const index = z.int().min(0);

/** Keys that a newer version adds are passed over. */
const schema = z.object({
  step: index,
  /** Prompt within the step, and completion within its group. */
  group: index,
  row: index,
  /** Id of the question. */
  item: z.string(),
  /** Path on the machine of the run. */
  video: z.string(),
  /** Question with its options. */
  problem: z.string(),
  /** `<answer>A,C</answer>` */
  solution: z.string(),
  /** Text without special tokens. */
  completion: z.string(),
  /** Letters read from the completion; null where none could be read. */
  answer: z.array(z.string()).readonly().nullable(),
  /** Rewards by the name of their function; NaN where it could not judge. */
  rewards: z.record(z.string(), number),
  /** Part of `reward` that temporal contrast gave, where the group was compared. */
  temporal_bonus: number.optional(),
  /** NaN where no function could judge. */
  reward: number,
  advantage: number,
  /** Tokens, the stop token included. */
  length: index,
  /** True when the completion was cut off at `max_completion_length`. */
  truncated: z.boolean(),
});

/** One line of the file. */
export type CompletionRecord = Readonly<z.output<typeof schema>>;

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
    const { data, error } = schema.safeParse(line);
    if (data !== undefined) return data;
    const [issue] = error.issues;
    throw new DataError(`${path}:${at + 1}: ${issue?.path.join('.') ?? ''}: ${issue?.message}`, {
      hint: 'the file is appended by twgrpo train; delete the damaged line to go on',
    });
  });
}
