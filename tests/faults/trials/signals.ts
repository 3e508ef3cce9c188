/**
 * @file Random signals at random moments to a run of one process and to one of two, N each. After each: the exit code is that of the
 * signal, and every checkpoint is whole; in the end weights, optimizer and rows are those of the undisturbed run.
 *
 *   npm run trial:signals -- 50
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '../../../src/base/index.ts';
import { damagesOf, resultOf, rowsOf, startTraining, trialFolder } from './trial-command.ts';

const numSignals = Number(process.argv[2] ?? 50);
const processCounts = (process.argv[3] ?? '1,2').split(',').map(Number);
const folder = trialFolder('signals');
const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGKILL', 'SIGHUP'] as const;
const CODES: Readonly<Record<string, number>> = { SIGTERM: 143, SIGINT: 130 };
const keys = { max_steps: 60, save_steps: 3, save_total_limit: 2, gradient_accumulation_steps: 2 };

/** Ranks of a run, from the command lines of this machine's processes. */
function ranksOf(run: string): number[] {
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      const isOurs = readFileSync(join('/proc', pid, 'cmdline'), 'utf8').includes(`output_dir=${run}\0`);
      return isOurs && /\0RANK=/.test(readFileSync(join('/proc', pid, 'environ'), 'utf8'))
        ? [Number(pid)]
        : [];
    } catch {
      return []; // gone meanwhile
    }
  });
}

let faults = 0;
for (const count of processCounts) {
  const random = Random.stream(count, 'signals');
  const more = count === 1 ? [] : ['--nproc', String(count), '--max-restarts', '0'];
  const plain = join(folder, `plain-${count}`);
  console.log(`${count} process(es), undisturbed:`, await startTraining(folder, plain, keys, more).ended);
  const expected = resultOf(plain);
  let run = join(folder, `disturbed-${count}-0`);
  let sent = 0;
  let whole = 0;
  while (sent < numSignals) {
    const before = rowsOf(run).at(-1)?.['step'] ?? 0;
    const one = startTraining(folder, run, keys, more);
    let isOver = false;
    void one.ended.then(() => (isOver = true));
    // Three of four while it trains and saves; the others while it starts.
    if (random.below(4) > 0) while (!isOver && (rowsOf(run).at(-1)?.['step'] ?? 0) <= before) await sleep(20);
    await sleep(random.below(1500));
    const signal = random.pick([...SIGNALS]);
    // A launcher that is killed can tell nobody: there a rank is.
    const isRank = count > 1 && signal === 'SIGKILL';
    const victim = isRank ? ranksOf(run)[random.below(2)] : one.child.pid;
    if (!isOver && victim !== undefined) {
      const step = rowsOf(run).at(-1)?.['step'] ?? 0;
      try {
        process.kill(victim, signal);
      } catch {
        continue; // it had ended meanwhile
      }
      sent += 1;
      const { code, signal: by } = await one.ended;
      // Not yet listening, or already done.
      const isStarting = by === signal;
      const isRight =
        (code === 0 && rowsOf(run).length === keys.max_steps) ||
        isStarting ||
        (isRank ? code !== 0 : code === CODES[signal]);
      for (const pid of ranksOf(run)) process.kill(pid, 'SIGKILL');
      const damages = damagesOf(run);
      if (!isRight || damages.length > 0) {
        faults += 1;
        console.log(
          `NOT  ${signal} at step ${step}: ended with ${code} ${by}; ${damages.join('; ')}`,
          one.stderr().slice(-500),
        );
      } else console.log(`${sent}  ${signal} at step ${step}: ended with ${code ?? by}`);
    }
    const { code } = await one.ended;
    if (code === 0 && rowsOf(run).length === keys.max_steps) {
      const isEqual = resultOf(run) === expected;
      if (!isEqual) faults += 1;
      console.log(isEqual ? 'equal to the undisturbed run' : `NOT  equal to the undisturbed run: ${run}`);
      run = join(folder, `disturbed-${count}-${++whole}`);
    }
  }
  if (rowsOf(run).length > 0) {
    await startTraining(folder, run, keys, more).ended;
    const isEqual = resultOf(run) === expected;
    if (!isEqual) faults += 1;
    console.log(isEqual ? 'equal to the undisturbed run' : `NOT  equal to the undisturbed run: ${run}`);
  }
  console.log(`${count} process(es): ${sent} signals, ${faults} faults`);
}
process.exitCode = faults === 0 ? 0 : 1;
