/**
 * @file Two processes of one thread against one: the same steps in turns, phase by phase. Efficiency is the time of one over twice the
 * time of two; 1 is a machine on which nothing is lost.
 *
 *   npm run trial:efficiency -- [TURNS] [ZERO_STAGE]
 */
import { loadavg } from 'node:os';
import { rowsOf } from '../../../src/train/test-support.ts';
import { trialRun } from './trial-run.ts';

const turns = Number(process.argv[2] ?? 3);
const zero_stage = Number(process.argv[3] ?? 0);
const NUM_STEPS = 5;
/** Steps that warm up. */
const SKIPPED = 1;

const PHASES: Readonly<Record<string, readonly string[]>> = {
  rollout: ['encode', 'generate', 'reward'],
  training: ['reference', 'forward', 'loss', 'backward', 'reduce', 'optimizer'],
};

type Times = Readonly<Record<string, number>>;

/** Milliseconds a step of each phase, and of all. */
function timesOf(run: string): Times {
  const rows = rowsOf(run).slice(SKIPPED);
  const mean = (value: (row: (typeof rows)[number]) => number) =>
    (1000 * rows.reduce((sum, row) => sum + value(row), 0)) / rows.length;
  const phases = Object.entries(PHASES).map(([name, keys]) => [
    name,
    mean((row) => keys.reduce((sum, key) => sum + Number(row[`time/${key}`] ?? 0), 0)),
  ]);
  const idle = [0, 1].map((rank) => [
    `idle share of rank ${rank}`,
    mean((row) => Number(row[`idle_share/rank_${rank}`] ?? 0)) / 1000,
  ]);
  return Object.fromEntries([...phases, ['whole step', mean((row) => Number(row['step_time']))], ...idle]);
}

const efficiencies: Times[] = [];
for (let turn = 0; turn < turns; turn++) {
  const run = async (ranks: number) =>
    timesOf(
      await trialRun(`${ranks} in turn ${turn}`, ranks, {
        max_steps: NUM_STEPS,
        ...(ranks > 1 ? { zero_stage } : {}),
      }),
    );
  // Whoever runs second meets another machine: the order changes from turn to turn.
  const first = turn % 2 === 0 ? 1 : 2;
  const load = loadavg()[0]!;
  const [a, b] = [await run(first), await run(3 - first)];
  const [one, two] = (first === 1 ? [a, b] : [b, a]) as [Times, Times];
  const names = [...Object.keys(PHASES), 'whole step'];
  efficiencies.push(Object.fromEntries(names.map((name) => [name, one[name]! / (2 * two[name]!)])));
  console.log(`turn ${turn + 1}, load ${load.toFixed(1)}, zero_stage ${zero_stage}`);
  for (const name of names)
    console.log(
      `  ${name.padEnd(12)} one ${one[name]!.toFixed(0).padStart(6)} ms, two ${two[name]!.toFixed(0).padStart(6)} ms, efficiency ${efficiencies.at(-1)![name]!.toFixed(2)}`,
    );
  console.log(
    `  idle shares  ${[0, 1].map((rank) => two[`idle share of rank ${rank}`]!.toFixed(2)).join(' and ')}`,
  );
}
for (const name of Object.keys(efficiencies[0]!)) {
  const sorted = efficiencies.map((one) => one[name]!).sort((a, b) => a - b);
  console.log(`median ${name}: ${sorted[Math.floor(sorted.length / 2)]!.toFixed(2)}`);
}
