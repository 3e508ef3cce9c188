/**
 * @file Two processes of one thread against one: the same steps in turns. Efficiency is the time of one over twice the time of two. On a
 * machine that others use, time by the clock says little; the processor time of one over that of both, which leaves waiting out,
 * and the share of a step that processes wait for each other stand beside it.
 *
 *   npm run trial:efficiency -- [TURNS] [ZERO_STAGE]
 */
import { loadavg } from 'node:os';
import { rowsOf } from '../../../src/train/test-support.ts';
import { trialRun } from './trial-run.ts';

const turns = Number(process.argv[2] ?? 3);
const zero_stage = Number(process.argv[3] ?? 0);
/** Enough rows that a token's work grows with them. */
const KEYS = { prompts_per_micro_batch: 8, max_completion_length: 32, max_steps: 4 };
/** Steps that warm up. */
const SKIPPED = 1;

const PHASES: Readonly<Record<string, readonly string[]>> = {
  rollout: ['encode', 'generate', 'reward'],
  training: ['reference', 'forward', 'loss', 'backward', 'reduce', 'optimizer'],
};

interface Measured {
  /** Seconds a step, by the clock. */
  readonly clock: Readonly<Record<string, number>>;
  /** Seconds a step of all processors together. */
  readonly cpu: number;
  /** Share of the step that each process waited for the other. */
  readonly idle: readonly number[];
}

async function measure(name: string, numRanks: number): Promise<Measured> {
  const { output_dir, cpu } = await trialRun(name, numRanks, {
    ...KEYS,
    ...(numRanks > 1 ? { zero_stage } : {}),
  });
  const rows = rowsOf(output_dir).slice(SKIPPED);
  const mean = (keys: readonly string[]) =>
    rows.reduce((sum, row) => sum + keys.reduce((all, key) => all + Number(row[key] ?? 0), 0), 0) /
    rows.length;
  const phases = Object.entries(PHASES).map(([phase, keys]) => [
    phase,
    mean(keys.map((key) => `time/${key}`)),
  ]);
  return {
    clock: Object.fromEntries([...phases, ['whole step', mean(['step_time'])]]),
    cpu: (cpu.at(-1)! - cpu[SKIPPED - 1]!) / 1000 / rows.length,
    idle: [0, 1].map((rank) => mean([`idle_share/rank_${rank}`])),
  };
}

const shown = new Map<string, number[]>();
function show(name: string, one: number, two: number, efficiency: number): void {
  shown.set(name, [...(shown.get(name) ?? []), efficiency]);
  const seconds = (value: number) => `${value.toFixed(2).padStart(7)} s`;
  console.log(
    `  ${name.padEnd(16)} one ${seconds(one)}, two ${seconds(two)}, efficiency ${efficiency.toFixed(2)}`,
  );
}

for (let turn = 0; turn < turns; turn++) {
  // Whoever runs second meets another machine: the order changes from turn to turn.
  const first = turn % 2 === 0 ? 1 : 2;
  const load = loadavg()[0]!;
  const [a, b] = [await measure(`turn ${turn} a`, first), await measure(`turn ${turn} b`, 3 - first)];
  const [one, two] = first === 1 ? [a, b] : [b, a];
  console.log(`turn ${turn + 1}, load ${load.toFixed(1)}, zero_stage ${zero_stage}`);
  for (const [name, seconds] of Object.entries(one.clock))
    show(name, seconds, two.clock[name]!, seconds / (2 * two.clock[name]!));
  show('processor time', one.cpu, two.cpu, one.cpu / two.cpu);
  console.log(
    `  waiting for the other: ${two.idle.map((share) => share.toFixed(3)).join(' and ')} of a step`,
  );
}
for (const [name, values] of shown)
  console.log(`median ${name}: ${values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!.toFixed(2)}`);
