import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { freeAfterwards } from '../../tests/support/model-goldens.ts';
import { scratchFolder } from '../../tests/support/scratch-folder.ts';
import { CheckpointError, DataError } from '../base/index.ts';
import { loadCheckpoint, openSafetensors, saveCheckpoint } from '../io/index.ts';
import { dispose, liveTensors, scope, type Tensor, tensor } from '../tensor/index.ts';
import { familyOf, readModelConfig } from './families.ts';
import { createTinyCheckpoint } from './tiny/tiny-checkpoint.ts';
import { loadWeights, saveModelFolder } from './weights.ts';

const CHECKPOINTS = fileURLToPath(new URL('../../tests/goldens/checkpoints/', import.meta.url));
const FOLDERS = ['qwen2-5-vl', 'qwen2-5-vl-flat', 'qwen2-5-vl-tied', 'qwen2-vl'];
const root = scratchFolder();
let counter = 0;
const fresh = () => join(root, String(counter++));
const load = (dir: string, options = {}) => loadWeights(dir, readModelConfig(dir), options);
const bits = (weight: Tensor | undefined) => weight?.toTypedArray();

describe('loadWeights', () => {
  it.each(FOLDERS)('finds exactly the weights transformers saved, in either layout: %s', (folder) => {
    scope(() => {
      const dir = `${CHECKPOINTS}${folder}`;
      const config = readModelConfig(dir);
      const weights = loadWeights(dir, config);
      expect([...weights.keys()]).toEqual([...familyOf(config).weightShapes(config).keys()]);
      expect(weights.size).toBe(loadCheckpoint(dir).size);
      expect(weights.get('visual.blocks.0.attn.qkv.weight')?.dtype).toBe(config.dtype);
    });
  });

  it('both layouts name the same tensors', () => {
    scope(() => {
      const stored = openSafetensors(`${CHECKPOINTS}qwen2-5-vl-tied/model.safetensors`);
      const weights = load(`${CHECKPOINTS}qwen2-5-vl-tied`);
      freeAfterwards(() => stored.close());
      for (const [ours, theirs] of [
        ['model.norm.weight', 'model.language_model.norm.weight'],
        ['visual.merger.mlp.2.bias', 'model.visual.merger.mlp.2.bias'],
      ] as const) {
        expect(bits(weights.get(ours))).toEqual(bits(stored.get(theirs)?.read()));
      }
    });
  });

  it('casts on demand, and leaves only the weights behind', () => {
    const before = liveTensors();
    const weights = load(`${CHECKPOINTS}qwen2-5-vl-flat`, { dtype: 'float32' });
    expect(new Set([...weights.values()].map(({ dtype }) => dtype))).toEqual(new Set(['float32']));
    expect(liveTensors()).toBe(before + weights.size);
    scope(() => {
      const stored = load(`${CHECKPOINTS}qwen2-5-vl-flat`);
      for (const [name, weight] of weights) {
        expect(weight.to({ dtype: 'bfloat16' }).equal(stored.get(name)!)).toBe(true);
      }
    });
    dispose(weights);
    expect(liveTensors()).toBe(before);
  });

  it('a tied folder may store the head all the same, if it is the embedding', () => {
    scope(() => {
      const dir = `${CHECKPOINTS}qwen2-5-vl-tied`;
      const withHead = (head: Tensor) => {
        const copy = fresh();
        cpSync(dir, copy, { recursive: true });
        saveCheckpoint(copy, new Map([...load(dir), ['lm_head.weight', head]]));
        return copy;
      };
      const embedding = load(dir).get('model.embed_tokens.weight')!;
      expect(load(withHead(embedding)).has('lm_head.weight')).toBe(false);
      const other = withHead(embedding.mul(2));
      const before = liveTensors();
      expect(() => load(other)).toThrow(/lm_head\.weight differs from the embedding/);
      expect(liveTensors()).toBe(before);
    });
  });
});

