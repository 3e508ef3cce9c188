/**
 * How right an answer is, and whether a completion has the form that was asked for: plain numbers from texts.
 *
 * Source: longmalongma/TW-GRPO `src/open_r1/grpo.py:92,157,224`, `src/eval/eval_general_videor1.py`.
 */
import { TwgrpoError } from '../base/index.ts';
import { PYTHON_SPACE_CLASS, pythonStrip, withoutPrompt } from './answers.ts';

export const ACCURACY_KINDS = ['soft', 'exact', 'jaccard', 'f1'] as const;
/** A comparison of the set of chosen letters S with the true set G. Every score lies in [0, 1]. */
export type AccuracyKind = (typeof ACCURACY_KINDS)[number];

/**
 * Compare the chosen set S with the true set G.
 *
 *   soft      |S| / |G| if S is a subset of G, else 0      (the paper's multi-level soft reward)
 *   exact     1 if S = G, else 0
 *   jaccard   |S ∩ G| / |S ∪ G|
 *   f1        2 |S ∩ G| / (|S| + |G|)
 *
 * `soft` gives a sure 1/|G| to one right letter and nothing for one letter too many, so it favours short answers;
 * `jaccard` and `f1` price both mistakes.
 *
 * @returns a number in [0, 1]; 0 when S is empty.
 * @throws TwgrpoError when G is empty.
 */
export function accuracyScore(chosen: Iterable<string>, truth: Iterable<string>, kind: AccuracyKind): number {
  const chosenSet = new Set(chosen);
  const truthSet = new Set(truth);
  if (truthSet.size === 0)
    throw new TwgrpoError('the true set of option letters is empty: nothing can be scored against it');
  if (chosenSet.size === 0) return 0;
  let numCommon = 0;
  for (const letter of chosenSet) if (truthSet.has(letter)) numCommon++;
  const isSubset = numCommon === chosenSet.size;
  switch (kind) {
    case 'soft':
      return isSubset ? chosenSet.size / truthSet.size : 0;
    case 'exact':
      return isSubset && chosenSet.size === truthSet.size ? 1 : 0;
    case 'jaccard':
      return numCommon / (chosenSet.size + truthSet.size - numCommon);
    case 'f1':
      return (2 * numCommon) / (chosenSet.size + truthSet.size);
    default:
      throw new TwgrpoError(
        `accuracy must be soft, exact, jaccard or f1, got ${JSON.stringify(kind satisfies never)}`,
      );
  }
}

const FORMAT_AUTHORS = new RegExp(
  `<think>.*?</think>${PYTHON_SPACE_CLASS}*<answer>.*?</answer>(?:${PYTHON_SPACE_CLASS}|!)*$`,
  's',
);
const FORMAT_AUTHORS_EVAL = new RegExp(
  `^(?!.*<think>.*<think>)(?!.*<answer>.*<answer>)<think>.*?</think>${PYTHON_SPACE_CLASS}*<answer>.*?</answer>$`,
  's',
);
const FORMAT_STRICT = /^<think>(.*)<\/think>\s*<answer>(.*)<\/answer>$/s;

/**
 * The authors' training rule: at most one `<think>` and one `<answer>`, the pattern anchored at the end only, so any
 * text before `<think>` passes; blanks and exclamation marks may follow (`grpo.py:226-234`).
 */
export function formatAuthors(completion: string): number {
  if (count(completion, '<think>') > 1 || count(completion, '<answer>') > 1) return 0;
  return FORMAT_AUTHORS.test(pythonStrip(completion)) ? 1 : 0;
}

/** The authors' evaluator rule: anchored at both ends (`src/eval/eval_general_videor1.py`, `check_format`). */
export function formatAuthorsEval(completion: string): number {
  return FORMAT_AUTHORS_EVAL.test(pythonStrip(withoutPrompt(completion))) ? 1 : 0;
}

/** Ours: exactly one of each of the four tags, think block then answer block, neither empty, nothing around them. */
export function formatStrict(completion: string): number {
  const hasOneOfEach = ['<think>', '</think>', '<answer>', '</answer>'].every(
    (tag) => count(completion, tag) === 1,
  );
  if (!hasOneOfEach) return 0;
  const match = FORMAT_STRICT.exec(completion.trim());
  return match !== null && match[1]!.trim() !== '' && match[2]!.trim() !== '' ? 1 : 0;
}

function count(text: string, piece: string): number {
  return text.split(piece).length - 1;
}
