/**
 * Question-answer inversion (QAI): from items with few right options to items with many. A part of the questions is negated; then
 * the wrong options are right and the right ones wrong, and some of the now right options are left out at random.
 *
 * The paper does this to train multi-answer questions from single-answer data (arXiv 2505.24718, data augmentation; the
 * authors' scripts are repeated in authors.ts). Here a question is inverted only when the grammar could negate it and the
 * options survive it; every other item stays as it was, with the reason on it. Each item draws from a stream of its own, made
 * of seed and id, so that what happens to one item does not depend on the others.
 */
import { DataError, Random } from '../../base/index.ts';
import { type DataItem, LETTERS, lettersOf } from '../item.ts';
import { type Contractions, negateQuestion, type Refusal } from './negation.ts';
import { checkOptions, hasNegativeOption, type OptionRefusal } from './options-check.ts';

export interface InvertOptions {
  /** Any whole number. */
  readonly seed: number;
  /** Part of the items to invert, in [0, 1]. @default 0.5, as the authors */
  readonly share?: number;
  /** Leave out a random number of the right options of an inverted item, at least one stays. @default true, as the authors */
  readonly drop?: boolean;
  /**
   * Take away two hints at the answer that need no video: the items that stay lose wrong options by the same law, so that
   * the number of options does not tell an inverted item; and each rule inverts exactly its share of the items it could invert.
   * @default false
   */
  readonly balance?: boolean;
  /** @default 'natural' */
  readonly contractions?: Contractions;
}

/** Record of an item's inversion, kept in its `provenance.qai`. */
export interface QaiProvenance {
  readonly original_id: string;
  readonly seed: number;
  readonly inverted: boolean;
  /** The rule that negated the question; null when it stays. */
  readonly rule: string | null;
  /** Reason why the item could not be inverted; null when it could. */
  readonly refused: Refusal | OptionRefusal | null;
  /** The question before the inversion; absent for items that stay. */
  readonly original_question?: string;
  readonly original_answer?: readonly string[];
  /** Letters of the original options that are still shown, in the order shown. */
  readonly kept_options: readonly string[];
}

export interface QaiReport {
  readonly seed: number;
  readonly share: number;
  readonly items: number;
  readonly inverted: number;
  readonly original: number;
  /** Rule -> items it could invert, and did. */
  readonly rules: Readonly<Record<string, { readonly possible: number; readonly inverted: number }>>;
  /** Reason -> items that could not be inverted; they stay as they were. */
  readonly refused: Readonly<Record<string, number>>;
  /** Number of right options -> inverted items, and items that stay. */
  readonly answers: Readonly<Record<string, Kinds>>;
  /** Number of shown options -> inverted items, and items that stay. */
  readonly options: Readonly<Record<string, Kinds>>;
}

interface Kinds {
  readonly inverted: number;
  readonly original: number;
}

type Plan =
  | { readonly item: DataItem; readonly question: string; readonly rule: string }
  | { readonly item: DataItem; readonly refused: Refusal | OptionRefusal };

/**
 * Inverts a part of the items. Order and number of items stay; an inverted item gets the id `<id>#inverted`, and every item the
 * dimension `qai` (`inverted` or `original`) to report accuracy by.
 * @throws DataError for a share outside of [0, 1] or an item that was inverted before
 */
export function invertItems(
  items: readonly DataItem[],
  options: InvertOptions,
): { readonly items: DataItem[]; readonly report: QaiReport } {
  const { seed, share = 0.5, drop = true, balance = false, contractions = 'natural' } = options;
  if (!(share >= 0 && share <= 1)) throw new DataError(`expected a share from 0 to 1, got ${share}`);
  const plans = items.map((item) => planItem(item, contractions));
  const chosen = choose(plans, { seed, share, balance });
  const made = plans.map((plan) => {
    const random = streamOf(seed, plan.item, 'options');
    if (chosen.has(plan.item) && 'rule' in plan) return invert(plan, { seed, drop, random });
    return keep(plan, { seed, drop: drop && balance, random });
  });
  return { items: made, report: reportOn(plans, made, { seed, share }) };
}

function streamOf(seed: number, item: DataItem, name: string): Random {
  return Random.stream(seed, 'qai', name, item.id);
}

function planItem(item: DataItem, contractions: Contractions): Plan {
  if (item.provenance['qai'] !== undefined) {
    throw new DataError(`item ${item.id} has been through question-answer inversion before`, {
      hint: 'invert the original data',
    });
  }
  const refused = checkOptions(item.options, rightIndices(item));
  if (refused !== undefined) return { item, refused };
  const negation = negateQuestion(item.question, contractions);
  if ('refused' in negation) return { item, refused: negation.refused };
  if (negation.question === item.question) {
    throw new DataError(`internal: rule ${negation.rule} left the question unchanged: ${item.question}`);
  }
  // A reason may well be negative ("not to wake the baby"), an act under "didn't" may not.
  if (!negation.rule.endsWith('-frame') && hasNegativeOption(item.options))
    return { item, refused: 'negative_option' };
  return { item, ...negation };
}

