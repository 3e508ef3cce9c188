/** @file Model folders as other programs save them: names, flags and files that differ from what transformers writes today. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { checkpointDir } from '../../tests/support/model-goldens.ts';
import type { CheckpointError } from '../base/index.ts';
import { loadCheckpoint, saveCheckpoint } from '../io/index.ts';
import { liveTensors, scope, type Tensor, tensor, zeros } from '../tensor/index.ts';
import { inspectFolder } from './inspect.ts';
import { openModelFolder } from './model-folder.ts';

const root = mkdtempSync(join(tmpdir(), 'twgrpo-foreign-'));
afterAll(() => rmSync(root, { recursive: true }));
let counter = 0;

type Json = Record<string, unknown>;

/** A copy of a golden folder with its config changed, and its weights under other names or with other tensors. */
function changed(
  from: string,
  {
    config = () => {},
    weights = (stored) => stored,
  }: {
    readonly config?: (json: Json & { text_config: Json }) => void;
    readonly weights?: (stored: Map<string, Tensor>) => Map<string, Tensor>;
  },
): string {
  const dir = join(root, String(counter++));
  cpSync(checkpointDir(from), dir, { recursive: true });
  const file = join(dir, 'config.json');
  const json = JSON.parse(readFileSync(file, 'utf8'));
  config(json);
  writeFileSync(file, JSON.stringify(json));
  scope(() => {
    using files = loadCheckpoint(dir);
    const stored = new Map([...files].map(([key, lazy]) => [key, lazy.read().clone()]));
    for (const name of new Set([...files.values()].map((lazy) => lazy.file))) rmSync(name);
    rmSync(join(dir, 'model.safetensors.index.json'), { force: true });
    saveCheckpoint(dir, weights(stored));
  });
  return dir;
}

const renamed = (change: (key: string) => string) => (stored: Map<string, Tensor>) =>
  new Map([...stored].map(([key, value]) => [change(key), value]));

/** The weights of a folder, and what was said while they were read. */
function loaded(dir: string, body: (weights: ReadonlyMap<string, Tensor>) => void = () => {}): string[] {
  const notices: string[] = [];
  const folder = openModelFolder(dir, { notice: (text) => notices.push(text.replaceAll(dir, 'DIR')) });
  const model = folder.loadModel();
  try {
    scope(() => body(model.weights));
  } finally {
    model.dispose();
  }
  return notices;
}

/** Equal to the weights of a golden folder, by name and bit. */
function expectGolden(name: string) {
  return (weights: ReadonlyMap<string, Tensor>) => {
    const golden = openModelFolder(checkpointDir(name)).loadModel();
    try {
      expect([...weights.keys()]).toEqual([...golden.weights.keys()]);
      for (const [key, weight] of golden.weights)
        expect([key, weights.get(key)!.equal(weight)]).toEqual([key, true]);
    } finally {
      golden.dispose();
    }
  };
}

function refused(dir: string): { message: string; hint: string } {
  const before = liveTensors();
  try {
    openModelFolder(dir, { notice: () => {} }).checkWeights();
  } catch (error) {
    const { message, hint = '' } = error as CheckpointError;
    expect(liveTensors()).toBe(before);
    return { message: message.replaceAll(dir, 'DIR'), hint };
  }
  throw new Error('expected a refusal');
}

