import { expect, it } from 'vitest';
import { PhaseClock } from './phase-clock.ts';

it('counts every millisecond from the first phase on in exactly one phase', () => {
  let now = 100;
  const clock = new PhaseClock(() => now);
  const spend = (phase: string, ms: number) => {
    clock.enter(phase);
    now += ms;
  };
  now += 50; // before the first phase: nobody's
  spend('data', 1000);
  spend('generate', 4000);
  spend('data', 500);
  spend('data', 250);
  const { phases, total } = clock.take();
  expect([...phases]).toEqual([
    ['data', 1.75],
    ['generate', 4],
  ]);
  expect(total).toBe(5.75);
  now += 70; // between two steps
  spend('encode', 2000);
  expect(clock.take()).toEqual({ phases: new Map([['encode', 2]]), total: 2 });
  expect(clock.take()).toEqual({ phases: new Map(), total: 0 });
});
