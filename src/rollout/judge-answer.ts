/** Whether an answer is right, for evaluations: by letters, or by the score of the kind of question. */
import { accuracyScore, answerText, taskScore } from '../answers/index.ts';
import { type DataItem, itemTask } from '../data/index.ts';
import type { Rollout } from './types.ts';

export interface JudgedAnswer {
  /** Chosen letters; the answer's text where the question has no options; empty when none could be read. */
  readonly chosen: readonly string[];
  /** True when no answer could be read. */
  readonly failed: boolean;
  /** In [0, 1]; 1 where the answer is wholly right. NaN for `open` questions, which nothing here can judge. */
  readonly score: number;
}

/** @param read the completion's text and the letters in it (`readCompletion`) */
export function judgeAnswer(
  item: Pick<DataItem, 'type' | 'options' | 'answer' | 'solution'>,
  { text, answer }: Pick<Rollout, 'text' | 'answer'>,
): JudgedAnswer {
  const task = itemTask(item);
  if (task === 'multiple choice') {
    const { letters, failed } = answer;
    return { chosen: letters, failed, score: accuracyScore(letters, item.answer, 'soft') };
  }
  const said = answerText(text);
  const score = task === 'open' ? Number.NaN : taskScore(task, text, item.solution ?? '');
  return { chosen: said === '' ? [] : [said], failed: said === '', score };
}
