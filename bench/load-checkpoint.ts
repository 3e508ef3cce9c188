/**
 * @file Memory and time to load a checkpoint: a multi-shard folder of about 2 GB is generated, then loaded in fresh
 * processes, and the peak of resident memory (VmHWM) is held against the size of the files.
 *
 *   mapped    weights as stored, nothing touched: the cost of opening
 *   read      weights as stored, every byte read once (a sum over each weight)
 *   float32   cast while loading: the result is twice the files, beside it at most one shard
 *   saved     every byte read, then written again to another folder
 *
 *   npm run bench -- load-checkpoint [--gigabytes 2] [--folder DIR]     DIR is kept and reused
 */
import { existsSync, rmSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { createTinyCheckpoint, loadWeights, readModelConfig, saveModelFolder } from '../src/models/index.ts';
import { scope } from '../src/tensor/index.ts';
import { peakBytes, statusBytes } from './harness.ts';
import { gigabytes, runChild, weightBytes, withFolder } from './measured-child.ts';

const { values } = parseArgs({
  options: {
    gigabytes: { type: 'string', default: '2' },
    folder: { type: 'string' },
    mode: { type: 'string' },
  },
});

if (values.mode !== undefined && values.folder !== undefined) child(values.mode, values.folder);
else parent();

interface Report {
  readonly seconds: number;
  /** Bytes of resident memory: the most at any time, of mapped files at the end, of its own at the end. */
  readonly peak: number;
  readonly mapped: number;
  readonly own: number;
}

function parent(): void {
  withFolder(values.folder, (folder) => {
    if (!existsSync(folder)) generate(folder, Number(values.gigabytes) * 1e9);
    const bytes = weightBytes(folder);
    const run = (mode: string) => runChild<Report>(import.meta.url, mode, folder);
    console.log('mode      seconds   peak GB   peak / files   at the end: mapped GB   own GB');
    const start = run('start');
    for (const mode of ['mapped', 'read', 'float32', 'saved']) {
      const { seconds, peak, mapped, own } = run(mode);
      const columns = [
        seconds.toFixed(2).padStart(8),
        gigabytes(peak).padStart(9),
        ((peak - start.peak) / bytes).toFixed(2).padStart(14),
        gigabytes(mapped - start.mapped).padStart(23),
        gigabytes(own - start.own).padStart(8),
      ];
      console.log(`${mode.padEnd(8)} ${columns.join(' ')}`);
    }
    console.log(
      `(a process that only loads the engine peaks at ${gigabytes(start.peak)} GB, taken off in the ratio)`,
    );
  });
}

function child(mode: string, folder: string): void {
  const begin = performance.now();
  const report = scope((): Report => {
    if (mode !== 'start') {
      const config = readModelConfig(folder);
      const weights = loadWeights(folder, config, mode === 'float32' ? { dtype: 'float32' } : {});
      const copy = `${folder}-saved`;
      if (mode === 'read') {
        for (const weight of weights.values()) scope(() => weight.view([-1]).view('uint8').max().item());
      }
      if (mode === 'saved') {
        saveModelFolder(copy, config, weights, { replace: true, max_shard_size: 5e8 });
        rmSync(copy, { recursive: true });
      }
    }
    return {
      seconds: (performance.now() - begin) / 1000,
      peak: peakBytes(),
      mapped: statusBytes('RssFile'),
      own: statusBytes('RssAnon'),
    };
  });
  console.log(JSON.stringify(report));
}

/** A bfloat16 folder of about `bytes`, in shards of 500 MB: nearly all of it decoder layers. */
function generate(folder: string, bytes: number): void {
  const hidden_size = 2048;
  const intermediate_size = 8192;
  const layer = 2 * (hidden_size * hidden_size * 3 + hidden_size * intermediate_size * 3);
  createTinyCheckpoint(folder, {
    dtype: 'bfloat16',
    hidden_size,
    intermediate_size,
    num_attention_heads: 16,
    num_key_value_heads: 8,
    num_hidden_layers: Math.max(1, Math.round(bytes / layer)),
    max_shard_size: 5e8,
  });
}