function choose(
  plans: readonly Plan[],
  { seed, share, balance }: { seed: number; share: number; balance: boolean },
): ReadonlySet<DataItem> {
  const possible = plans.filter((plan) => 'rule' in plan);
  if (!balance) {
    const isDrawn = (item: DataItem): boolean => streamOf(seed, item, 'choice').float() < share;
    return new Set(possible.map(({ item }) => item).filter(isDrawn));
  }
  const rules = [...new Set(possible.map(({ rule }) => rule))];
  return new Set(
    rules.flatMap((rule) => {
      const group = possible.filter((plan) => plan.rule === rule).map(({ item }) => item);
      return Random.stream(seed, 'qai', 'balance', rule).sample(group, Math.round(share * group.length));
    }),
  );
}

interface Making {
  readonly seed: number;
  readonly drop: boolean;
  readonly random: Random;
}

function invert(
  { item, question, rule }: Extract<Plan, { rule: string }>,
  { seed, drop, random }: Making,
): DataItem {
  // Both speak of the question and the letters as they were.
  const { problem: _asWritten, process: _reasoning, ...rest } = item;
  const right = rightIndices(item);
  const shown = dropWrong(item, drop, random);
  return {
    ...rest,
    id: `${item.id}#inverted`,
    question,
    options: shown.map((index) => item.options[index]!),
    answer: lettersOf(shown.flatMap((index, place) => (right.has(index) ? [] : [place]))),
    dims: { ...item.dims, qai: 'inverted' },
    provenance: {
      ...item.provenance,
      qai: {
        original_id: item.id,
        seed,
        inverted: true,
        rule,
        refused: null,
        original_question: item.question,
        original_answer: item.answer,
        kept_options: lettersOf(shown),
      } satisfies QaiProvenance,
    },
  };
}

function keep(plan: Plan, { seed, drop, random }: Making): DataItem {
  const { item } = plan;
  const refused = 'refused' in plan ? plan.refused : null;
  const right = rightIndices(item);
  const shown =
    drop && refused === null ? dropWrong(item, true, random) : item.options.map((_, index) => index);
  const { problem, process, ...rest } = item;
  const isWhole = shown.length === item.options.length;
  return {
    ...rest,
    ...(isWhole && problem !== undefined ? { problem } : {}),
    ...(isWhole && process !== undefined ? { process } : {}),
    options: shown.map((index) => item.options[index]!),
    answer: lettersOf(shown.flatMap((index, place) => (right.has(index) ? [place] : []))),
    dims: { ...item.dims, qai: 'original' },
    provenance: {
      ...item.provenance,
      qai: {
        original_id: item.id,
        seed,
        inverted: false,
        rule: null,
        refused,
        kept_options: lettersOf(shown),
      } satisfies QaiProvenance,
    },
  };
}

/** Indices of the options to show, in their old order: all right ones, and 1 … all of the wrong ones. */
function dropWrong(item: DataItem, drop: boolean, random: Random): number[] {
  const right = rightIndices(item);
  const wrong = item.options.map((_, index) => index).filter((index) => !right.has(index));
  const kept = new Set(drop ? random.sample(wrong, 1 + random.below(wrong.length)) : wrong);
  return item.options.map((_, index) => index).filter((index) => right.has(index) || kept.has(index));
}

function rightIndices(item: DataItem): ReadonlySet<number> {
  return new Set(item.answer.map((letter) => LETTERS.indexOf(letter)));
}

function reportOn(
  plans: readonly Plan[],
  made: readonly DataItem[],
  { seed, share }: { seed: number; share: number },
): QaiReport {
  const rules: Record<string, { possible: number; inverted: number }> = {};
  const refused: Record<string, number> = {};
  const answers: Record<string, Kinds> = {};
  const options: Record<string, Kinds> = {};
  for (const [index, plan] of plans.entries()) {
    const item = made[index]!;
    const isInverted = item.dims['qai'] === 'inverted';
    count(answers, item.answer.length, isInverted);
    count(options, item.options.length, isInverted);
    if ('refused' in plan) {
      refused[plan.refused] = (refused[plan.refused] ?? 0) + 1;
      continue;
    }
    const { possible, inverted } = rules[plan.rule] ?? { possible: 0, inverted: 0 };
    rules[plan.rule] = { possible: possible + 1, inverted: inverted + Number(isInverted) };
  }
  const inverted = made.filter((item) => item.dims['qai'] === 'inverted').length;
  return {
    seed,
    share,
    items: made.length,
    inverted,
    original: made.length - inverted,
    rules: sorted(rules, ({ possible }) => possible),
    refused: sorted(refused, (count) => count),
    answers,
    options,
  };
}

function count(table: Record<string, Kinds>, key: number, isInverted: boolean): void {
  const { inverted, original } = table[key] ?? { inverted: 0, original: 0 };
  table[key] = { inverted: inverted + Number(isInverted), original: original + Number(!isInverted) };
}

function sorted<T>(record: Record<string, T>, size: (value: T) => number): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([, a], [, b]) => size(b) - size(a)));
}
