/** Runs a model over questions, one answer each, and writes the rows of an evaluation (`evaluation-rows.ts`). */

import { type AnswerParser, formatAuthors } from '../answers/index.ts';
import { itemTask, type Question, truthOf } from '../data/index.ts';
import type { Processor } from '../models/index.ts';
import type { ReadyPrompt } from '../prompt/index.ts';
import {
  type AnswerOptions,
  answerPrompts,
  type Completion,
  judgeAnswer,
  readCompletion,
} from '../rollout/index.ts';
import { checkEvaluationRow, type EvaluationRow } from '../stats/index.ts';
import { type Asked, type AskedSet, ask } from './ask.ts';

/** What reading and scoring an answer needs. */
export interface AnswerReading {
  readonly processor: Pick<Processor, 'tokenizer' | 'opening'>;
  readonly answer_parser: AnswerParser;
}

export interface EvaluateOptions extends AskedSet, AnswerReading, AnswerOptions {
  /** How prompts become completions, in order. @default the model generates */
  readonly answer?: (ready: readonly ReadyPrompt[]) => Promise<readonly Completion[]>;
}

export type Evaluation = Asked<EvaluationRow>;

/** One answer to each question. @throws what `ask` throws */
export async function evaluate(options: EvaluateOptions): Promise<Evaluation> {
  // Accuracy is told by kind of question where there is another than multiple choice.
  const isMixed = options.questions.some(({ item }) => itemTask(item) !== 'multiple choice');
  return await ask<Completion, EvaluationRow>({
    ...options,
    answer:
      options.answer ??
      ((ready) =>
        answerPrompts(
          ready.map(({ question, inputs }) => ({ id: question.id, inputs: () => inputs })),
          options,
        )),
    toRow: (question, completion) => toRow(question, completion, options, isMixed),
    checkRow: checkEvaluationRow,
    rightOf: ({ score }) => Number(score === 1),
  });
}

function toRow(
  question: Question,
  completion: Completion,
  { processor, answer_parser }: AnswerReading,
  isMixed: boolean,
): EvaluationRow {
  const { tokenizer, opening } = processor;
  const { text, answer } = readCompletion(completion, question, { tokenizer, answer_parser, opening });
  return {
    id: question.id,
    problem: question.problem,
    video: question.media.map(({ file }) => file).join(' '),
    truth: truthOf(question.item),
    ...judgeAnswer(question.item, { text, answer }),
    format: formatAuthors(text),
    completion: text,
    length: completion.ids.length,
    truncated: completion.finish_reason === 'length',
    dims: isMixed ? { ...question.item.dims, problem_type: itemTask(question.item) } : question.item.dims,
  };
}
