/**
 * Whether a run learns, in a sentence, and why not if it does not. Judged from the columns of metrics.jsonl and a few completions from
 * the beginning and the end; the limits stand below, and each reason says what it saw and what to do next.
 *
 * The reward rises where the mean of the last fifth of the rows lies above that of the first by more than three standard errors, rows
 * being taken for independent.
 */
import { mean, percent, variance } from '../base/index.ts';
import type { CompletionRecord } from '../run/index.ts';
import type { Reason, Verdict } from './api.ts';
import { lettersOf } from './group-views.ts';

/** Fewer rows say nothing. */
const LEAST_ROWS = 10;
/** Standard errors that a change must exceed. */
const SURE = 3;
/** A mean reward of this share of its maximum from the beginning leaves little to learn. */
const EASY = 0.9;

/** Values of a key, one a row, NaN where a row has none; undefined where no row has it. */
export type Column = (key: string) => ArrayLike<number> | undefined;

export interface Evidence {
  readonly column: Column;
  /** Completions of the first steps and of the last. */
  readonly first: readonly CompletionRecord[];
  readonly last: readonly CompletionRecord[];
}

interface Trend {
  readonly start: number;
  readonly end: number;
  readonly change: 'rises' | 'falls' | 'stays';
}

export function verdict({ column, first, last }: Evidence): Verdict {
  const isSupervised = column('reward') === undefined && column('loss') !== undefined;
  const main = valuesOf(column, isSupervised ? 'loss' : 'reward');
  const reasons = isSupervised ? brokenSteps(column) : findReasons(column, [...first, ...last]);
  if (main.length === 0)
    return { state: 'early', headline: 'No step is finished yet: there is nothing to judge.', reasons };
  const trend = trendOf(main);
  const name = isSupervised ? 'loss' : 'reward';
  const steps = column('step')!;
  const span = `${number(trend.start)} → ${number(trend.end)}`;
  const count = `${steps[steps.length - 1]} steps`;
  if (main.length < LEAST_ROWS)
    return {
      state: reasons.length > 0 ? 'suspect' : 'early',
      headline: `Too early to tell: ${main.length} ${main.length === 1 ? 'row' : 'rows'} so far, ${name} ${number(main.at(-1)!)}.`,
      reasons,
    };
  const worst = reasons[0];
  if (worst?.rule === 'bad_step')
    return { state: 'broken', headline: `It does not learn now: ${worst.text}.`, reasons };
  if (isSupervised) {
    const better = trend.change === 'falls';
    return {
      state: better ? 'learning' : trend.change === 'rises' ? 'falling' : 'flat',
      headline: better
        ? `It learns: the loss fell ${span} in ${count}.`
        : `It does not learn: the loss ${trend.change === 'rises' ? 'rose' : 'stayed'} ${span} in ${count}.`,
      reasons,
    };
  }
  const why = worst === undefined ? '' : ` — ${worst.text}`;
  const rises = trend.change === 'rises';
  const grave = reasons.find(({ rule }) => GRAVE.has(rule) || (rises && rule === 'parse_failure'));
  if (grave?.rule === 'constant_reward')
    return { state: 'broken', headline: `It does not learn: ${grave.text}.`, reasons };
  if (grave !== undefined)
    return {
      state: 'suspect',
      headline: rises
        ? `The reward rises ${span}, but do not trust it: ${grave.text}.`
        : `Do not trust this run: ${grave.text}.`,
      reasons,
    };
  if (rises)
    return { state: 'learning', headline: `It learns: the reward rose ${span} in ${count}.`, reasons };
  if (trend.change === 'falls')
    return {
      state: 'falling',
      headline: `It gets worse: the reward fell ${span} in ${count}${why}.`,
      reasons,
    };
  return {
    state: 'flat',
    headline: `It does not learn yet: the reward stays near ${number(trend.end)} over ${count}${why}.`,
    reasons,
  };
}

