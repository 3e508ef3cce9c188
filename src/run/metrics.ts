/**
 * Typed metrics of a training step. Code adds values as it meets them (per micro-batch, per group); `reduce` turns
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

export type Metric = MeanMetric | SumMetric | MaxMetric | MinMetric | LastMetric;

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

/** Combines two parts of the same metric; order matters only for `last`. */
function combine(a: Metric, b: Metric): Metric {
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
    default:
      a satisfies never;
  }
  throw new TwgrpoError(`internal: a ${a.kind} metric met a ${b.kind} metric under the same key`);
}

/** The number a metric stands for; undefined for a mean without weight: there was nothing to average. */
function numberOf(metric: Metric): number | undefined {
  if (metric.kind !== 'mean') return metric.value;
  return metric.weight === 0 ? undefined : metric.total / metric.weight;
}

/** The metrics of one step, or of several. */
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

  /**
   * Adds a whole step to a window of steps: extremes and latest values stay what they are, everything else is averaged
   * over the steps that have it, as TRL averages what it logs.
   */
  addStep(step: MetricAccumulator): void {
    for (const [key, metric] of step.#metrics) {
      const value = numberOf(metric);
      if (value !== undefined)
        this.add(key, metric.kind === 'mean' || metric.kind === 'sum' ? mean(value) : metric);
    }
  }

  /** Parts so far as plain data: for a checkpoint, or for another rank. */
  snapshot(): [string, Metric][] {
    return [...this.#metrics];
  }

  /** Adds a snapshot. */
  merge(snapshot: readonly (readonly [string, Metric])[]): void {
    for (const [key, metric] of snapshot) this.add(key, metric);
  }

  /** One number a key, then forgets everything. */
  reduce(): Record<string, number> {
    const row: Record<string, number> = {};
    for (const [key, metric] of this.#metrics) {
      const value = numberOf(metric);
      if (value !== undefined) row[key] = value;
    }
    this.#metrics.clear();
    return row;
  }
}
