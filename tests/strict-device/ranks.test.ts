/** @file Two processes whose tensors lie on a device that the host can't read and Gloo does not know. Nothing here has run on a GPU. */
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src/base/index.ts';
import { quickKeys, rowsOf, writeModel, writeQuestions } from '../../src/train/test-support.ts';
import { rankVariables } from '../support/ranks.ts';
import { scratchFolder } from '../support/scratch-folder.ts';
import type { RanksTask, Reduction } from './processes/ranks-run.ts';
import { BUILD_TIMEOUT_MS, buildDevice, runOnDevice, skipReason, titled } from './strict-device.ts';

const folder = scratchFolder();
const onRanks = async <T>(task: RanksTask): Promise<T[]> =>
  await Promise.all(
    (await rankVariables(2)).map((variables) => runOnDevice<T>('ranks-run.ts', task, variables)),
  );

const values = (name: string, keys: JsonObject): JsonObject => ({
  ...{ ...quickKeys(folder), max_steps: 2, dtype: 'float32', gradient_accumulation_steps: 2 },
  ...{ ...keys, output_dir: join(folder, name) },
});

describe.skipIf(skipReason)(titled('two ranks on the strict device'), { timeout: 240_000 }, () => {
  beforeAll(async () => {
    writeModel(folder);
    writeQuestions(folder, 7);
    await buildDevice();
    const task: RanksTask = { kind: 'training', values: values('one', { device: 'cpu' }) };
    await runOnDevice('ranks-run.ts', task);
  }, BUILD_TIMEOUT_MS);

  it('sum gradients without a read by the host: it waits for one event a bucket, and for nothing else', async () => {
    for (const { counts, sums, numLeft } of await onRanks<Reduction>({ kind: 'reduction' })) {
      expect(sums).toEqual([11, 22, 33, 44]);
      // Four buckets: a copy to the host and one back each, both from page-locked memory, and the event behind the first.
      expect(counts.byName).toEqual({ 'copy to host': 4, 'copy to device': 4, synchronizeEvent: 4 });
      expect([counts.launches, counts.waits, numLeft]).toEqual([8, 4, 0]);
    }
  });

  it('train as one process on the processor does, with everything in parts', async () => {
    const zero_stage = 3;
    await onRanks({
      kind: 'training',
      values: values(`two-${zero_stage}`, { device: 'strict:0', zero_stage }),
    });
    const numbers = (name: string, key: string) => rowsOf(join(folder, name)).map((row) => Number(row[key]));
    const isClose = (key: string, atol: number) =>
      expect(numbers(`two-${zero_stage}`, key)).toBeAllclose(numbers('one', key), { rtol: 1e-5, atol });
    expect(numbers('one', 'loss')).toHaveLength(2);
    isClose('loss', 2e-7);
    for (const key of ['grad_norm', 'entropy', 'rewards/accuracy/mean', 'completions/mean_length'])
      isClose(key, 0);
  });
});
