import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MetricsRow } from '../../run/index.ts';
import { Alarms, type Alert } from './alarms.ts';

/** A healthy row, with some values changed. */
const row = (step: number, changed: Readonly<Record<string, number>> = {}): MetricsRow => ({
  ...{ step, reward: 1 + 0.01 * (step % 7), frac_reward_zero_std: 0.2, 'completions/clipped_ratio': 0 },
  ...{ entropy: 1, 'completions/mean_length': 50, 'answers/parse_failure': 0, bad_steps: 0 },
  ...changed,
});

const steps = (count: number, of: (step: number) => MetricsRow): MetricsRow[] =>
  Array.from({ length: count }, (_, i) => of(i + 1));

const told = (rows: readonly MetricsRow[], alarms = new Alarms()): Alert[] =>
  rows.flatMap((one) => alarms.check(one));

describe('Alarms', () => {
  it('says nothing of a healthy run', () => {
    expect(told(steps(300, (step) => row(step)))).toEqual([]);
  });

  it.each([
    ['constant_reward', { reward: 1 }],
    ['zero_std', { frac_reward_zero_std: 0.85 }],
    ['clipped_completions', { 'completions/clipped_ratio': 0.4 }],
    ['parse_failure', { 'answers/parse_failure': 0.6 }],
  ] as const)('%s is told once ten steps show it', (rule, changed) => {
    const alerts = told(steps(30, (step) => row(step, changed)));
    expect(alerts.map((alert) => [alert.rule, alert.step])).toEqual([[rule, 10]]);
  });

  it.each([
    ['entropy_collapse', 'entropy', 0.05],
    ['length_collapse', 'completions/mean_length', 10],
  ] as const)('%s is told against the first ten steps', (rule, key, value) => {
    const alerts = told(steps(40, (step) => row(step, step <= 20 ? {} : { [key]: value })));
    expect(alerts.map((alert) => alert.rule)).toEqual([rule]);
    expect(alerts[0]!.step).toBeGreaterThan(20);
  });

  it.each([
    ['sampling_gap', { 'sampling/sampling_logp_difference/mean': 0.2 }],
    ['bad_step', { bad_steps: 1 }],
  ] as const)('%s is told at once', (rule, changed) => {
    const [alert] = told([row(1), row(2, changed)]);
    expect(alert).toMatchObject({ rule, step: 2 });
    expect(alert!.value).toBeGreaterThan(alert!.limit);
  });

  it('is quiet twice as long each time', () => {
    const alerts = told(steps(1000, (step) => row(step, { frac_reward_zero_std: 0.9 })));
    expect(alerts.map(({ step }) => step)).toEqual([10, 60, 160, 360, 760]);
  });

  it('goes on after a resume as if it had never stopped', () => {
    const shares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 20, maxLength: 200 });
    fc.assert(
      fc.property(shares, fc.nat(), (values, cut) => {
        const rows = values.map((share, i) => row(i + 1, { frac_reward_zero_std: share, entropy: share }));
        const at = cut % rows.length;
        const whole = told(rows).filter(({ step }) => step > at);
        expect(told(rows.slice(at), new Alarms(rows.slice(0, at)))).toEqual(whole);
      }),
      { numRuns: 100 },
    );
  });
});
