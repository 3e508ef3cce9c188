import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { last, MetricAccumulator, max, mean, min, sum } from './metrics.ts';

const values = fc.array(fc.double({ min: -1e3, max: 1e3, noNaN: true }), { minLength: 1, maxLength: 20 });

describe('metrics', () => {
  it('reduce by their type and start anew', () => {
    const metrics = new MetricAccumulator();
    metrics.add('reward', mean([1, 0]));
    metrics.add('reward', mean(0.5, 2));
    metrics.add('num_tokens', sum(10));
    metrics.add('num_tokens', sum(5));
    metrics.add('completions/max_length', max([3, 9]));
    metrics.add('completions/min_length', min(4));
    metrics.add('completions/min_length', min([3, 9]));
    metrics.add('learning_rate', last(2));
    metrics.add('learning_rate', last(1));
    metrics.add('nothing', mean([]));
    expect(metrics.reduce()).toEqual({
      reward: 0.5,
      num_tokens: 15,
      'completions/max_length': 9,
      'completions/min_length': 3,
      learning_rate: 1,
    });
    expect(metrics.reduce()).toEqual({});
  });

  it('give the same for one batch and for parts merged from other ranks', () => {
    fc.assert(
      fc.property(values, values, (a, b) => {
        const whole = new MetricAccumulator();
        whole.add('m', mean([...a, ...b]));
        const left = new MetricAccumulator();
        const right = new MetricAccumulator();
        for (const [part, list] of [
          [left, a],
          [right, b],
        ] as const) {
          part.add('m', mean(list));
        }
        left.merge(JSON.parse(JSON.stringify(right.snapshot())));
        const [expected, got] = [whole.reduce(), left.reduce()];
        expect(Object.keys(got)).toEqual(Object.keys(expected));
        for (const [key, value] of Object.entries(expected)) expect(got[key]).toBeCloseTo(value, 8);
      }),
    );
  });

  it('are averaged over a window of steps; extremes and latest values stay what they are', () => {
    const window = new MetricAccumulator();
    const step = (reward: number[], longest: number, rate: number, extra?: number) => {
      const metrics = new MetricAccumulator();
      metrics.add('reward', mean(reward));
      metrics.add('loss', sum(reward.length));
      metrics.add('completions/max_length', max(longest));
      metrics.add('completions/min_length', min(longest));
      metrics.add('learning_rate', last(rate));
      if (extra !== undefined) metrics.add('kl', mean(extra, 7));
      metrics.add('nothing', mean([]));
      window.addStep(metrics);
      // A step keeps its own numbers.
      expect(metrics.reduce()).toMatchObject({ learning_rate: rate, loss: reward.length });
    };
    step([1], 9, 3);
    step([0, 0, 0], 4, 2, 0.5);
    const stored = JSON.parse(JSON.stringify(window.snapshot()));
    const resumed = new MetricAccumulator();
    resumed.merge(stored);
    // A mean of the steps' means: steps of more completions weigh no more.
    const expected = {
      reward: 0.5,
      loss: 2,
      'completions/max_length': 9,
      'completions/min_length': 4,
      learning_rate: 2,
      kl: 0.5,
    };
    expect(window.reduce()).toEqual(expected);
    expect(window.reduce()).toEqual({});
    expect(resumed.reduce()).toEqual(expected);
  });

  it('show what is not a number instead of hiding it', () => {
    const metrics = new MetricAccumulator();
    metrics.add('loss', mean([1, Number.NaN]));
    expect(metrics.reduce()).toEqual({ loss: Number.NaN });
  });

  it('refuse a key that changes its type', () => {
    const metrics = new MetricAccumulator();
    metrics.add('loss', mean(1));
    expect(() => metrics.add('loss', sum(1))).toThrow('internal: metric loss changed its type');
  });
});
