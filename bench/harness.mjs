/**
 * @file What every benchmark shares: where it ran, turns taken by both sides, medians, and a table.
 *
 * Sides are measured in turns within one run, because a machine's speed moves by more between runs than the
 * differences of interest; a ratio is the median over the turns' own ratios. Nothing is asserted.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** What set-up found: `torch_version`, `python` and more, or {} before set-up. */
export function engineFile() {
  try {
    return JSON.parse(readFileSync(path.join(root, 'build', 'engine.json'), 'utf8'));
  } catch {
    return {};
  }
}

export function machine() {
  const cpus = os.cpus();
  let commit;
  try {
    commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], {
      cwd: root,
      encoding: 'utf8',
      stdio: 'pipe',
    }).trim();
  } catch {
    commit = undefined; // not a checkout
  }
  return {
    cpu: cpus[0]?.model.trim(),
    num_cpus: cpus.length,
    memory_gib: Math.round(os.totalmem() / 2 ** 30),
    platform: `${os.platform()} ${os.release()}`,
    node: process.version,
    commit,
    /** Processes that wanted to run, mean of the last minute, before the benchmark began. */
    load_before: os.loadavg()[0],
  };
}

/** One line for people. */
export function describeMachine({ cpu, num_cpus, memory_gib, platform, node, commit, load_before }) {
  const line = `${cpu}, ${num_cpus} CPUs, ${memory_gib} GiB, ${platform}, node ${node}, commit ${commit ?? 'unknown'}`;
  return load_before <= num_cpus / 2
    ? line
    : `${line}\nbusy before this run (load ${load_before.toFixed(1)}): trust ratios and best values, not times`;
}

/** Median, extremes and count of some numbers. */
export function summary(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const median = Number.isInteger(middle)
    ? (sorted[middle - 1] + sorted[middle]) / 2
    : sorted[Math.floor(middle)];
  return { median, min: sorted[0], max: sorted.at(-1), count: sorted.length };
}

/**
 * Lets every side measure once a round, each round in another order.
 *
 * @param sides name -> function that measures once and gives a number (may be async)
 * @returns name -> its numbers, in the order of the rounds
 */
export async function inTurns(sides, rounds) {
  const names = Object.keys(sides);
  const values = Object.fromEntries(names.map((name) => [name, []]));
  for (const name of names) await sides[name](); // warm-up, not counted
  for (let round = 0; round < rounds; round++) {
    const first = round % names.length;
    for (const name of [...names.slice(first), ...names.slice(0, first)])
      values[name].push(await sides[name]());
  }
  return values;
}

/** Median, extremes and count of the rounds' own quotients (or differences). */
export const pairs = (a, b, combine = (x, y) => x / y) => summary(a.map((value, i) => combine(value, b[i])));

/** Rows of cells as aligned text; the first row is the head. */
export function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => String(row[column] ?? '').length)));
  const line = (row) =>
    row
      .map((cell, i) =>
        i === 0 ? String(cell ?? '').padEnd(widths[i]) : String(cell ?? '').padStart(widths[i]),
      )
      .join('  ');
  return [
    line(rows[0]),
    widths.map((width) => '-'.repeat(width)).join('  '),
    ...rows.slice(1).map(line),
  ].join('\n');
}

export const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
