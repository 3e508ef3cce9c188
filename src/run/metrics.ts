/**
 * Typed metrics of one optimizer step. Code adds values as it meets them (per micro-batch, per group); `reduce` turns
 * them into one number a key. The way a metric is combined belongs to its type, so that several micro-batches, or several
 * ranks merged with `merge`, give what one large batch would.
 * Keys are TRL's snake_case paths, for example `reward_std`, `completions/mean_length`, `rewards/accuracy/mean`.
 */
import { TwgrpoError } from '../base/index.ts';

/** Weighted mean: sum of value times weight over sum of weights. */
export interface MeanMetric {
  readonly kind: 'mean';
  readonly total: number;
  readonly weight: number;
}

export interface SumMetric {
  readonly kind: 'sum';
  readonly value: number;
}

export interface MaxMetric {
  readonly kind: 'max';
  readonly value: number;
}

export interface MinMetric {
  readonly kind: 'min';
  readonly value: number;
}

/** The latest value, for quantities that hold for the whole step (learning rate, epoch). */
export interface LastMetric {
  readonly kind: 'last';
  readonly value: number;
}

/** Population mean and standard deviation, smallest and largest; reduces to four keys. */
export interface SummaryMetric {
  readonly kind: 'summary';
  readonly count: number;
  readonly mean: number;
  /** Sum of squared distances from the mean. */
  readonly m2: number;
  readonly min: number;
  readonly max: number;
}

export type Metric = MeanMetric | SumMetric | MaxMetric | MinMetric | LastMetric | SummaryMetric;

export function mean(value: number | readonly number[], weight = 1): MeanMetric {
  if (typeof value === 'number') return { kind: 'mean', total: value * weight, weight };
  return {
    kind: 'mean',
    total: value.reduce((sum, x) => sum + x * weight, 0),
    weight: weight * value.length,
  };
}

export function sum(value: number): SumMetric {
  return { kind: 'sum', value };
}

export function max(value: number | readonly number[]): MaxMetric {
  return { kind: 'max', value: typeof value === 'number' ? value : Math.max(...value) };
}

export function min(value: number | readonly number[]): MinMetric {
  return { kind: 'min', value: typeof value === 'number' ? value : Math.min(...value) };
}

export function last(value: number): LastMetric {
  return { kind: 'last', value };
}

/** Reduces to `<key>/mean`, `<key>/std` (over the population), `<key>/min` and `<key>/max`. */
export function summary(values: readonly number[]): SummaryMetric {
  const count = values.length;
  const average = values.reduce((total, x) => total + x, 0) / Math.max(count, 1);
  const m2 = values.reduce((total, x) => total + (x - average) ** 2, 0);
  return { kind: 'summary', count, mean: average, m2, min: Math.min(...values), max: Math.max(...values) };
}

/** Combines two parts of the same metric; order matters only for `last`. */
export function combine(a: Metric, b: Metric): Metric {
  switch (a.kind) {
    case 'mean':
      if (b.kind === 'mean') return { kind: 'mean', total: a.total + b.total, weight: a.weight + b.weight };
      break;
    case 'sum':
      if (b.kind === 'sum') return { kind: 'sum', value: a.value + b.value };
      break;
    case 'max':
      if (b.kind === 'max') return { kind: 'max', value: Math.max(a.value, b.value) };
      break;
    case 'min':
      if (b.kind === 'min') return { kind: 'min', value: Math.min(a.value, b.value) };
      break;
    case 'last':
      if (b.kind === 'last') return b;
      break;
    case 'summary':
      if (b.kind === 'summary') return combineSummaries(a, b);
      break;
    default:
      a satisfies never;
  }
  throw new TwgrpoError(`internal: a ${a.kind} metric met a ${b.kind} metric under the same key`);
}

// Chan's update: merging two (count, mean, m2) triples loses no precision when the means are close.
function combineSummaries(a: SummaryMetric, b: SummaryMetric): SummaryMetric {
  if (a.count === 0) return b;
  if (b.count === 0) return a;
  const count = a.count + b.count;
  const delta = b.mean - a.mean;
  return {
    kind: 'summary',
    count,
    mean: a.mean + (delta * b.count) / count,
    m2: a.m2 + b.m2 + (delta * delta * a.count * b.count) / count,
    min: Math.min(a.min, b.min),
    max: Math.max(a.max, b.max),
  };
}

/** The metrics of one step. */
export class MetricAccumulator {
  readonly #metrics = new Map<string, Metric>();

  /** Adds a part: `metrics.add('reward', mean(rewards))`. */
  add(key: string, metric: Metric): void {
    const known = this.#metrics.get(key);
    try {
      this.#metrics.set(key, known === undefined ? metric : combine(known, metric));
    } catch (cause) {
      throw new TwgrpoError(`internal: metric ${key} changed its type`, { cause });
    }
  }

  /** Parts so far as plain data, to be sent to another rank. */
  snapshot(): [string, Metric][] {
    return [...this.#metrics];
  }

  /** Adds another rank's snapshot. */
  merge(snapshot: readonly (readonly [string, Metric])[]): void {
    for (const [key, metric] of snapshot) this.add(key, metric);
  }

  /** One number a key, then forgets everything. A mean without weight is left out: there was nothing to average. */
  reduce(): Record<string, number> {
    const row: Record<string, number> = {};
    for (const [key, metric] of this.#metrics) {
      switch (metric.kind) {
        case 'mean':
          if (metric.weight !== 0) row[key] = metric.total / metric.weight;
          break;
        case 'summary':
          if (metric.count > 0) {
            row[`${key}/mean`] = metric.mean;
            row[`${key}/std`] = Math.sqrt(metric.m2 / metric.count);
            row[`${key}/min`] = metric.min;
            row[`${key}/max`] = metric.max;
          }
          break;
        default:
          row[key] = metric.value;
      }
    }
    this.#metrics.clear();
    return row;
  }
}
