/**
 * @file Memory and time to load a checkpoint: a multi-shard folder of about 2 GB is generated, then loaded in fresh
 * processes, and the peak of resident memory (VmHWM) is held against the size of the files.
 *
 *   mapped    weights as stored, nothing touched: the cost of opening
 *   read      weights as stored, every byte read once (a sum over each weight)
 *   float32   cast while loading: the result is twice the files, beside it at most one shard
 *   saved     every byte read, then written again to another folder
 *
 * Run:  node bench/load-checkpoint.mjs [--gigabytes 2] [--folder DIR]     (build first; DIR is kept and reused)
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  createTinyCheckpoint,
  loadWeights,
  readModelConfig,
  saveModelFolder,
} from '../build/js/models/index.js';
import { scope } from '../build/js/tensor/index.js';

const { values } = parseArgs({
  options: {
    gigabytes: { type: 'string', default: '2' },
    folder: { type: 'string' },
    mode: { type: 'string' },
  },
});

if (values.mode !== undefined) child(values.mode, values.folder);
else parent();

function parent() {
  const root = values.folder ?? mkdtempSync(join(tmpdir(), 'twgrpo-load-'));
  const folder = join(root, 'model');
  try {
    if (!existsSync(folder)) generate(folder, Number(values.gigabytes) * 1e9);
    const files = readdirSync(folder).filter((name) => name.endsWith('.safetensors'));
    const bytes = files.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
    console.log(`${files.length} shards, ${gigabytes(bytes)} GB`);
    console.log('mode      seconds   peak GB   peak / files   at the end: mapped GB   own GB');
    const start = run('start', folder);
    for (const mode of ['mapped', 'read', 'float32', 'saved']) {
      const { seconds, peak, mapped, own } = run(mode, folder);
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
  } finally {
    if (values.folder === undefined) rmSync(root, { recursive: true });
  }
}

function run(mode, folder) {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    [import.meta.filename, '--mode', mode, '--folder', folder],
    {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

function child(mode, folder) {
  const begin = performance.now();
  const report = scope(() => {
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
    const status = readFileSync('/proc/self/status', 'utf8');
    const bytes = (key) => Number(new RegExp(`${key}:\\s+(\\d+)`).exec(status)[1]) * 1024;
    return {
      seconds: (performance.now() - begin) / 1000,
      peak: bytes('VmHWM'),
      mapped: bytes('RssFile'),
      own: bytes('RssAnon'),
    };
  });
  console.log(JSON.stringify(report));
}

/** A bfloat16 folder of about `bytes`, in shards of 500 MB: nearly all of it decoder layers. */
function generate(folder, bytes) {
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

function gigabytes(bytes) {
  return (bytes / 1e9).toFixed(2);
}
