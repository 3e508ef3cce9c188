/**
 * Rewards: plain numbers from a completion's text and the item's solution.
 *
 * Built in are the four accuracies and the format rewards; anything else is a user's own `RewardFunction`. A reward
 * function sees the whole batch at once and may be async (a judge behind HTTP); `null` means "not scorable", is kept as
 * NaN and left out of means, as TRL does with `None`.
 *
 * Source: longmalongma/TW-GRPO `src/open_r1/grpo.py:92,157,224`; huggingface/trl `trl/trainer/grpo_trainer.py`.
 */

import { type AnswerParser, PYTHON_SPACE_CLASS, parseAnswer, parseSolution, pythonStrip } from './answers.ts';
import { RlError } from './errors.ts';

/** How a set of chosen letters S is compared with the true set G. Every score lies in [0, 1]. */
export type AccuracyKind = 'soft' | 'exact' | 'jaccard' | 'f1';

export const ACCURACY_KINDS = ['soft', 'exact', 'jaccard', 'f1'] as const satisfies readonly AccuracyKind[];

/** What a reward function learns about one completion. Extra columns of the data item stand in `item`. */
export interface RewardInput {
  /** The completion's text without special tokens. */
  readonly completion: string;
  /** The user's question as it was shown to the model. */
  readonly prompt: string;
  /** The item's solution, like `<answer>A,C</answer>`. */
  readonly solution: string;
  /** The options as shown, if the item has them as a list. */
  readonly options?: readonly string[];
  /** Token ids of the completion, up to and including the stop token. */
  readonly completion_ids?: readonly number[];
  /** True when the completion ran into the length limit before a stop token. */
  readonly truncated?: boolean;
  /** The whole data item. */
  readonly item?: Readonly<Record<string, unknown>>;
}

/** A score; `null` (or NaN) where this function cannot judge the completion. */
export type RewardValue = number | null;

/**
 * A reward function: one value for each input, in the same order. May be async.
 *
 * A user's module (a path in `reward_funcs`) exports such a function under the name `reward`.
 */
export type RewardFunction = (
  inputs: readonly RewardInput[],
) => readonly RewardValue[] | Promise<readonly RewardValue[]>;

export interface NamedReward {
  /** Stands in metric keys: `rewards/<name>/mean`. */
  readonly name: string;
  readonly reward: RewardFunction;
}

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
 * @throws RlError when G is empty.
 */
export function accuracyScore(chosen: Iterable<string>, truth: Iterable<string>, kind: AccuracyKind): number {
  const chosenSet = new Set(chosen);
  const truthSet = new Set(truth);
  if (truthSet.size === 0)
    throw new RlError('the true set of option letters is empty: nothing can be scored against it');
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
      throw new RlError(
        `accuracy must be soft, exact, jaccard or f1, got ${JSON.stringify(kind satisfies never)}`,
      );
  }
}

/** The accuracy reward as a reward function. Every input's solution must name at least one letter (RlError else). */
export function accuracyReward(kind: AccuracyKind, parser: AnswerParser): RewardFunction {
  return (inputs) =>
    inputs.map(({ completion, solution, options }) => {
      const { letters } = parseAnswer(completion, options === undefined ? { parser } : { parser, options });
      return accuracyScore(letters, parseSolution(solution), kind);
    });
}

const FORMAT_REFERENCE = new RegExp(
  `<think>.*?</think>${PYTHON_SPACE_CLASS}*<answer>.*?</answer>(?:${PYTHON_SPACE_CLASS}|!)*$`,
  's',
);
const FORMAT_REFERENCE_EVAL = new RegExp(
  `^(?!.*<think>.*<think>)(?!.*<answer>.*<answer>)<think>.*?</think>${PYTHON_SPACE_CLASS}*<answer>.*?</answer>$`,
  's',
);
const FORMAT_STRICT = /^<think>(.*)<\/think>\s*<answer>(.*)<\/answer>$/s;

/**
 * The authors' training rule: at most one `<think>` and one `<answer>`, the pattern anchored at the end only, so any
 * text before `<think>` passes; blanks and exclamation marks may follow (`grpo.py:226-234`).
 */