describe('weights that do not fit are refused', () => {
  it('every missing, unknown and mis-shaped key in one error', () => {
    scope(() => {
      const dir = fresh();
      cpSync(`${CHECKPOINTS}qwen2-vl`, dir, { recursive: true });
      const weights = load(dir);
      weights.delete('model.norm.weight');
      weights.delete('visual.blocks.1.norm1.bias');
      weights.set('model.layers.0.mlp.up_proj.weight', tensor([1, 2]));
      weights.set(
        'visual.patch_embed.proj.weight',
        weights.get('visual.patch_embed.proj.weight')!.to({ dtype: 'float64' }),
      );
      weights.set('model.layers.2.extra', tensor([1]));
      saveCheckpoint(dir, weights);
      const message = (() => {
        try {
          load(dir);
        } catch (error) {
          expect(error).toBeInstanceOf(CheckpointError);
          expect((error as CheckpointError).exitCode).toBe(3);
          return (error as Error).message;
        }
        return '';
      })();
      expect(message).toContain(dir);
      expect(message).toContain('2 missing: visual.blocks.1.norm1.bias, model.norm.weight');
      expect(message).toContain('1 unknown: model.layers.2.extra');
      expect(message).toContain('model.layers.0.mlp.up_proj.weight is [2], expected [112, 64]');
      expect(message).toContain(
        'visual.patch_embed.proj.weight is float64, expected float32, bfloat16, float16',
      );
    });
  });

  it('two layouts of one weight at once', () => {
    scope(() => {
      const dir = fresh();
      cpSync(`${CHECKPOINTS}qwen2-5-vl-tied`, dir, { recursive: true });
      const weights = load(dir);
      saveCheckpoint(dir, weights.set('model.language_model.norm.weight', weights.get('model.norm.weight')!));
      expect(() => load(dir)).toThrow(
        /model\.language_model\.norm\.weight and model\.norm\.weight are the same/,
      );
    });
  });

  it('a shard cut short, a shard gone', () => {
    const dir = fresh();
    cpSync(`${CHECKPOINTS}qwen2-5-vl-flat`, dir, { recursive: true });
    const shard = join(dir, 'model-00003-of-00004.safetensors');
    writeFileSync(shard, readFileSync(shard).subarray(0, -1));
    expect(() => load(dir)).toThrow(/model-00003-of-00004\.safetensors: .* cut short/);
    rmSync(shard);
    expect(() => load(dir)).toThrow(
      /index\.json: (visual|model)\.[\w.]+: shard model-00003-of-00004\.safetensors is missing/,
    );
  });
});

describe('saveModelFolder', () => {
  it.each(FOLDERS)('writes a folder that reads back bit for bit, companions included: %s', (folder) => {
    scope(() => {
      const from = `${CHECKPOINTS}${folder}`;
      const config = readModelConfig(from);
      const weights = loadWeights(from, config);
      const dir = fresh();
      saveModelFolder(dir, config, weights, { from, max_shard_size: 200_000 });
      expect(readModelConfig(dir)).toEqual(config);
      const back = load(dir);
      for (const [name, weight] of weights) expect(back.get(name)!.equal(weight)).toBe(true);
      const weightFile = /safetensors/;
      const companions = (at: string) => readdirSync(at).filter((name) => !weightFile.test(name));
      expect(companions(dir).sort()).toEqual(companions(from).sort());
      expect(readdirSync(dir).filter((name) => weightFile.test(name)).length).toBeGreaterThan(2);
      expect([...loadCheckpoint(dir).keys()].some((key) => key.startsWith('model.visual'))).toBe(false);
    });
  });

  it('refuses weights that do not fit the config and folders that exist, and then leaves nothing behind', () => {
    scope(() => {
      const from = fresh();
      const config = createTinyCheckpoint(from);
      const weights = loadWeights(from, config);
      expect(() => saveModelFolder(from, config, weights)).toThrow(DataError);
      const other = fresh();
      const { 'model.norm.weight': _, ...rest } = Object.fromEntries(weights);
      expect(() => saveModelFolder(other, config, new Map(Object.entries(rest)))).toThrow(
        /1 missing: model\.norm\.weight/,
      );
      expect(readdirSync(root).some((name) => name.startsWith('.tmp-'))).toBe(false);
      saveModelFolder(from, config, weights, { replace: true, from });
      expect([...load(from).keys()]).toEqual([...weights.keys()]);
    });
  });
});