describe('names under the prefixes of wrappers', () => {
  const published = (key: string) =>
    key.replace('model.language_model.', 'model.').replace('model.visual.', 'visual.');
  it.each([
    ['_orig_mod.', (key: string) => `_orig_mod.${key}`],
    ['module.', (key: string) => `module.${key}`],
    ['base_model.model.', (key: string) => `base_model.model.${key}`],
    ['_fsdp_wrapped_module.', (key: string) => key.replace(/\.(\d+)\./, '.$1._fsdp_wrapped_module.')],
    ['model.', (key: string) => `model.${published(key)}`.replace('model.visual.', 'visual.')],
    ['language_model.', (key: string) => published(key).replace(/^(model|lm_head)\./, 'language_model.$1.')],
  ])('%s is taken off and said', (wrapper, change) => {
    const dir = changed('qwen2-5-vl', { weights: renamed(change) });
    const notices = loaded(dir, expectGolden('qwen2-5-vl'));
    expect(notices).toHaveLength(1);
    expect(notices[0]).toMatch(/^DIR: ".*" was taken off the names of \d+ of \d+ weights$/);
    expect(notices[0]).toContain(`"${wrapper}"`);
  });

  it('an unknown prefix is refused with its name, three examples and how many', () => {
    const { message, hint } = refused(changed('qwen2-5-vl', { weights: renamed((key) => `actor.${key}`) }));
    expect(message).toMatch(
      /\d+ unknown: actor\.[^,]*, actor\.[^,]*, actor\.[^,]*, and \d+ more \(all begin with "actor\."\)$/,
    );
    expect(message.length).toBeLessThan(600);
    expect(hint).toContain('without the prefix');
  });

  it('both generations of names in one folder, and buffers of old versions', () => {
    const dir = changed('qwen2-5-vl-tied', {
      weights: (stored) =>
        renamed((key) =>
          key
            .replace('model.language_model.layers.1', 'model.layers.1')
            .replace('model.visual.blocks.0', 'visual.blocks.0'),
        )(stored)
          .set('model.layers.0.self_attn.rotary_emb.inv_freq', tensor([1, 2]))
          .set('visual.rotary_pos_emb.inv_freq', tensor([1])),
    });
    expect(loaded(dir, expectGolden('qwen2-5-vl-tied'))).toEqual([
      'DIR: passed over 2 buffers: model.layers.0.self_attn.rotary_emb.inv_freq, visual.rotary_pos_emb.inv_freq',
    ]);
  });

  it('an adapter still around its layers', () => {
    const { hint } = refused(
      changed('qwen2-5-vl', {
        weights: renamed((key) => `base_model.model.${key.replace('q_proj.', 'q_proj.base_layer.')}`),
      }),
    );
    expect(hint).toContain('merge_and_unload()');
  });
});

describe('flags for tied embeddings that disagree', () => {
  const flags = (outer: boolean | undefined, inner: boolean) => (json: Json & { text_config: Json }) => {
    if (outer === undefined) delete json['tie_word_embeddings'];
    else json['tie_word_embeddings'] = outer;
    json.text_config['tie_word_embeddings'] = inner;
  };

  it.each([
    ['qwen2-5-vl', false, true, 'the outer one is taken, with the lm_head.weight of the files'],
    ['qwen2-5-vl-tied', false, true, 'the files hold no lm_head.weight, so the embedding serves as head'],
    ['qwen2-5-vl-tied', true, false, 'the outer one is taken, the embedding serves as head'],
  ])('%s, outer %s, inner %s: %s', (folder, outer, inner, taken) => {
    const notices = loaded(changed(folder, { config: flags(outer, inner) }), expectGolden(folder));
    expect(notices).toEqual([
      `DIR/config.json: tie_word_embeddings is ${outer}, but text_config.tie_word_embeddings is ${inner}: ${taken}`,
    ]);
  });

  it('inner alone', () => {
    expect(
      loaded(changed('qwen2-5-vl-tied', { config: flags(undefined, true) }), expectGolden('qwen2-5-vl-tied')),
    ).toEqual([]);
  });
});

describe('an index that lists a head no shard has', () => {
  const withIndex = (tied: boolean) => {
    const dir = changed(tied ? 'qwen2-5-vl-tied' : 'qwen2-5-vl', {
      weights: (stored) => new Map([...stored].filter(([key]) => key !== 'lm_head.weight')),
    });
    using files = loadCheckpoint(dir);
    const weight_map = Object.fromEntries(
      [...files.keys(), 'lm_head.weight'].map((key) => [key, 'model-00001-of-00001.safetensors']),
    );
    cpSync(join(dir, 'model.safetensors'), join(dir, 'model-00001-of-00001.safetensors'));
    rmSync(join(dir, 'model.safetensors'));
    writeFileSync(join(dir, 'model.safetensors.index.json'), JSON.stringify({ weight_map }));
    return dir;
  };

  it('is accepted where the embedding is the head', () => {
    expect(loaded(withIndex(true), expectGolden('qwen2-5-vl-tied'))).toEqual([]);
  });

  it('is refused where the head has its own weights', () => {
    expect(refused(withIndex(false)).message).toContain(
      'lm_head.weight is not in model-00001-of-00001.safetensors',
    );
  });
});

