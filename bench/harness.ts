/**
 * @file What every benchmark shares: where it ran, turns taken by both sides, and medians.
 *
 * Sides are measured in turns within one run, because a machine's speed moves by more between runs than the
 * differences of interest; a ratio is the median over the turns' own ratios. Nothing is asserted.
 */
import { readFileSync } from 'node:fs';
import os from 'node:os';
import { gitCommit, median, packageRoot, readEngineFile } from '../src/base/index.ts';

export const root = packageRoot();

/** The Python whose PyTorch is the engine, where set-up found one. */
export function enginePython(): string | undefined {
  return readEngineFile()?.python ?? undefined;
}

export interface Machine {
  readonly cpu: string | undefined;
  readonly num_cpus: number;
  readonly memory_gib: number;
  readonly platform: string;
  readonly node: string;
  /** Absent where this is no checkout. */
  readonly commit: string | undefined;
  /** Processes that wanted to run, mean of the last minute, before the benchmark began. */
  readonly load_before: number;
}

export function machine(): Machine {
  const cpus = os.cpus();
  return {
    cpu: cpus[0]?.model.trim(),
    num_cpus: cpus.length,
    memory_gib: Math.round(os.totalmem() / 2 ** 30),
    platform: `${os.platform()} ${os.release()}`,
    node: process.version,
    commit: gitCommit(root)?.slice(0, 7),
    load_before: os.loadavg()[0]!,
  };
}

/** One line for people. */
export function describeMachine({
  cpu,
  num_cpus,
  memory_gib,
  platform,
  node,
  commit,
  load_before,
}: Machine): string {
  const line = `${cpu}, ${num_cpus} CPUs, ${memory_gib} GiB, ${platform}, node ${node}, commit ${commit ?? 'unknown'}`;
  return load_before <= num_cpus / 2
    ? line
    : `${line}\nbusy before this run (load ${load_before.toFixed(1)}): trust ratios and best values, not times`;
}

export interface Summary {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly count: number;
}

/** Median, extremes and count of some numbers. */
export function summary(values: readonly number[]): Summary {
  return {
    median: median(values),
    min: Math.min(...values),
    max: Math.max(...values),
    count: values.length,
  };
}

/**
 * Lets every side measure once a round, each round in another order.
 *
 * @param sides name -> function that measures once and gives a number (may be async)
 * @returns name -> its numbers, in the order of the rounds
 */
export async function inTurns<Name extends string, Value>(
  sides: Readonly<Record<Name, () => Value | Promise<Value>>>,
  rounds: number,
): Promise<Record<Name, Value[]>> {
  const names = Object.keys(sides) as Name[];
  const values = Object.fromEntries(names.map((name) => [name, [] as Value[]])) as Record<Name, Value[]>;
  for (const name of names) await sides[name](); // warm-up, not counted
  for (let round = 0; round < rounds; round++) {
    const first = round % names.length;
    for (const name of [...names.slice(first), ...names.slice(0, first)])
      values[name].push(await sides[name]());
  }
  return values;
}

/** Median, extremes and count of the rounds' own quotients (or differences). */
export const pairs = (
  a: readonly number[],
  b: readonly number[],
  combine = (x: number, y: number): number => x / y,
): Summary => summary(a.map((value, i) => combine(value, b[i]!)));

export const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Peak of this process's resident memory, in bytes, as the kernel counts it (Linux). */
export function peakBytes(): number {
  return statusBytes('VmHWM');
}

/** A figure of /proc/self/status in bytes. */
export function statusBytes(key: string): number {
  return procBytes('/proc/self/status', key);
}

/** Memory that programs can still get, in bytes (Linux). */
export function availableBytes(): number {
  return procBytes('/proc/meminfo', 'MemAvailable');
}

function procBytes(file: string, key: string): number {
  const kib = new RegExp(`${key}:\\s+(\\d+)`).exec(readFileSync(file, 'utf8'))?.[1];
  if (kib === undefined) throw new Error(`${file} has no ${key}`);
  return Number(kib) * 1024;
}
