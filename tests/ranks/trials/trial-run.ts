/** @file What trials that measure share: a model that gives a processor something to do, and runs on it by one or two processes. */
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { JsonObject } from '../../../src/base/index.ts';
import { createTinyCheckpoint } from '../../../src/models/index.ts';
import { quickKeys, writeQuestions } from '../../../src/train/test-support.ts';
import { startProcess, startRanks } from '../../support/ranks.ts';

const folder = mkdtempSync(join(tmpdir(), 'twgrpo-trial-'));
createTinyCheckpoint(join(folder, 'model'), {
  ...{ seed: 5, vocab_size: 512, hidden_size: 256, intermediate_size: 768, num_hidden_layers: 4 },
  ...{ num_attention_heads: 4, num_key_value_heads: 2, vision: { depth: 2, hidden_size: 64, num_heads: 2 } },
});
writeQuestions(folder, 16);

/** Clock ticks of the kernel in a second, as Linux counts them for processes. */
const TICKS_PER_S = 100;

/** Milliseconds of processor time that a process has used; 0 once it has ended. */
function cpuMs(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return ((Number(fields[11]) + Number(fields[12])) / TICKS_PER_S) * 1000;
  } catch {
    return 0; // it has ended
  }
}

export interface TrialRun {
  readonly output_dir: string;
  /** Processor time of all processes when each row was seen, in milliseconds. */
  readonly cpu: readonly number[];
}

/** Runs `train`, each process with one thread. */
export async function trialRun(name: string, numRanks: number, keys: JsonObject): Promise<TrialRun> {
  const output_dir = join(folder, name);
  const config = join(folder, `${name}.yaml`);
  const values = {
    ...{ ...quickKeys(folder), dtype: 'float32', learning_rate: 1e-5, num_generations: 8 },
    ...{ max_completion_length: 48, gradient_accumulation_steps: 2, save_only_model: true, save_steps: 1000 },
    ...{ ...keys, output_dir },
  };
  writeFileSync(config, JSON.stringify(values));
  const argv = ['train', '--config', config, '--quiet'];
  const ranks = numRanks > 1 ? await startRanks(numRanks, argv) : [startProcess(argv)];
  const rows = join(output_dir, 'metrics.jsonl');
  const numRows = () => (existsSync(rows) ? readFileSync(rows, 'utf8').split('\n').length - 1 : 0);
  const cpu: number[] = [];
  while (ranks.every(({ child }) => child.exitCode === null)) {
    if (numRows() > cpu.length) cpu.push(ranks.reduce((sum, { child }) => sum + cpuMs(child.pid!), 0));
    await sleep(10);
  }
  for (const { code, stderr } of await Promise.all(ranks.map(({ ended }) => ended)))
    if (code !== 0) throw new Error(stderr);
  return { output_dir, cpu };
}