describe('weights that were saved wrongly say how to save them right', () => {
  it('an empty weight (ZeRO-3)', () => {
    const dir = changed('qwen2-5-vl', {
      weights: (stored) => stored.set('model.norm.weight', zeros([0])),
    });
    const { message, hint } = refused(dir);
    expect(message).toContain('1 of another shape or dtype: model.norm.weight is [0], expected [64]');
    expect(hint).toContain('stage3_gather_16bit_weights_on_model_save');
  });

  it('flat weights (FSDP)', () => {
    const dir = changed('qwen2-5-vl', {
      weights: (stored) => new Map([...stored].map(([key, value]) => [key, value.flatten(0, -1).clone()])),
    });
    expect(refused(dir).hint).toContain('FSDP');
  });

  it('a head that is not in the files, another dtype', () => {
    const headless = changed('qwen2-5-vl', {
      weights: (stored) => new Map([...stored].filter(([key]) => key !== 'lm_head.weight')),
    });
    expect(refused(headless).hint).toContain('set tie_word_embeddings to true');
    const whole = changed('qwen2-5-vl', {
      weights: (stored) =>
        new Map(
          [...stored].map(([key, value]) => [
            key,
            key.endsWith('.bias') ? value.to({ dtype: 'float64' }) : value,
          ]),
        ),
    });
    expect(refused(whole).hint).toContain('bfloat16');
  });

  it('a pointer of Git LFS in place of the weights, told once', () => {
    const dir = changed('qwen2-5-vl', {});
    writeFileSync(
      join(dir, 'model.safetensors'),
      'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n',
    );
    const { problems } = inspectFolder(dir);
    expect(problems).toEqual([
      {
        message: `${join(dir, 'model.safetensors')}: a pointer of Git LFS, in place of the weights`,
        hint: expect.stringContaining('git lfs pull'),
      },
    ]);
  });

  it('a resized vocabulary', () => {
    const dir = changed('qwen2-5-vl', { config: (json) => (json.text_config['vocab_size'] = 520) });
    expect(refused(dir).hint).toContain('set vocab_size in config.json to 512');
  });

  it('a language model without its tower', () => {
    const dir = changed('qwen2-5-vl', {
      weights: (stored) => new Map([...stored].filter(([key]) => !key.includes('visual.'))),
    });
    const { message, hint } = refused(dir);
    expect(message).toContain('(all begin with "visual.")');
    expect(hint).toContain('The vision tower is not in the files');
  });

  it.each([
    ['pytorch_model-00001-of-00002.bin', 'Pickled weights are never loaded'],
    ['model-Q4_K_M.gguf', 'GGUF files are quantized for another program'],
    ['global_step100', 'zero_to_fp32.py'],
  ])('a folder with %s alone', (name, hint) => {
    const dir = changed('qwen2-5-vl', {});
    rmSync(join(dir, 'model.safetensors'));
    writeFileSync(join(dir, name), '');
    const error = refused(dir);
    expect(error.message).toContain(
      `DIR: no model.safetensors and no model.safetensors.index.json, but ${name}`,
    );
    expect(error.hint).toContain(hint);
  });

  it('an adapter, or a file, in the place of a model', () => {
    const dir = join(root, String(counter++));
    cpSync(checkpointDir('../qwen2_5_vl/lora'), dir, { recursive: true });
    expect(refused(dir).message).toBe('DIR: an adapter, where a model was expected');
    const file = join(root, 'model.gguf');
    writeFileSync(file, '');
    expect(refused(file)).toEqual({
      message: 'DIR: a file, where the folder of a model was expected',
      hint: 'GGUF files are quantized for another program: give the folder with the original safetensors weights',
    });
  });
});
