/**
 * Rewards: plain numbers from a completion's text and the item's solution.
 *
 * Built in are the four accuracies, the scores by kind of question and the format rewards; anything else is a user's own `RewardFunction`. A reward
 * function sees the whole batch at once and may be async (a judge behind HTTP); `null` means "not scorable", is kept as
 * NaN and left out of means, as TRL does with `None`.
 *
 * Source: longmalongma/TW-GRPO `src/open_r1/grpo.py:92,157,224`; tulerfeng/Video-R1 `src/r1-v/src/open_r1/grpo.py` and
 * OpenGVLab/VideoChat-R1 `src/open_r1/grpo_tg.py` (`task`, see `answers/task-scores.ts`); huggingface/trl `trl/trainer/grpo_trainer.py`.
 */

import {
  type AccuracyKind,
  accuracyScore,
  answerText,
  formatAuthors,
  formatStrict,
  type ParsedAnswer,
  type Task,
  taskScore,
} from '../answers/index.ts';
import { TwgrpoError } from '../base/index.ts';

/** One completion as a reward function sees it. Extra columns of the data item stand in `item`. */
export interface RewardInput {
  /** The completion's text without special tokens. */
  readonly completion: string;
  /** The user's turn as it was shown to the model, the words of the template included. */
  readonly prompt: string;
  /** The item's solution, like `<answer>A,C</answer>` or `<answer>2.5</answer>`; `<answer></answer>` where it has none. */
  readonly solution: string;
  /** The item's kind of question. @default 'multiple choice' */
  readonly task?: Task;
  /** The options as shown, if the item has them as a list. */
  readonly options?: readonly string[];
  /** The completion's answer as `answer_parser` reads it. */
  readonly answer: ParsedAnswer;
  /** Letters of all right options, ascending; empty where the question has no options. */
  readonly truth: readonly string[];
  /** Token ids of the completion, up to and including the stop token. */
  readonly completion_ids?: readonly number[];
  /** True when the completion ran into the length limit before a stop token. */
  readonly truncated?: boolean;
  /** The whole data item. */
  readonly item?: Readonly<Record<string, unknown>>;
}

/** A score; `null` where this function cannot judge the completion. */
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
  /** Name of the reward in metric keys: `rewards/<name>/mean`. */
  readonly name: string;
  readonly reward: RewardFunction;
}

/** The accuracy reward as a reward function; it can not judge questions without options. */
function accuracyReward(kind: AccuracyKind): RewardFunction {
  return (inputs) =>
    inputs.map(({ answer, truth, task = 'multiple choice' }) =>
      task === 'multiple choice' ? accuracyScore(answer.letters, truth, kind) : null,
    );
}

/** The score by the kind of question: letters as `accuracy` has it, all else as Video-R1 and VideoChat-R1; it can not judge `open`. */
function taskReward(kind: AccuracyKind): RewardFunction {
  return (inputs) =>
    inputs.map(({ answer, truth, completion, solution, task = 'multiple choice' }) => {
      if (task === 'multiple choice') return accuracyScore(answer.letters, truth, kind);
      return task === 'open' ? null : taskScore(task, completion, answerText(solution));
    });
}

export interface BuiltInRewardOptions {
  readonly accuracy: AccuracyKind;
}

export const BUILT_IN_REWARDS = ['accuracy', 'task', 'format', 'format_strict'] as const;

/** A built-in reward by its name in `reward_funcs`; undefined when the name is not ours (then it is a user's module). */
export function builtInReward(name: string, options: BuiltInRewardOptions): NamedReward | undefined {
  switch (name) {
    case 'accuracy':
      return { name, reward: accuracyReward(options.accuracy) };
    case 'task':
      return { name, reward: taskReward(options.accuracy) };
    case 'format':
      return { name, reward: (inputs) => inputs.map(({ completion }) => formatAuthors(completion)) };
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
 * @throws TwgrpoError when it exports no function called `reward`.
 */
export function rewardFromModule(exports: Readonly<Record<string, unknown>>, name: string): NamedReward {
  const { reward } = exports;
  if (typeof reward !== 'function') {
    throw new TwgrpoError(
      `reward module ${name} must export a function called "reward", its exports are: ${Object.keys(exports).join(', ') || 'none'}`,
      { hint: 'write: export function reward(inputs) { return inputs.map(() => 0.5); }' },
    );
  }
  return { name, reward: reward as RewardFunction };
}

/**
 * Runs the reward functions, one after the other, each over the completions of all groups at once.
 *
 * @param inputs_PG completions of P prompts, G of each; groups may differ in size
 * @returns F rewards of each completion, [P][G][F]; NaN where a function answered `null`
 * @throws TwgrpoError when a function returns something else than one number or null for each completion
 */
export async function scoreRewards(
  rewards: readonly NamedReward[],
  inputs_PG: readonly (readonly RewardInput[])[],
): Promise<number[][][]> {
  const inputs = inputs_PG.flat();
  if (inputs.length === 0) return inputs_PG.map(() => []);
  const rewards_PGF = inputs_PG.map((group) => group.map((): number[] => []));
  for (const { name, reward } of rewards) {
    const values = checkRewards(name, await reward(inputs), inputs.length);
    for (const [i, own] of rewards_PGF.flat().entries()) own.push(values[i]!);
  }
  return rewards_PGF;
}

/**
 * What a reward function returned, NaN where that is `null`.
 * @throws TwgrpoError when it is something else than one finite number or null for each completion
 */
export function checkRewards(name: string, values: unknown, count: number): number[] {
  if (!Array.isArray(values) || values.length !== count) {
    const got = Array.isArray(values) ? `${values.length} values` : typeof values;
    throw new TwgrpoError(`reward ${name} must return ${count} values, one for each completion, got ${got}`);
  }
  return values.map((value: unknown, i) => {
    if (value === null) return Number.NaN;
    if (typeof value !== 'number' || !Number.isFinite(value)) {
      const got = typeof value === 'string' ? JSON.stringify(value.slice(0, 40)) : String(value);
      throw new TwgrpoError(
        `reward ${name} must return finite numbers, or null where it can not judge, got ${got} at place ${i}`,
      );
    }
    return value;
  });
}

/**
 * Weighted sum over the reward functions, leaving out those that could not judge (NaN), as in TRL.
 *
 * @param rewards_F a completion's reward from each of F functions
 * @param weights F weights, default all 1
 * @returns NaN where no function could judge
 */
export function combineRewards(rewards_F: readonly number[], weights?: readonly number[]): number {
  if (rewards_F.length === 0) throw new TwgrpoError('at least one reward function is needed, got none');
  if (weights !== undefined && weights.length !== rewards_F.length) {
    throw new TwgrpoError(
      `reward_weights must have one weight for each reward function (${rewards_F.length}), got ${weights.length}`,
    );
  }
  let total = 0;
  let numScored = 0;
  rewards_F.forEach((value, f) => {
    if (Number.isNaN(value)) return;
    total += (weights?.[f] ?? 1) * value;
    numScored++;
  });
  return numScored === 0 ? Number.NaN : total;
}
