/**
 * From a completion's text to the set of chosen option letters, in two versions.
 *
 * The `authors*` rules repeat the authors' three scorers character for character, with their quirks: split on commas
 * after removing plain spaces, nothing else, so "(A)", "A.", "AC", "a" and "A," all become wrong answers.
 *   - `authors`       training reward: first `<answer>` block, else the whole text
 *                       (longmalongma/TW-GRPO `src/open_r1/grpo.py:118-136`)
 *   - `authors_eval`  evaluator: first block, else "answer: A, B", else nothing
 *                       (`src/eval/eval_general_videor1.py`, `src/eval/eval_clevrer.py`, `extract_answer`)
 *   - `authors_raw`   zero-shot evaluator: the whole text, tags included (`src/eval/eval_general_zeroshot.py`)
 * The `tolerant` rule lives in `answers-tolerant.ts`.
 *
 * Differs from the authors in one place: their training reward first asks the Python library `math_verify` whether the
 * whole completion equals the solution. That library compares numbers and LaTeX; a solution made of option letters
 * holds neither, so the step is left out. Their evaluators leave it out too.
 */

import { TwgrpoError } from '../base/index.ts';
import { parseTolerant } from './answers-tolerant.ts';

export const ANSWER_PARSERS = ['authors', 'authors_eval', 'authors_raw', 'tolerant'] as const;
/** The rule that reads the answer. */
export type AnswerParser = (typeof ANSWER_PARSERS)[number];

/** The place in the completion at which the answer was found. */
export type AnswerSource =
  | 'tag'
  | 'unclosed_tag'
  | 'unopened_tag'
  | 'after_think'
  | 'phrase'
  | 'whole_text'
  | 'nowhere';

/** The form of the found text: option letters, labelled options ("A. The cube"), option texts, or none of these. */
export type AnswerForm = 'letters' | 'labelled' | 'option_text' | 'none';

export interface ParsedAnswer {
  /**
   * Chosen letters, distinct, in alphabetical order. Under the `authors*` rules these are the pieces exactly as the
   * authors compare them (any strings, also `''`); under `tolerant` always capital letters, empty on failure.
   */
  readonly letters: readonly string[];
  /** True when the text is not a plain set of option letters for the rule used. */
  readonly failed: boolean;
  readonly source: AnswerSource;
  readonly form: AnswerForm;
  /** The piece of the completion that was read. */
  readonly text: string;
}

export interface ParseOptions {
  /** Default `tolerant`. */
  readonly parser?: AnswerParser;
  /** The question's options, with or without their letters ("A. red", "(A) red", "red"); read by `tolerant` only. */
  readonly options?: readonly string[];
}

// Python's str.strip() and \s know a slightly different set of blanks than JavaScript's.
const PYTHON_SPACE =
  '[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]';
const IS_PYTHON_SPACE = new RegExp(PYTHON_SPACE);
const EVAL_PHRASE = new RegExp(
  `(?:answer|Answer|ANSWER)(?::|${PYTHON_SPACE})+([A-Z](?:${PYTHON_SPACE}*,${PYTHON_SPACE}*[A-Z])*)`,
);
const FIRST_BLOCK = /<answer>(.*?)<\/answer>/s;

/** Python's `str.strip()` without arguments. A loop: `\s+$` takes quadratic time on a model that only says blanks. */
export function pythonStrip(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && IS_PYTHON_SPACE.test(text[start]!)) start++;
  while (end > start && IS_PYTHON_SPACE.test(text[end - 1]!)) end--;
  return text.slice(start, end);
}

/** Source text of a regular expression class equal to Python's `\s`. */
export const PYTHON_SPACE_CLASS = PYTHON_SPACE;

/**
 * Read the chosen option letters from a completion.
 *
 * Never throws on any text: what cannot be read comes back with `failed: true`, to be counted by the caller.
 */
export function parseAnswer(
  completion: string,
  { parser = 'tolerant', options }: ParseOptions = {},
): ParsedAnswer {
  switch (parser) {
    case 'authors': {
      const block = FIRST_BLOCK.exec(completion);
      return splitLikeAuthors(block?.[1] ?? completion, block ? 'tag' : 'whole_text');
    }
    case 'authors_eval': {
      const shown = withoutPrompt(completion);
      const block = FIRST_BLOCK.exec(shown);
      if (block) return splitLikeAuthors(block[1]!, 'tag');
      const phrase = EVAL_PHRASE.exec(shown);
      return phrase ? splitLikeAuthors(phrase[1]!, 'phrase') : splitLikeAuthors('', 'nowhere');
    }
    case 'authors_raw':
      // This scorer does not strip the completion as a whole, only its pieces.
      return splitLikeAuthors(withoutPrompt(completion), 'whole_text');
    case 'tolerant':
      return parseTolerant(completion, options);
    default:
      throw new TwgrpoError(
        `answer parser must be authors, authors_eval, authors_raw or tolerant, got ${JSON.stringify(parser satisfies never)}`,
      );
  }
}

/** Remove plain spaces, split on commas, strip each piece: the authors' set of answers. */
/**
 * What the authors' evaluators leave of a text before they read it: they decode prompt and completion together and cut
 * out everything from "system" to "assistant" at the end of a line, in the completion too.
 */
export function withoutPrompt(text: string): string {
  return text.replace(/system.*?assistant\n/gs, '');
}

function splitLikeAuthors(text: string, source: AnswerSource): ParsedAnswer {
  const pieces = new Set(pythonStrip(text).replaceAll(' ', '').split(',').map(pythonStrip));
  const letters = [...pieces].sort();
  const failed = !letters.every((piece) => /^[A-Z]$/.test(piece));
  return { letters, failed, source, form: failed ? 'none' : 'letters', text };
}

/**
 * The set of right answers in a `solution` field ("<answer>A,C</answer>" or "A,C"), by the authors' splitting rule.
 *
 * @returns distinct capital letters in alphabetical order, at least one.
 * @throws TwgrpoError when the solution is empty or is not made of single capital letters: an empty truth would reward
 *   an empty answer with 1 under the authors' rule, so it is refused.
 */
export function parseSolution(solution: string): readonly string[] {
  const block = FIRST_BLOCK.exec(solution);
  const { letters, failed } = splitLikeAuthors(block?.[1] ?? solution, 'tag');
  if (failed) {
    throw new TwgrpoError(
      `solution must name one or more option letters, like "<answer>A,C</answer>", got ${JSON.stringify(solution)}`,
      { hint: 'remove items without a right option, or correct the solution field' },
    );
  }
  return letters;
}
