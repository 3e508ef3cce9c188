import { describe, expect, it } from 'vitest';
import { learningRateAt } from '../optim/schedule.ts';
import { RunLength } from './run-length.ts';

/** A run length whose clock stands still until it is set. */
function withClock(options: { max_steps?: number; max_minutes?: number; used_ms?: number }) {
  const clock = { ms: 5000 };
  return { clock, length: new RunLength({ ...options, steps_of_data: 40, now: () => clock.ms }) };
}

describe('how long a run lasts', () => {
  it('is the passes over the data where nothing else is said', () => {
    const { clock, length } = withClock({});
    clock.ms += 1e9;
    expect(length.maxSteps).toBe(40);
    expect([length.isOver(39), length.isOver(40)]).toEqual([false, true]);
    expect(length.position(10)).toEqual({ done: 10, total: 40 });
  });

  it('is the time, whatever the data', () => {
    const { clock, length } = withClock({ max_minutes: 2 });
    expect(length.maxSteps).toBeUndefined();
    clock.ms += 60_000;
    expect(length.isOver(1000)).toBe(false);
    expect(length.position(1000)).toEqual({ done: 60_000, total: 120_000 });
    clock.ms += 60_000;
    expect(length.isOver(1)).toBe(true);
  });

  it('ends with the first of steps and time, and the schedule follows the one that is further', () => {
    const { clock, length } = withClock({ max_steps: 10, max_minutes: 1 });
    clock.ms += 30_000;
    expect(length.position(2)).toEqual({ done: 30_000, total: 60_000 });
    expect(length.position(8)).toEqual({ done: 8, total: 10 });
    expect([length.isOver(9), length.isOver(10)]).toEqual([false, true]);
    clock.ms += 30_000;
    expect(length.isOver(9)).toBe(true);
  });

  it('counts the time of earlier attempts', () => {
    const { clock, length } = withClock({ max_minutes: 1, used_ms: 45_000 });
    expect(length.usedMs()).toBe(45_000);
    clock.ms += 15_000;
    expect(length.isOver(0)).toBe(true);
  });

  it('gives a schedule its unit: half of the time is half of the steps', () => {
    const { clock, length } = withClock({ max_minutes: 1 });
    clock.ms += 33_000;
    const { done, total } = length.position(3);
    const options = { lr_scheduler_type: 'linear', learning_rate: 1 } as const;
    expect(learningRateAt(done, { ...options, max_steps: total, warmup_steps: 0.1 * total })).toBeCloseTo(
      learningRateAt(55, { ...options, max_steps: 100, warmup_steps: 10 }),
      12,
    );
  });
});
