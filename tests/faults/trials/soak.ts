/**
 * @file A long run of the smallest model with a reward that sometimes throws, hangs or returns nonsense, saving all the while: memory,
 * open files, children, threads and sizes of logs, looked at from outside.
 *
 *   npm run trial:soak -- 10000
 */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { rowsOf, startTraining, trialFolder } from './trial-command.ts';

const numSteps = Number(process.argv[2] ?? 10_000);
const maxMinutes = Number(process.argv[3] ?? Number.POSITIVE_INFINITY);
const folder = trialFolder('soak');
const reward = join(folder, 'moody.mjs');
writeFileSync(
  reward,
  `let calls = 0;
export async function reward(inputs) {
  const call = ++calls;
  await new Promise((next) => setTimeout(next, 1));
  if (call % 97 === 0) throw new Error('503');
  if (call % 211 === 0) await new Promise(() => {});
  if (call % 131 === 0) return inputs.map(() => 'good');
  if (call % 173 === 0) return inputs.map(() => NaN);
  if (call % 193 === 0) return [];
  return inputs.map(({ completion }) => (completion.length % 7) / 7);
}
`,
);
const run = join(folder, 'run');
const keys = {
  ...{ max_steps: numSteps, save_steps: 250, save_total_limit: 2, reward_funcs: JSON.stringify([reward]) },
  ...{ reward_timeout: 1, on_bad_reward: 'skip' },
};
const training = startTraining(folder, run, keys);
let isOver = false;
void training.ended.then(() => (isOver = true));
const pid = String(training.child.pid);
const seen: { step: number; rss: number; files: number; threads: number; children: number }[] = [];
const until = performance.now() + maxMinutes * 60_000;
while (!isOver) {
  await sleep(5000);
  try {
    const [, pages] = readFileSync(join('/proc', pid, 'statm'), 'utf8').split(' ');
    const children = readdirSync(join('/proc', pid, 'task')).flatMap((task) =>
      readFileSync(join('/proc', pid, 'task', task, 'children'), 'utf8')
        .trim()
        .split(' ')
        .filter(Boolean),
    );
    seen.push({
      step: rowsOf(run).at(-1)?.['step'] ?? 0,
      rss: Number(pages) * 4,
      files: readdirSync(join('/proc', pid, 'fd')).length,
      threads: readdirSync(join('/proc', pid, 'task')).length,
      children: children.length,
    });
  } catch {
    continue; // it ended meanwhile
  }
  if (seen.length % 12 === 0) console.log(JSON.stringify(seen.at(-1)));
  if (performance.now() > until) {
    training.child.kill('SIGTERM');
    break;
  }
}
console.log('ended with', await training.ended);

/** Slope of a line through points, by least squares. */
function slope(points: readonly (readonly [number, number])[]): number {
  const n = points.length;
  const [mx, my] = [0, 1].map((k) => points.reduce((sum, point) => sum + point[k]!, 0) / n) as [
    number,
    number,
  ];
  const above = points.reduce((sum, [x, y]) => sum + (x - mx) * (y - my), 0);
  return above / points.reduce((sum, [x]) => sum + (x - mx) ** 2, 0);
}

const last = seen.at(-1)!.step;
for (const from of [last * 0.1, last * 0.5]) {
  const later = seen.filter(({ step }) => step > from);
  const range = (key: 'files' | 'threads' | 'children') => {
    const values = later.map((one) => one[key]);
    return `${Math.min(...values)} to ${Math.max(...values)}`;
  };
  console.log(
    `steps ${later[0]!.step} to ${last}: RSS ${later[0]!.rss} to ${later.at(-1)!.rss} KiB, ${slope(later.map(({ step, rss }) => [step, rss])).toFixed(2)} KiB a step; ` +
      `files ${range('files')}, threads ${range('threads')}, children ${range('children')}`,
  );
}
const unjudged = rowsOf(run).filter((row) => row['rewards/moody/unjudged'] !== undefined).length;
const logs = readdirSync(join(run, 'logs')).reduce(
  (sum, name) => sum + statSync(join(run, 'logs', name)).size,
  0,
);
console.log(`${last} steps, ${unjudged} of them with a reward that failed; logs ${logs} bytes`);
