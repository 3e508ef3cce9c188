/** @file What the tests of this folder share: runs of one or several processes on a tiny model, and comparing them. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { JsonObject } from '../../src/base/index.ts';
import { loadCheckpoint, openSafetensors } from '../../src/io/index.ts';
import { noGrad, scope } from '../../src/tensor/index.ts';
import { quickKeys, rowsOf, writeModel, writeQuestions } from '../../src/train/test-support.ts';
import { runRanks } from '../support/ranks.ts';
import { runCommand } from '../support/run-command.ts';

/** Whether there is time for what says no more than the rest: `npm run trial:zero`. */
export const hasTime = process.env['TWGRPO_TRIALS'] !== undefined;

/** A run folder. */
export type TrainRanks = string;

/** Columns of a row that every number of processes must agree on: neither times, nor memory, nor rounding itself. */
export const isAgreed = (key: string): boolean =>
  !/^(time\/|memory\/|idle_share\/|wire_bytes|step_time|tokens_per_second|live_tensors|sampling\/)/.test(key);

/** A model and seven questions in `folder`, and what is done with them. */
export function trainer(folder: string) {
  writeModel(folder);
  writeQuestions(folder, 7);
  return {
    /** Runs `train` with these keys on so many ranks. @returns the run folder */
    async train(
      name: string,
      numRanks: number,
      keys: JsonObject,
      more: readonly string[] = [],
    ): Promise<TrainRanks> {
      const output_dir = join(folder, `${name}-${numRanks}`);
      const config = join(folder, `${name}-${numRanks}.yaml`);
      const values = { ...quickKeys(folder), dtype: 'float32', learning_rate: 1e-4, ...keys, output_dir };
      writeFileSync(config, JSON.stringify(values));
      const argv = ['train', '--config', config, '--quiet', ...more];
      if (numRanks > 1) await runRanks(numRanks, argv);
      else expect(await runCommand(...argv)).toMatchObject({ code: 0 });
      return output_dir;
    },
    /** Largest difference of any weight of two checkpoints, or of any number of their adapters. */
    weightsApart(a: string, b: string): number {
      return scope(() =>
        noGrad(() => {
          const [one, other] = [a, b].map((path) => {
            const adapter = join(path, 'adapter_model.safetensors');
            return existsSync(adapter) ? openSafetensors(adapter) : loadCheckpoint(path);
          }) as [ReturnType<typeof loadCheckpoint>, ReturnType<typeof loadCheckpoint>];
          expect([...one.keys()]).toEqual([...other.keys()]);
          const apart = [...one].map(([name, lazy]) => {
            const [x, y] = [lazy.read(), other.get(name)!.read()].map((tensor) =>
              tensor.to({ dtype: 'float32' }),
            );
            return x!.sub(y!).abs().max().item() as number;
          });
          return Math.max(...apart);
        }),
      );
    },
    completionsOf: (run: string, step: number): string[] =>
      readFileSync(join(run, 'completions', `step-${String(step).padStart(6, '0')}.jsonl`), 'utf8')
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { completion: string }).completion),
    /** Every number of every row, in one order. @param isOne which, of those that all must agree on */
    numbersOf: (run: string, isOne: (key: string) => boolean = () => true): number[] =>
      rowsOf(run).flatMap((row) =>
        Object.keys(row)
          .filter((key) => isAgreed(key) && isOne(key))
          .sort()
          .map((key) => Number(row[key])),
      ),
  };
}
