/** @file The small files of a model folder and of an adapter, one of them changed: configuration, tokenizer, processor, index, pattern. */
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspectFolder, openModelFolder } from '../../../src/models/index.ts';
import { mutateBytes, mutateJson } from '../mutate.ts';
import type { FuzzTarget } from '../target.ts';

const GOLDENS = join(import.meta.dirname, '../../goldens');
const MODEL = join(GOLDENS, 'checkpoints/qwen2-5-vl-flat');
const ADAPTER = join(GOLDENS, 'qwen2_5_vl/lora');
const FILES: readonly (readonly [folder: string, name: string])[] = [
  [MODEL, 'config.json'],
  [MODEL, 'generation_config.json'],
  [MODEL, 'preprocessor_config.json'],
  [MODEL, 'tokenizer_config.json'],
  [MODEL, 'tokenizer.json'],
  [MODEL, 'chat_template.json'],
  [MODEL, 'model.safetensors.index.json'],
  [ADAPTER, 'adapter_config.json'],
];
const KEYS = [
  '__proto__',
  'text_config',
  'vision_config',
  'rope_scaling',
  'quantization_config',
  'rank_pattern',
  'Regex',
];

/** The first byte is the place in `FILES`, the rest is the file. */
const seed = (index: number, text: string | Uint8Array): Uint8Array =>
  Buffer.concat([Uint8Array.of(index), Buffer.from(text)]);

export const modelFolder: FuzzTarget = {
  name: 'model-folder',
  wanted: 5000,
  limitS: 20,
  seeds: () => FILES.map(([folder, name], index) => seed(index, readFileSync(join(folder, name)))),
  mutate: (random, input, others) => {
    const index = input[0]! % FILES.length;
    const text = Buffer.from(input.subarray(1)).toString('utf8');
    if (random.below(4) === 0) return seed(index, mutateBytes(random, input.subarray(1), others));
    try {
      return seed(index, JSON.stringify(mutateJson(random, JSON.parse(text), KEYS)) ?? '');
    } catch {
      return seed(index, mutateBytes(random, input.subarray(1), others));
    }
  },
  run: (input, scratch) => {
    const [from, name] = FILES[input[0]! % FILES.length]!;
    const folder = join(scratch, from === MODEL ? 'model' : 'adapter');
    mkdirSync(scratch, { recursive: true });
    if (!existsSync(folder)) cpSync(from, folder, { recursive: true });
    writeFileSync(join(folder, name), input.subarray(1));
    try {
      if (from === ADAPTER) return inspectFolder(folder).problems.length === 0;
      const model = openModelFolder(folder, { notice: () => {} });
      const { config, generation, processor, banned_token_ids } = model;
      model.checkWeights();
      const messages = [{ role: 'user', content: [{ type: 'text' as const, text: 'What falls?' }] }];
      processor.tokenizer.decode(processor.tokenizer.encode(processor.render({ messages })));
      return config !== undefined && generation !== undefined && banned_token_ids.length >= 0;
    } finally {
      if (existsSync(join(from, name))) cpSync(join(from, name), join(folder, name));
      else rmSync(join(folder, name));
    }
  },
};
