/** @file What trials that measure share: a model that gives a processor something to do, and runs on it by one or two processes. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JsonObject } from '../../../src/base/index.ts';
import { createTinyCheckpoint } from '../../../src/models/index.ts';
import { quickKeys, writeQuestions } from '../../../src/train/test-support.ts';
import { runRanks, startProcess } from '../../support/ranks.ts';

const folder = mkdtempSync(join(tmpdir(), 'twgrpo-trial-'));
createTinyCheckpoint(join(folder, 'model'), {
  ...{ seed: 5, vocab_size: 512, hidden_size: 384, intermediate_size: 1024, num_hidden_layers: 6 },
  ...{ num_attention_heads: 6, num_key_value_heads: 2, vision: { depth: 2, hidden_size: 64, num_heads: 2 } },
});
writeQuestions(folder, 16);

/** Runs `train`, each process with one thread. @returns the run folder */
export async function trialRun(name: string, numRanks: number, keys: JsonObject): Promise<string> {
  const output_dir = join(folder, name);
  const config = join(folder, `${name}.yaml`);
  const values = {
    ...{
      ...quickKeys(folder),
      dtype: 'float32',
      learning_rate: 1e-5,
      num_generations: 8,
      max_completion_length: 48,
    },
    ...{ gradient_accumulation_steps: 2, save_only_model: true, save_steps: 1000, ...keys, output_dir },
  };
  writeFileSync(config, JSON.stringify(values));
  const argv = ['train', '--config', config, '--quiet'];
  if (numRanks > 1) await runRanks(numRanks, argv);
  else {
    const { code, stderr } = await startProcess(argv).ended;
    if (code !== 0) throw new Error(stderr);
  }
  return output_dir;
}
