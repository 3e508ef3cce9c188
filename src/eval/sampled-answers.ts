/**
 * How often a model's own samples answer a question right: N answers a question at temperature 1, as training draws them, read as its
 * rewards read them. What `difficulty.ts` decides from.
 */
import { DataError, type JsonObject } from '../base/index.ts';
import { type DataItem, itemTask, type Question } from '../data/index.ts';
import {
  type AnswerOptions,
  answerGroups,
  type Completion,
  judgeAnswer,
  readCompletion,
} from '../rollout/index.ts';
import { type Asked, type AskedSet, ask } from './ask.ts';
import type { AnswerReading } from './evaluate.ts';

/** A question's samples: one line of rows.jsonl. */
export interface SampledRow {
  readonly id: string;
  /** Samples that are right. */
  readonly right: number;
  /** Score of each sample, in [0, 1]. */
  readonly scores: readonly number[];
  /** What was read of each: letters, or the text of an answer without options; empty when nothing could be read. */
  readonly chosen: readonly (readonly string[])[];
  /** Samples that were cut off at the longest length. */
  readonly truncated: number;
  /** The first sample in full. */
  readonly completion: string;
}

export interface SampleOptions extends AskedSet, AnswerReading, Omit<AnswerOptions, 'sampling'> {
  /** Answers of each question, which share its prompt. */
  readonly samples: number;
}

/** As the policy samples, nothing taken away: the likelihood of a right answer is what training rewards. */
export const SAMPLING = { temperature: 1 } as const;

/** From which score an answer without options is right: it overlaps with the true one more than it differs. */
const RIGHT_FROM = 0.5;

/** Letters must be all the right ones; other kinds of question need half of the full score of their kind. */
export function isRight(item: Pick<DataItem, 'type' | 'options'>, score: number): boolean {
  return itemTask(item) === 'multiple choice' ? score === 1 : score >= RIGHT_FROM;
}

/** N answers to each question. Draws are named by its id: they depend neither on its neighbours nor on a kill. @throws what `ask` throws */
export async function sampleAnswers(options: SampleOptions): Promise<Asked<SampledRow>> {
  const { samples } = options;
  return await ask<readonly Completion[], SampledRow>({
    ...options,
    answer: (ready) =>
      answerGroups(
        ready.map(({ question, inputs }) => ({ id: question.id, inputs: () => inputs })),
        { ...options, sampling: SAMPLING, num_generations: samples },
      ),
    toRow: (question, completions) => toRow(question, completions, options),
    checkRow: (record, place) => checkRow(record, place, samples),
    rightOf: ({ right }) => right / samples,
  });
}

function toRow(
  question: Question,
  completions: readonly Completion[],
  { processor, answer_parser }: AnswerReading,
): SampledRow {
  const { tokenizer, opening } = processor;
  const read = completions.map((one) => readCompletion(one, question, { tokenizer, answer_parser, opening }));
  const judged = read.map((one) => judgeAnswer(question.item, one));
  return {
    id: question.id,
    right: judged.filter(({ score }) => isRight(question.item, score)).length,
    scores: judged.map(({ score }) => score),
    chosen: judged.map(({ chosen }) => chosen),
    truncated: completions.filter(({ finish_reason }) => finish_reason === 'length').length,
    completion: read[0]!.text,
  };
}

function checkRow(record: JsonObject, place: string, samples: number): SampledRow {
  const { id, right, scores, truncated } = record;
  const isCount = (value: unknown) =>
    Number.isInteger(value) && Number(value) >= 0 && Number(value) <= samples;
  const isWhole = typeof id === 'string' && isCount(right) && isCount(truncated);
  if (!isWhole || !Array.isArray(scores) || scores.length !== samples)
    throw new DataError(`${place}: is no row of ${samples} samples: ${JSON.stringify(record).slice(0, 80)}`, {
      hint: 'remove that row, and run the command again to fill the gap',
    });
  return record as unknown as SampledRow;
}