/** Reasons that make a rising reward worthless; unread answers do too, but where nothing rises they are only why. */
const GRAVE = new Set(['constant_reward', 'truth_in_prompt', 'length_collapse', 'entropy_collapse']);

/** Most telling first. */
function findReasons(column: Column, records: readonly CompletionRecord[]): Reason[] {
  return [
    ...brokenSteps(column),
    ...truthInPrompt(records),
    ...constantReward(column),
    ...collapse(column),
    ...withoutSignal(column),
    ...shares(column),
    ...gradients(column),
  ];
}

function brokenSteps(column: Column): Reason[] {
  const bad = valuesOf(column, 'bad_steps').slice(-10);
  const count = bad.reduce((sum, value) => sum + value, 0);
  if (count === 0) return [];
  return [
    {
      rule: 'bad_step',
      text: `${count} of the last ${bad.length} steps were refused because loss or gradient was not finite`,
      advice: 'lower learning_rate, and look at grad_norm in the steps before',
      key: 'grad_norm',
    },
  ];
}

/** Share of questions that must name their answer before it counts as a leak. */
const LEAK = 0.5;

function truthInPrompt(records: readonly CompletionRecord[]): Reason[] {
  const questions = new Map(records.map((record) => [record.problem, record]));
  const leaks = [...questions.values()].filter(namesItsAnswer);
  const share = leaks.length / questions.size;
  if (questions.size === 0 || share < LEAK) return [];
  return [
    {
      rule: 'truth_in_prompt',
      text: `the question names its own answer in ${leaks.length} of ${questions.size} prompts looked at (“${tailOf(leaks[0]!)}”)`,
      advice: 'take the answer out of the "problem" field of the data file, and begin anew',
      key: 'groups',
    },
  ];
}