export function formatReference(completion: string): number {
  if (count(completion, '<think>') > 1 || count(completion, '<answer>') > 1) return 0;
  return FORMAT_REFERENCE.test(pythonStrip(completion)) ? 1 : 0;
}

/** The authors' evaluator rule: anchored at both ends (`src/eval/eval_general_videor1.py`, `check_format`). */
export function formatReferenceEval(completion: string): number {
  return FORMAT_REFERENCE_EVAL.test(pythonStrip(completion)) ? 1 : 0;
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

export interface BuiltInRewardOptions {
  readonly accuracy: AccuracyKind;
  readonly answer_parser: AnswerParser;
}

export const BUILT_IN_REWARDS = ['accuracy', 'format', 'format_strict'] as const;

/** A built-in reward by its name in `reward_funcs`; undefined when the name is not ours (then it is a user's module). */
export function builtInReward(name: string, options: BuiltInRewardOptions): NamedReward | undefined {
  switch (name) {
    case 'accuracy':
      return { name, reward: accuracyReward(options.accuracy, options.answer_parser) };
    case 'format':
      return { name, reward: (inputs) => inputs.map(({ completion }) => formatReference(completion)) };
    case 'format_strict':
      return { name, reward: (inputs) => inputs.map(({ completion }) => formatStrict(completion)) };
    default:
      return undefined;
  }
}

/**
 * Check an imported user module and take its reward function.
 *
 * @param exports the module namespace object (`await import(path)`)
 * @throws RlError when it exports no function called `reward`.
 */
export function rewardFromModule(exports: Readonly<Record<string, unknown>>, name: string): NamedReward {
  const { reward } = exports;
  if (typeof reward !== 'function') {
    throw new RlError(
      `reward module ${name} must export a function called "reward", its exports are: ${Object.keys(exports).join(', ') || 'none'}`,
      { hint: 'write: export function reward(inputs) { return inputs.map(() => 0.5); }' },
    );
  }
  return { name, reward: reward as RewardFunction };
}

/**
 * Run the reward functions over a batch of N completions, one after the other.
 *
 * @returns one row of N numbers for each function; NaN where it answered `null`.
 * @throws RlError when a function returns something else than N numbers or nulls.
 */
export async function scoreRewards(
  rewards: readonly NamedReward[],
  inputs: readonly RewardInput[],
): Promise<readonly (readonly number[])[]> {
  const rows: number[][] = [];
  for (const { name, reward } of rewards) {
    const values: unknown = await reward(inputs);
    if (!Array.isArray(values) || values.length !== inputs.length) {
      const got = Array.isArray(values) ? `${values.length} values` : typeof values;
      throw new RlError(
        `reward ${name} must return ${inputs.length} values, one for each completion, got ${got}`,
      );
    }
    rows.push(
      values.map((value: unknown, i) => {
        if (value === null) return Number.NaN;
        if (typeof value !== 'number' || value === Infinity || value === -Infinity) {
          throw new RlError(
            `reward ${name} must return finite numbers or null, got ${String(value)} at place ${i}`,
          );
        }
        return value;
      }),
    );
  }
  return rows;
}

/**
 * Weighted sum over reward functions, leaving out those that could not judge (NaN), as in TRL.
 *
 * @param rewards_FN one row of N rewards for each of F functions
 * @param weights F weights, default all 1
 * @returns N totals; NaN only where no function could judge.
 */
export function combineRewards(
  rewards_FN: readonly (readonly number[])[],
  weights?: readonly number[],
): number[] {
  const [first] = rewards_FN;
  if (first === undefined) throw new RlError('at least one reward function is needed, got none');
  if (weights !== undefined && weights.length !== rewards_FN.length) {
    throw new RlError(
      `reward_weights must have one weight for each reward function (${rewards_FN.length}), got ${weights.length}`,
    );
  }
  return first.map((_, n) => {
    let total = 0;
    let numScored = 0;
    rewards_FN.forEach((row, f) => {
      const value = row[n];
      if (value === undefined) throw new RlError('internal: reward rows differ in length');
      if (Number.isNaN(value)) return;
      total += (weights?.[f] ?? 1) * value;
      numScored++;
    });
    return numScored === 0 ? Number.NaN : total;
  });
}
