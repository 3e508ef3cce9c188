import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  checkpointDir,
  goldenDir,
  lastLogits,
  type Packed,
  type PromptGolden,
  readGolden,
  unpack,
} from '../../tests/support/model-goldens.ts';
import { DataError } from '../base/index.ts';
import { openSafetensors } from '../io/index.ts';
import { liveTensors, scope } from '../tensor/index.ts';
import { mergeAdapter } from './merge.ts';
import type { VideoLanguageModel } from './model.ts';
import { openModelFolder } from './model-folder.ts';

type Golden = PromptGolden & { readonly logits_last: Packed; readonly checkpoint: string };
const goldens: Record<string, Golden> = {
  ...readGolden<Record<string, Golden>>('adapters.json'),
  '../lora': { ...readGolden<Golden>('lora.json'), checkpoint: 'qwen2-5-vl' },
};
const adapterDir = (name: string) => join(goldenDir(), 'adapters', name);
const scratch = mkdtempSync(join(tmpdir(), 'twgrpo-merge-'));
afterAll(() => rmSync(scratch, { recursive: true }));
let counter = 0;
const fresh = () => join(scratch, String(counter++));

describe('mergeAdapter', () => {
  it.each(Object.keys(goldens))('%s: without the adapter the logits PEFT gives with it', (name) => {
    const golden = goldens[name]!;
    const from = checkpointDir(golden.checkpoint);
    const before = liveTensors();
    const dir = fresh();
    mergeAdapter({ model: from, adapter: adapterDir(name), output_dir: dir });
    expect(liveTensors()).toBe(before);
    const model = openModelFolder(dir).loadModel({ dtype: 'float32', text_after_vision: 'spatial' });
    try {
      // The tied checkpoint is stored in bfloat16, which rounds what PEFT kept in float32.
      const atol = golden.checkpoint === 'qwen2-5-vl-tied' ? 0.15 : 1e-4;
      expect(lastLogits(model, golden)).toBeAllclose(unpack(golden.logits_last), { rtol: 0, atol });
      expect(model.config.tie_word_embeddings).toBe(false);
    } finally {
      model.dispose();
    }
    expect(openModelFolder(dir).processor.tokenizer.size).toBe(
      openModelFolder(from).processor.tokenizer.size,
    );
  });

  it('keeps the dtype of the files, rounds once, and leaves other weights as they are, in shards', () => {
    const from = checkpointDir('qwen2-5-vl-flat');
    const dir = fresh();
    const seen: string[] = [];
    const result = mergeAdapter({
      model: from,
      adapter: adapterDir('../lora'),
      output_dir: dir,
      max_shard_size: 100_000,
      onProgress: (done, total) => seen.push(`${done}/${total}`),
    });
    expect(result.layers).toBe(8);
    expect(result.files.at(-1)).toBe('model.safetensors.index.json');
    expect(result.files.length).toBeGreaterThan(3);
    const notWeights = (at: string) =>
      readdirSync(at)
        .filter((name) => !name.includes('safetensors'))
        .sort();
    expect(notWeights(dir)).toEqual(notWeights(from));
    const [base, merged] = [from, dir].map((folder) => openModelFolder(folder).loadModel()) as [
      VideoLanguageModel,
      VideoLanguageModel,
    ];
    const { size } = merged.weights;
    expect(seen).toEqual(Array.from({ length: size }, (_, i) => `${i + 1}/${size}`));
    using adapter = openSafetensors(join(adapterDir('../lora'), 'adapter_model.safetensors'));
    let changed = 0;
    scope(() => {
      for (const [name, stored] of base.weights) {
        const now = merged.weights.get(name)!;
        expect([name, now.dtype]).toEqual([name, 'bfloat16']);
        const key = `base_model.model.${name.replace(/^model\./, 'model.language_model.').replace(/\.weight$/, '')}`;
        const A = adapter.get(`${key}.lora_A.weight`);
        if (A === undefined) {
          expect([name, now.equal(stored)]).toEqual([name, true]);
          continue;
        }
        changed++;
        const B = adapter.get(`${key}.lora_B.weight`)!;
        const double = { dtype: 'float64' } as const;
        const exact = stored.to(double).add(
          B.read()
            .to(double)
            .matmul(A.read().to(double))
            .mul(6 / 4),
        );
        // Half a step of bfloat16.
        expect(now.to(double)).toBeAllclose(exact, { rtol: 2 ** -8, atol: 1e-7 });
      }
    });
    base.dispose();
    merged.dispose();
    expect(changed).toBe(8);
  });

  it('refuses a folder that exists, and leaves nothing behind after a failure', () => {
    const model = checkpointDir('qwen2-5-vl');
    const adapter = adapterDir('../lora');
    expect(() => mergeAdapter({ model, adapter, output_dir: scratch })).toThrow(DataError);
    const other = fresh();
    cpSync(adapter, other, { recursive: true });
    rmSync(join(other, 'adapter_model.safetensors'));
    expect(() => mergeAdapter({ model, adapter: other, output_dir: fresh() })).toThrow(
      'no adapter_model.safetensors',
    );
    const tied = checkpointDir('qwen2-vl');
    expect(() =>
      mergeAdapter({ model: tied, adapter: adapterDir('named-group'), output_dir: fresh() }),
    ).toThrow('the model has no such layer');
    expect(readdirSync(scratch).some((name) => name.startsWith('.tmp-'))).toBe(false);
  });
});
