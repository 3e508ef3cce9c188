/**
 * Scores of questions by their kind (`problem_type`), as Video-R1 and VideoChat-R1 define them: plain numbers in [0, 1] from a
 * completion's text and the true answer.
 *
 * Source: tulerfeng/Video-R1 `src/r1-v/src/open_r1/grpo.py` (`accuracy_reward`); OpenGVLab/VideoChat-R1
 * `src/open_r1/grpo_tg.py` (`iou_timestamp_reward`).
 */
import { pythonStrip } from './answers.ts';
import { pythonFloat, roundToCents } from './python-number.ts';
import { meanRouge, wordErrorRate } from './text-overlap.ts';
import { groundingScore, type TimeWindow } from './time-windows.ts';

/** Kinds of question. `multiple choice` is scored by its letters (`scores.ts`), `open` by a module of the user's. */
export const TASKS = [
  'multiple choice',
  'numerical',
  'regression',
  'OCR',
  'free-form',
  'temporal grounding',
  'open',
] as const;
export type Task = (typeof TASKS)[number];

/** Kinds whose score follows from the text of the true answer. */
export type TextTask = Exclude<Task, 'multiple choice' | 'open'>;

const ALIASES: Readonly<Record<string, Task>> = {
  mc: 'multiple choice',
  mcq: 'multiple choice',
  'multi choice': 'multiple choice',
  number: 'numerical',
  numeric: 'numerical',
  freeform: 'free-form',
  tg: 'temporal grounding',
  grounding: 'temporal grounding',
  'open ended': 'open',
};

/** The kind a `problem_type` names, whatever its case and its joints (`free_form`); undefined for unknown ones. */
export function taskOf(type: string): Task | undefined {
  const name = type
    .trim()
    .toLowerCase()
    .replace(/[\s_-]+/g, ' ');
  return TASKS.find((task) => task.toLowerCase().replace('-', ' ') === name) ?? ALIASES[name];
}

/** What Video-R1 reads of a completion: the first `<answer>` block, stripped; '' without one. */
export function answerText(completion: string): string {
  const block = /<answer>(.*?)<\/answer>/s.exec(completion);
  return pythonStrip(block?.[1] ?? '');
}

/**
 * Score of a completion.
 *
 *   numerical           1 if both have a point or comma, or neither, and both numbers (commas removed) round to the same two
 *                       decimals, else 0
 *   regression          1 − min(1, (|x − y| + 1e-9) / (|y| + 1e-9)) for the answer x and the truth y; 0 for what is no number
 *   OCR                 1 − word error rate, at least 0
 *   free-form           mean of the F-measures of ROUGE-1, ROUGE-2 and ROUGE-L, words stemmed
 *   temporal grounding  intersection over union of the answered window with the true one it fits best
 *
 * @param solution the true answer without its tags; one that `solutionProblem` accepts
 */
export function taskScore(task: TextTask, completion: string, solution: string): number {
  const answer = answerText(completion);
  switch (task) {
    case 'numerical':
      return numericalScore(answer, solution);
    case 'regression':
      return regressionScore(answer, solution);
    case 'OCR':
      return Math.max(0, 1 - wordErrorRate(solution, answer));
    case 'free-form':
      return meanRouge(solution, answer);
    case 'temporal grounding':
      return groundingScore(completion, trueWindows(solution) ?? []);
    default:
      return task satisfies never;
  }
}

/** What is wrong with a true answer of this kind, for an error message; undefined when it can be scored against. */
export function solutionProblem(task: Task, solution: string): string | undefined {
  if (pythonStrip(solution) === '') return 'expected a true answer, got none';
  const shown = JSON.stringify(solution.slice(0, 60));
  if ((task === 'numerical' || task === 'regression') && !Number.isFinite(numberOf(solution) ?? Number.NaN))
    return `expected a number, as for every ${task} question, got ${shown}`;
  if (task === 'temporal grounding' && trueWindows(solution) === undefined)
    return `expected begin and end in seconds, like "2.0 to 3.5" or [[0, 2], [5, 8]], got ${shown}`;
  return undefined;
}

function numericalScore(answer: string, truth: string): number {
  const hasDecimals = (text: string): boolean => /[.,]/.test(text);
  if (hasDecimals(answer) !== hasDecimals(truth)) return 0;
  const [given, wanted] = [numberOf(answer), numberOf(truth)];
  if (given === undefined || wanted === undefined) return 0;
  return roundToCents(given) === roundToCents(wanted) ? 1 : 0;
}

function regressionScore(answer: string, truth: string): number {
  const [given, wanted] = [numberOf(answer), numberOf(truth)];
  if (given === undefined || wanted === undefined) return 0;
  const difference = (Math.abs(given - wanted) + 1e-9) / (Math.abs(wanted) + 1e-9);
  // Not a number is no answer; in Python min and max would let it through as right.
  return Number.isNaN(difference) ? 0 : 1 - Math.min(1, Math.max(0, difference));
}

const numberOf = (text: string): number | undefined => pythonFloat(text.replaceAll(',', ''));

/** Numbers, and what stands between them in a statement of windows. */
const WINDOW_TEXT = /^(?:\d+(?:\.\d+)?|[\s[\](){},;:–—-]|to|and|from|seconds?|secs?|s)+$/i;

/** A minus before a number, where a hyphen between two times stands behind one. */
const NEGATIVE = /(?:^|[[({,;]|to|and|from)\s*[–—-]\s*\d/i;

/** Windows of "2.0 to 3.5", "[2, 3.5]", "[[0, 2], [5, 8]]"; undefined for any other text, or an end before its begin. */
export function trueWindows(solution: string): readonly TimeWindow[] | undefined {
  const numbers = [...solution.matchAll(/\d+(?:\.\d+)?/g)].map(([number]) => Number(number));
  if (
    !WINDOW_TEXT.test(solution) ||
    NEGATIVE.test(solution) ||
    numbers.length === 0 ||
    numbers.length % 2 === 1
  )
    return undefined;
  const windows = Array.from(
    { length: numbers.length / 2 },
    (_, i): TimeWindow => [numbers[2 * i]!, numbers[2 * i + 1]!],
  );
  return windows.some(([begin, end]) => begin > end) ? undefined : windows;
}
