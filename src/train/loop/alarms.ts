/**
 * What usually goes wrong in reinforcement learning, told in plain words while it happens. Looks only at rows of
 * `metrics.jsonl`, so a resumed run that reads the old rows goes on as if it had never stopped.
 *
 * A rule that has spoken is quiet for `QUIET_STEPS` steps, then for twice as many, and so on: what stays so needs no telling.
 */
import { mean, percent } from '../../base/index.ts';
import type { MetricsRow } from '../../run/index.ts';

export interface Alert {
  readonly step: number;
  /** Name of the rule, for filters. */
  readonly rule: string;
  readonly message: string;
  /** What was measured, and the limit it crossed. */
  readonly value: number;
  readonly limit: number;
}

/** Steps that an average is taken over. */
const WINDOW = 10;
const QUIET_STEPS = 50;

interface Rule {
  readonly name: string;
  readonly limit: number;
  /** The value to judge, or undefined where there is nothing to say yet. */
  readonly measure: (history: History) => number | undefined;
  readonly isBad: (value: number, limit: number) => boolean;
  readonly message: (value: number) => string;
}

const above = (value: number, limit: number) => value > limit;
const below = (value: number, limit: number) => value < limit;

const RULES: readonly Rule[] = [
  {
    name: 'constant_reward',
    limit: 0,
    measure: (history) => history.spread('reward'),
    isBad: (value, limit) => value <= limit,
    message: () =>
      `the reward has been the same number for ${WINDOW} steps, so nothing is learned; look at the completions: does the reward function see what it expects?`,
  },
  {
    name: 'zero_std',
    limit: 0.8,
    measure: (history) => history.recent('frac_reward_zero_std'),
    isBad: above,
    message: (value) =>
      `in ${percent(value, 0)} of the groups all completions earned the same reward, and such groups teach nothing; try harder or easier questions, a finer reward, more generations or dynamic_sampling`,
  },
  {
    name: 'clipped_completions',
    limit: 0.3,
    measure: (history) => history.recent('completions/clipped_ratio'),
    isBad: above,
    message: (value) =>
      `${percent(value, 0)} of the completions are cut off at max_completion_length before they end; raise it, or set mask_truncated_completions`,
  },
  {
    name: 'entropy_collapse',
    limit: 0.1,
    measure: (history) => history.shareOfStart('entropy'),
    isBad: below,
    message: (value) =>
      `the entropy has fallen to ${percent(value, 0)} of its start: completions become alike and exploration ends; lower learning_rate, raise epsilon_high or set entropy_coef`,
  },
  {
    name: 'length_collapse',
    limit: 0.3,
    measure: (history) => history.shareOfStart('completions/mean_length'),
    isBad: below,
    message: (value) =>
      `completions have shrunk to ${percent(value, 0)} of their first length; the reward may be won without reasoning`,
  },
  {
    name: 'parse_failure',
    limit: 0.5,
    measure: (history) => history.recent('answers/parse_failure'),
    isBad: above,
    message: (value) =>
      `no answer can be read from ${percent(value, 0)} of the completions; look at them, and at prompt_template and answer_parser`,
  },
  {
    name: 'sampling_gap',
    limit: 0.1,
    measure: (history) => history.latest('sampling/sampling_logp_difference/mean'),
    isBad: above,
    message: (value) =>
      `log-probabilities of sampling and of training differ by ${value.toPrecision(2)} nats on average, far more than rounding: the policy that samples is not the one that trains`,
  },
  {
    name: 'bad_step',
    limit: 0,
    measure: (history) => history.latest('bad_steps'),
    isBad: above,
    message: () =>
      'loss or gradient was not finite and the step was refused; the weights are those of the last good step',
  },
];

/** Rows seen so far, as far as the rules look back. */
class History {
  readonly #first: MetricsRow[] = [];
  #last: MetricsRow[] = [];

  add(row: MetricsRow): void {
    if (this.#first.length < WINDOW) this.#first.push(row);
    this.#last = [...this.#last, row].slice(-WINDOW);
  }

  latest(key: string): number | undefined {
    const value = this.#last.at(-1)?.[key];
    return typeof value === 'number' ? value : undefined;
  }

  /** Mean over the window; undefined until it is full. */
  recent(key: string): number | undefined {
    return meanOf(this.#last, key);
  }

  /** Largest minus smallest value in the window. */
  spread(key: string): number | undefined {
    if (meanOf(this.#last, key) === undefined) return undefined;
    const values = this.#last.map((row) => Number(row[key]));
    return Math.max(...values) - Math.min(...values);
  }

  /** Mean over the window as a share of the mean over the first window; undefined while the two overlap. */
  shareOfStart(key: string): number | undefined {
    const [start, now] = [meanOf(this.#first, key), meanOf(this.#last, key)];
    const isApart = (this.#last[0]?.step ?? 0) > (this.#first.at(-1)?.step ?? 0);
    return start === undefined || now === undefined || !isApart || start <= 0 ? undefined : now / start;
  }
}

function meanOf(rows: readonly MetricsRow[], key: string): number | undefined {
  const values = rows.map((row) => row[key]).filter((value) => typeof value === 'number');
  return values.length < WINDOW ? undefined : mean(values);
}

export class Alarms {
  readonly #history = new History();
  /** For each rule the step before which it says nothing more, and how long it was quiet the last time. */
  readonly #quiet = new Map<string, { readonly until: number; readonly steps: number }>();

  /** @param before rows of the run so far, for a resumed run */
  constructor(before: readonly MetricsRow[] = []) {
    for (const row of before) this.check(row);
  }

  /** Takes in one row. @returns what is to be told now */
  check(row: MetricsRow): Alert[] {
    this.#history.add(row);
    return RULES.flatMap(({ name, limit, measure, isBad, message }) => {
      const value = measure(this.#history);
      if (value === undefined || !isBad(value, limit)) return [];
      const quiet = this.#quiet.get(name);
      if (quiet !== undefined && row.step < quiet.until) return [];
      const steps = quiet === undefined ? QUIET_STEPS : 2 * quiet.steps;
      this.#quiet.set(name, { until: row.step + steps, steps });
      return [{ step: row.step, rule: name, message: message(value), value, limit }];
    });
  }
}
