/** @file A time of day that jumps, and a process that stands still for a while, as on a laptop that sleeps: the run ends as if nothing had been. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { resultOf, rowsOf, startTraining, trialFolder } from './trials/trial-command.ts';

const repository = fileURLToPath(new URL('../..', import.meta.url));

describe.skipIf(process.platform !== 'linux')('a run', () => {
  let folder: string;
  let expected: string;
  beforeAll(async () => {
    folder = trialFolder('standstill');
    const plain = join(folder, 'plain');
    expect((await startTraining(folder, plain, {}).ended).code).toBe(0);
    expected = resultOf(plain);
  });

  it('does not mind a time of day that jumps a day ahead and back', async () => {
    const library = join(repository, 'build', 'faults', 'jumping-clock.so');
    mkdirSync(join(library, '..'), { recursive: true });
    const source = fileURLToPath(new URL('jumping-clock.c', import.meta.url));
    const made = spawnSync('cc', ['-shared', '-fPIC', '-O1', '-o', library, source, '-ldl']);
    expect(made.status, String(made.stderr)).toBe(0);
    // The clock does jump there.
    const looks =
      'const seen = new Set(); const end = performance.now() + 1500; while (performance.now() < end) seen.add(Math.round(Date.now() / 864e5)); console.log(seen.size)';
    const probe = spawnSync(process.execPath, ['-e', looks], {
      env: { ...process.env, LD_PRELOAD: library },
    });
    expect(Number(probe.stdout)).toBeGreaterThan(1);

    const run = join(folder, 'jumping');
    const { ended, stderr } = startTraining(folder, run, {}, [], { LD_PRELOAD: library });
    expect(await ended, stderr()).toEqual({ code: 0, signal: null });
    expect(resultOf(run)).toBe(expected);
    const times = readFileSync(join(run, 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .flatMap((line) => Object.entries(JSON.parse(line) as Record<string, number>))
      .filter(([key]) => key === 'step_time' || key.startsWith('time/'));
    expect(times.filter(([, seconds]) => !(seconds >= 0 && seconds < 86_400 / 2))).toEqual([]);
  });

  it('goes on after it was stopped and continued in the middle of a step', async () => {
    const run = join(folder, 'stopped');
    const { child, ended, stderr } = startTraining(folder, run, {});
    while (rowsOf(run).length < 1 && child.exitCode === null) await sleep(10);
    child.kill('SIGSTOP');
    await sleep(3000);
    child.kill('SIGCONT');
    expect(await ended, stderr()).toEqual({ code: 0, signal: null });
    expect(resultOf(run)).toBe(expected);
  });
});
