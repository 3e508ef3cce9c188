/** From a completion's tokens to its text and the answer in it: done once, where the completion is finished. */
import { type AnswerParser, parseAnswer } from '../answers/index.ts';
import type { Question } from '../data/index.ts';
import type { Processor } from '../models/index.ts';
import type { Completion, Rollout } from './types.ts';

export interface ReadOptions {
  readonly tokenizer: Pick<Processor['tokenizer'], 'decodeStream'>;
  readonly answer_parser: AnswerParser;
  /** Beginning of every answer that stands in the prompt; see `Processor.opening`. @default '' */
  readonly opening?: string | undefined;
}

export function readCompletion(
  { ids }: Pick<Completion, 'ids'>,
  { options }: Pick<Question, 'options'>,
  { tokenizer, answer_parser: parser, opening = '' }: ReadOptions,
): Pick<Rollout, 'text' | 'text_ends' | 'answer'> {
  const stream = tokenizer.decodeStream({ skip_special_tokens: true });
  const text_ends = new Int32Array(ids.length);
  let text = opening;
  ids.forEach((id, t) => {
    text += stream.push(id);
    text_ends[t] = text.length;
  });
  // Bytes of a character that never became whole belong to the last token.
  text += stream.end();
  if (ids.length > 0) text_ends[ids.length - 1] = text.length;
  return { text, text_ends, answer: parseAnswer(text, { parser, options }) };
}
