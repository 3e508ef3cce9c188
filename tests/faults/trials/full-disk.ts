/**
 * @file A run on a real disk (tmpfs) that is too small for it, for N sizes from nothing to what the run takes: it ends with an error that
 * names file and need, every checkpoint is whole, and once there is room the run goes on to the bytes of an undisturbed one. Needs the
 * right to mount.
 *
 *   npm run trial:full-disk -- 24
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { damagesOf, resultOf, startTraining, trialFolder } from './trial-command.ts';

const numSizes = Number(process.argv[2] ?? 24);
const folder = trialFolder('full-disk');
const disk = join(folder, 'disk');
mkdirSync(disk);
const mount = (...args: string[]) => spawnSync('mount', args);
const keys = { max_steps: 6, save_steps: 1, save_total_limit: 2 };

const first = mount('-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', disk);
if (first.status !== 0) {
  console.log(`skipped: no right to mount a tmpfs here (${String(first.stderr).trim()})`);
  process.exit(0);
}
let faults = 0;
try {
  const run = join(disk, 'run');
  console.log('undisturbed:', await startTraining(folder, run, keys).ended);
  const expected = resultOf(run);
  const used = Number(spawnSync('du', ['-sk', run]).stdout.toString().split('\t')[0]);
  spawnSync('umount', [disk]);
  console.log(`the run takes ${used} KiB`);
  for (let i = 1; i <= numSizes; i++) {
    // While one is written there is one more; pages are of 4 KiB.
    const size = Math.max(16, Math.ceil((used * 1.6 * i) / numSizes / 4) * 4);
    mount('-t', 'tmpfs', '-o', `size=${size}k`, 'tmpfs', disk);
    const full = startTraining(folder, run, keys);
    const { code, signal } = await full.ended;
    const words = full.stderr();
    const damages = damagesOf(run);
    const isTold = code === 0 || /(no space is left|needs at least).*/.test(words);
    const hasStack = /^\s+at .*:\d+/m.test(words);
    mount('-o', 'remount,size=64m', disk);
    const again = startTraining(folder, run, keys);
    const { code: last } = await again.ended;
    const isEqual = last === 0 && resultOf(run) === expected;
    const isRight = signal === null && isTold && !hasStack && damages.length === 0 && isEqual;
    if (!isRight) faults += 1;
    const line = words.split('\n').find((one) => /Error: /.test(one)) ?? 'no error';
    console.log(
      `${isRight ? 'equal' : 'NOT '}  ${size} KiB: ended with ${code}: ${line.replaceAll(disk, '')}`,
    );
    if (!isRight) console.log({ signal, isTold, hasStack, damages, last }, again.stderr().slice(-600));
    spawnSync('umount', [disk]);
  }
} finally {
  spawnSync('umount', [disk]);
}
console.log(`${numSizes} sizes, ${faults} faults`);
process.exitCode = faults === 0 ? 0 : 1;