/** The solution itself, or words such as "correct answer: B" with the right letters. */
function namesItsAnswer({ problem, solution }: Pick<CompletionRecord, 'problem' | 'solution'>): boolean {
  if (problem.includes(solution)) return true;
  const truth = lettersOf(solution).join(',');
  const said =
    /(?:correct|right|true)?\s*(?:answers?|solutions?|options?)(?:\s+(?:is|are))?\s*[:=]?\s*\(?((?:[A-Z]\b[\s,&]*(?:and\s+)?)+)/gi;
  return [...problem.matchAll(said)].some(
    ([, letters = '']) => (letters.match(/\b[A-Z]\b/g) ?? []).join(',') === truth,
  );
}

function tailOf({ problem }: CompletionRecord): string {
  const text = problem.replace(/\s+/g, ' ').trim();
  return text.length <= 60 ? text : `…${text.slice(-60)}`;
}

function constantReward(column: Column): Reason[] {
  const rewards = valuesOf(column, 'reward');
  const recent = rewards.slice(-20);
  const isOne = recent.length >= LEAST_ROWS && recent.every((value) => value === recent[0]);
  if (!isOne) return [];
  return [
    {
      rule: 'constant_reward',
      text: `the reward has been exactly ${number(recent[0]!)} for ${constantRows(rewards)} rows, so no completion is better than another`,
      advice: 'look at the completions: does the reward function see what it expects?',
      key: 'reward',
    },
  ];
}

function constantRows(values: readonly number[]): number {
  const other = values.findLastIndex((value) => value !== values.at(-1));
  return values.length - 1 - other;
}

function collapse(column: Column): Reason[] {
  const reasons: Reason[] = [];
  const length = trendOf(valuesOf(column, 'completions/mean_length'));
  if (length.end < 0.3 * length.start)
    reasons.push({
      rule: 'length_collapse',
      text: `completions shrank from ${length.start.toFixed(0)} to ${length.end.toFixed(0)} tokens, so the reward may be won without reasoning`,
      advice: 'read the last completions; make the reward ask for what is missing',
      key: 'completions/mean_length',
    });
  const entropy = trendOf(valuesOf(column, 'entropy'));
  if (entropy.end < 0.1 * entropy.start)
    reasons.push({
      rule: 'entropy_collapse',
      text: `the entropy fell from ${number(entropy.start)} to ${number(entropy.end)} nats: completions become alike and exploration ends`,
      advice: 'lower learning_rate, raise epsilon_high or set entropy_coef',
      key: 'entropy',
    });
  return reasons;
}

function withoutSignal(column: Column): Reason[] {
  const share = mean(valuesOf(column, 'frac_reward_zero_std').slice(-20));
  if (!(share > 0.8)) return [];
  const reward = trendOf(valuesOf(column, 'reward'));
  const accuracy = trendOf(valuesOf(column, 'rewards/accuracy/mean'));
  const isEasy = accuracy.start > EASY && accuracy.end > EASY;
  return [
    {
      rule: 'zero_std',
      text: `${percent(share, 0)} of the groups earn one and the same reward, and such groups teach nothing${isEasy ? `: accuracy was ${percent(accuracy.start, 0)} from the start, too easy or given away` : ` (mean reward ${number(reward.end)})`}`,
      advice: isEasy
        ? 'check that the prompt does not hold the answer, or take harder questions'
        : 'take easier or harder questions, a finer reward, more generations, or dynamic_sampling',
      key: 'frac_reward_zero_std',
    },
  ];
}

/** A share of the last completions that is too large. */
interface ShareRule {
  readonly rule: string;
  readonly key: string;
  readonly limit: number;
  readonly text: (share: string) => string;
  readonly advice: string;
}

const SHARE_RULES: readonly ShareRule[] = [
  {
    rule: 'clipped_completions',
    key: 'completions/clipped_ratio',
    limit: 0.3,
    text: (share) => `${share} of the completions are cut off before they end`,
    advice: 'raise max_completion_length, or set mask_truncated_completions',
  },
  {
    rule: 'parse_failure',
    key: 'answers/parse_failure',
    limit: 0.5,
    text: (share) => `no answer can be read from ${share} of the completions`,
    advice: 'look at them, and at prompt_template and answer_parser',
  },
];

function shares(column: Column): Reason[] {
  return SHARE_RULES.flatMap(({ rule, key, limit, text, advice }) => {
    const share = mean(valuesOf(column, key).slice(-20));
    return share > limit ? [{ rule, text: text(percent(share, 0)), advice, key }] : [];
  });
}

function gradients(column: Column): Reason[] {
  const norms = valuesOf(column, 'grad_norm').slice(-20);
  const rates = valuesOf(column, 'learning_rate').slice(-20);
  if (norms.length < LEAST_ROWS) return [];
  if (norms.every((norm) => norm === 0))
    return [
      {
        rule: 'zero_gradient',
        text: 'the gradient has been 0 for the last 20 rows',
        advice: 'see whether any group has a signal, and that what should be trained is not frozen',
        key: 'grad_norm',
      },
    ];
  if (rates.length > 0 && rates.every((rate) => rate === 0))
    return [
      {
        rule: 'zero_rate',
        text: 'the learning rate is 0',
        advice: 'look at lr_scheduler_type and max_steps',
        key: 'learning_rate',
      },
    ];
  return [];
}

function valuesOf(column: Column, key: string): number[] {
  return Array.from(column(key) ?? []).filter((value) => Number.isFinite(value));
}

function trendOf(values: readonly number[]): Trend {
  const part = Math.max(1, Math.ceil(values.length / 5));
  const [head, tail] = [values.slice(0, part), values.slice(-part)];
  const [start, end] = [mean(head), mean(tail)];
  const error = Math.sqrt(spread(head) + spread(tail));
  const isSure = Math.abs(end - start) > SURE * error && Math.abs(end - start) > 1e-12;
  return { start, end, change: !isSure ? 'stays' : end > start ? 'rises' : 'falls' };
}

/** Squared standard error of a mean. */
const spread = (values: readonly number[]): number =>
  values.length < 2 ? 0 : variance(values, 1) / values.length;

const number = (value: number): string => String(Number(value.toPrecision(3)));
