/**
 * Figures over the parsed answers of a batch: they show what the reward alone hides, for instance that the soft reward
 * teaches the model to name fewer letters than are right.
 */

import { mean, TwgrpoError } from '../base/index.ts';
import type { ParsedAnswer } from './answers.ts';

export interface AnswerStatistics {
  /** Share of completions in which no answer could be read, in [0, 1]. */
  readonly parse_failure: number;
  /** Mean over read answers of |S ∩ G| / |S|; NaN when none was read. */
  readonly precision: number;
  /** Mean over read answers of |S ∩ G| / |G|; NaN when none was read. */
  readonly recall: number;
  /** Share of read answers that name more letters than are right. */
  readonly over_answering: number;
  /** Share of read answers that name fewer letters than are right. */
  readonly under_answering: number;
  /** Mean number of letters in a read answer. */
  readonly num_letters: number;
}

/**
 * @param answers one parsed answer for each completion
 * @param truths the true letters of each completion's item, in the same order
 */
export function answerStatistics(
  answers: readonly Pick<ParsedAnswer, 'letters' | 'failed'>[],
  truths: readonly (readonly string[])[],
): AnswerStatistics {
  if (answers.length !== truths.length) {
    throw new TwgrpoError(`internal: ${answers.length} answers but ${truths.length} truths`);
  }
  const read = answers.flatMap((answer, i) => {
    if (answer.failed) return [];
    const truth = new Set(truths[i]);
    const numCommon = answer.letters.filter((letter) => truth.has(letter)).length;
    return [{ numCommon, numChosen: answer.letters.length, numTrue: truth.size }];
  });
  const meanOf = (value: (row: (typeof read)[number]) => number): number => mean(read.map(value));
  return {
    parse_failure: answers.length === 0 ? Number.NaN : (answers.length - read.length) / answers.length,
    precision: meanOf(({ numCommon, numChosen }) => numCommon / numChosen),
    recall: meanOf(({ numCommon, numTrue }) => numCommon / numTrue),
    over_answering: meanOf(({ numChosen, numTrue }) => (numChosen > numTrue ? 1 : 0)),
    under_answering: meanOf(({ numChosen, numTrue }) => (numChosen < numTrue ? 1 : 0)),
    num_letters: meanOf(({ numChosen }) => numChosen),
  };
}
