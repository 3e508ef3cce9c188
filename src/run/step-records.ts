/**
 * The records that a step leaves on disk of every completion, as they are written and as they are read. Data only:
 * `completions.ts` and `token-file.ts` write and read the files.
 */
import { z } from 'zod';

/** A number; written as null where it is NaN, since JSON has none. */
const number = z
  .number()
  .nullable()
  .transform((value) => value ?? Number.NaN);
const index = z.int().min(0);

/** One line of `completions/`. Keys that a newer version adds are passed over. */
export const completionSchema = z.object({
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

/** A completion with its question, what was read from it and what it earned: one line of `completions/`. */
export type CompletionRecord = Readonly<z.output<typeof completionSchema>>;

/** What is known of the tokens of a completion, one value a token: one row of `tokens/`. */
export interface TokenRecord {
  /** Prompt within the step, and completion within its group. */
  readonly group: number;
  readonly row: number;
  readonly ids: Int32Array;
  /** Where the token's text ends in the completion's text, in UTF-16 units; special tokens add nothing to the text. */
  readonly ends: Int32Array;
  /** Log-probability under the policy before the update (nats). */
  readonly logps: Float32Array;
  /** The same as computed while sampling. */
  readonly sampling_logps: Float32Array;
  /** Entropy of the distribution the token was drawn from (nats). */
  readonly entropy: Float32Array;
  /** Weight of the token in the loss; 1 where weighting is off. */
  readonly weights: Float32Array;
}
