/** @file Adapters as others save them: the logits PEFT gives, what the file decides against its config, and what is refused. */
import { cpSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  freeAfterwards,
  goldenDir,
  lastLogits,
  loadGoldenModel,
  type Packed,
  type PromptGolden,
  readGolden,
  unpack,
} from '../../../tests/support/model-goldens.ts';
import type { CheckpointError } from '../../base/index.ts';
import { openSafetensors, saveSafetensors } from '../../io/index.ts';
import { dispose, scope, type Tensor, zeros } from '../../tensor/index.ts';
import type { VideoLanguageModel } from '../model.ts';
import { loadLora, writeLoraFiles } from './lora-files.ts';
import { matches, patternValue } from './module-names.ts';

interface AdapterGolden extends PromptGolden {
  readonly checkpoint: string;
  readonly logits_last: Packed;
}

const goldens = readGolden<Record<string, AdapterGolden>>('adapters.json');
const adapterDir = (name: string) => join(goldenDir(), 'adapters', name);
const plain = join(goldenDir(), 'lora');
const scratch = mkdtempSync(join(tmpdir(), 'twgrpo-adapters-'));
afterAll(() => rmSync(scratch, { recursive: true }));
let counter = 0;

interface Change {
  readonly config?: Readonly<Record<string, unknown>>;
  readonly tensors?: (stored: Map<string, Tensor>) => Map<string, Tensor>;
}

/** A copy of an adapter folder with another config or other tensors. */
function changed(from: string, { config = {}, tensors }: Change): string {
  const dir = join(scratch, String(counter++));
  cpSync(from, dir, { recursive: true });
  const file = join(dir, 'adapter_config.json');
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), ...config }));
  if (tensors !== undefined) {
    const weights = join(dir, 'adapter_model.safetensors');
    scope(() => {
      using files = openSafetensors(weights);
      const stored = new Map([...files].map(([key, lazy]) => [key, lazy.read().clone()]));
      saveSafetensors(weights, tensors(stored));
    });
  }
  return dir;
}

const renamed = (change: (key: string) => string) => (stored: Map<string, Tensor>) =>
  new Map([...stored].map(([key, value]) => [change(key), value]));

function load(dir: string, model: VideoLanguageModel) {
  const notices: string[] = [];
  const adapter = loadLora(dir, model, { notice: (text) => notices.push(text.replaceAll(dir, 'DIR')) });
  freeAfterwards(() => dispose(adapter.weights));
  return { adapter, notices };
}

function refused(dir: string, model = loadGoldenModel('qwen2-5-vl')): { message: string; hint: string } {
  try {
    load(dir, model);
  } catch (error) {
    const { message, hint = '' } = error as CheckpointError;
    return { message: message.replaceAll(dir, 'DIR'), hint };
  }
  throw new Error('expected a refusal');
}

describe('adapters that PEFT saved', () => {
  it.each(Object.keys(goldens))('%s: the logits PEFT gives, again after saving', (name) => {
    scope(() => {
      const golden = goldens[name]!;
      const model = loadGoldenModel(golden.checkpoint);
      const before = lastLogits(model, golden);
      const { adapter, notices } = load(adapterDir(name), model);
      // Layers chosen by number are not compared with target_modules.
      expect(notices).toEqual([]);
      model.adapter = adapter;
      const expected = unpack(golden.logits_last);
      expect(lastLogits(model, golden)).toBeAllclose(expected, { rtol: 0, atol: 1e-4 });
      expect(lastLogits(model, golden)).not.toEqual(before);
      expect(model.withoutAdapter(() => lastLogits(model, golden))).toEqual(before);

      const dir = join(scratch, String(counter++));
      cpSync(plain, dir, { recursive: true });
      writeLoraFiles(dir, model, adapter);
      const again = load(dir, model);
      expect(again.notices).toEqual([]);
      model.adapter = again.adapter;
      expect(lastLogits(model, golden)).toBeAllclose(expected, { rtol: 0, atol: 1e-4 });
    });
  });

  it('rsLoRA scales by alpha / sqrt(r): 4 for rank 16 and alpha 16', () => {
    const { adapter } = load(adapterDir('rslora'), loadGoldenModel('qwen2-5-vl'));
    expect(new Set([...adapter.pairs.values()].map(({ scale }) => scale))).toEqual(new Set([4]));
  });

  it('ranks and strengths by module', () => {
    const { adapter } = load(adapterDir('patterns'), loadGoldenModel('qwen2-5-vl'));
    const of = (module: string) => {
      const { A, scale } = adapter.pairs.get(`model.layers.${module}`)!;
      return [A.shape[0], scale];
    };
    expect(of('0.self_attn.q_proj')).toEqual([2, 3]);
    expect(of('1.self_attn.q_proj')).toEqual([4, 9 / 4]);
    expect(of('1.self_attn.v_proj')).toEqual([4, 5 / 4]);
    expect(of('1.mlp.down_proj')).toEqual([3, 2]);
  });
});

describe('the tensors in the file decide what is adapted', () => {
  const old = renamed((key) => key.replace('model.language_model.', 'model.'));
  const all = readGolden<AdapterGolden>('lora.json');
  it.each<[string, Change, string[]]>([
    [
      'a pattern with a look-ahead, written for names without the tower, and old names',
      {
        config: {
          target_modules: '^(model)(?!.*(lm_head|output|emb|wte|shared|k_proj|gate_proj|up_proj)).*',
          exclude_modules: null,
        },
        tensors: old,
      },
      [],
    ],
    [
      'a look-ahead after the old prefix',
      {
        config: {
          target_modules: '^(model(?=\\.layers).*\\.(q_proj|v_proj|o_proj|down_proj))$',
          exclude_modules: null,
        },
        tensors: old,
      },
      [],
    ],
    [
      'a list of whole old names',
      {
        config: {
          target_modules: [0, 1].flatMap((i) =>
            ['self_attn.q_proj', 'self_attn.v_proj', 'self_attn.o_proj', 'mlp.down_proj'].map(
              (name) => `model.layers.${i}.${name}`,
            ),
          ),
          exclude_modules: null,
        },
        tensors: old,
      },
      [],
    ],
    [
      'a list that would mean the tower too',
      { config: { exclude_modules: null } },
      [
        'DIR/adapter_config.json: target_modules means 12 layers of this model, the file holds 8: those of the file are adapted',
      ],
    ],
    [
      'a list that names more',
      { config: { target_modules: ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'down_proj'] } },
      [
        'DIR/adapter_config.json: target_modules means 10 layers of this model, the file holds 8: those of the file are adapted',
      ],
    ],
    [
      'no list at all',
      { config: { target_modules: null } },
      [
        'DIR/adapter_config.json: target_modules means 0 layers of this model, the file holds 8: those of the file are adapted',
      ],
    ],
    ['a Python group', { config: { target_modules: '(?P<a>.*(q|v|o|down)_proj)' } }, []],
    ['Python flags and anchors', { config: { target_modules: '(?i)\\A.*(Q|V|O|DOWN)_PROJ\\Z' } }, []],
    [
      'a pattern nobody can read',
      { config: { target_modules: '(?P<a>.*q_proj' } },
      [
        'DIR/adapter_config.json: target_modules "(?P<a>.*q_proj" is no pattern that can be read here: the 8 layers in the file are adapted',
      ],
    ],
    ['layers by number', { config: { target_modules: ['q_proj'], layers_to_transform: [0, 1] } }, []],
    ['EVA, which leaves the base weights alone', { config: { init_lora_weights: 'eva' } }, []],
    [
      'fan_in_fan_out',
      { config: { fan_in_fan_out: true } },
      [
        'DIR/adapter_config.json: fan_in_fan_out is true, which means nothing for linear layers: taken as false, as PEFT does',
      ],
    ],
  ])('%s', (_what, change, expected) => {
    scope(() => {
      const model = loadGoldenModel('qwen2-5-vl');
      const { adapter, notices } = load(changed(plain, change), model);
      expect(notices).toEqual(expected);
      expect(adapter.pairs.size).toBe(8);
      model.adapter = adapter;
      expect(lastLogits(model, all)).toBeAllclose(unpack(all.logits_last), { rtol: 0, atol: 3e-5 });
    });
  });

  it.each<[string, (key: string) => string]>([
    ['the name of the adapter', (key) => key.replace('.weight', '.default.weight')],
    ['a doubled prefix', (key) => `base_model.model.${key}`],
    ['a compiled model', (key) => `_orig_mod.${key}`],
    [
      'a text model inside',
      (key) =>
        key.replace('base_model.model.model.language_model.', 'base_model.model.language_model.model.'),
    ],
  ])('names with %s are read, and that is said', (_what, change) => {
    const { adapter, notices } = load(
      changed(plain, { tensors: renamed(change) }),
      loadGoldenModel('qwen2-5-vl'),
    );
    expect(adapter.pairs.size).toBe(8);
    expect(notices.join()).toMatch(
      /^DIR\/adapter_model\.safetensors: 16 names were read without their wrappers: /,
    );
  });
});

describe('what is no plain LoRA says what it is and what to do', () => {
  it.each(['pissa', 'pissa_niter_16', 'olora', 'corda', 'lora_ga'])('init_lora_weights %s', (way) => {
    const { message, hint } = refused(changed(plain, { config: { init_lora_weights: way } }));
    expect(message).toBe(
      `DIR/adapter_config.json: init_lora_weights is "${way}": such an adapter goes on weights that were changed when it was made; on the published ones it is another model`,
    );
    expect(hint).toContain('path_initial_model_for_weight_conversion');
  });

  it('LoftQ, and a beginning that is not known', () => {
    const loftq = refused(changed(plain, { config: { init_lora_weights: 'loftq' } }));
    expect(loftq.message).toContain(
      'init_lora_weights is "loftq": such an adapter goes on weights that were changed',
    );
    expect(loftq.hint).toContain('the very base model it was trained on');
    expect(refused(changed(plain, { config: { init_lora_weights: 'milora' } })).message).toContain(
      'is "milora", which is not known here',
    );
  });

  it.each([
    ['use_dora', true, 'DoRA'],
    ['lora_bias', true, 'a bias inside the adapter'],
    ['bias', 'lora_only', 'biases of the model'],
    ['layer_replication', [[0, 2]], 'repeated layers'],
    ['trainable_token_indices', [5], 'rows of the embedding'],
  ])('%s', (key, value, what) => {
    const { message, hint } = refused(changed(plain, { config: { [key]: value } }));
    expect(message).toContain(
      `DIR/adapter_config.json: only plain LoRA is supported; found ${key}: ${JSON.stringify(value)} (`,
    );
    expect(message).toContain(what);
    expect(hint).toContain('merge_and_unload');
  });

  it.each([
    ['IA3', 'merge_and_unload'],
    ['LOHA', 'merge_and_unload'],
    ['PREFIX_TUNING', 'train a LoRA adapter instead'],
    ['PROMPT_TUNING', 'train a LoRA adapter instead'],
  ])('peft_type %s', (peft_type, next) => {
    const { message, hint } = refused(changed(plain, { config: { peft_type } }));
    expect(message).toBe(
      `DIR/adapter_config.json: peft_type is "${peft_type}"; only adapters of peft_type LORA can be put on a model here`,
    );
    expect(hint).toContain(next);
  });

  it('tensors of DoRA, of an embedding, of the head, half a pair', () => {
    const withTensor = (name: string, shape: number[]) =>
      refused(changed(plain, { tensors: (stored) => stored.set(`base_model.model.${name}`, zeros(shape)) }))
        .message;
    const q = 'model.language_model.layers.0.self_attn.q_proj';
    expect(withTensor(`${q}.lora_magnitude_vector`, [64])).toContain('(DoRA)');
    expect(withTensor(`${q}.lora_B.bias`, [64])).toContain('(a bias inside the adapter)');
    expect(withTensor('model.language_model.embed_tokens.lora_embedding_A', [4, 512])).toContain(
      '(an adapter on the embedding)',
    );
    expect(withTensor('model.language_model.layers.0.self_attn.k_proj.lora_A.weight', [4, 64])).toContain(
      'the other half of the pair is missing: base_model.model.model.language_model.layers.0.self_attn.k_proj.lora_A.weight',
    );
    const head = refused(
      changed(plain, {
        tensors: (stored) =>
          stored
            .set('base_model.model.lm_head.lora_A.weight', zeros([4, 64]))
            .set('base_model.model.lm_head.lora_B.weight', zeros([512, 4])),
      }),
    );
    expect(head.message).toContain('holds an adapter on lm_head, which can not be adapted here');
  });

  it('an adapter of another model', () => {
    const { message, hint } = refused(
      changed(plain, { tensors: renamed((key) => key.replace('layers.1', 'layers.9')) }),
    );
    expect(message).toContain(
      'base_model.model.model.language_model.layers.9.mlp.down_proj.lora_A.weight: the model has no such layer',
    );
    expect(hint).toContain('trained on this model');
  });

  it('a rank that is not that of the file', () => {
    expect(refused(changed(plain, { config: { r: 3 } })).message).toMatch(
      /lora_A\.weight has the rank \d+, adapter_config\.json says 3/,
    );
  });

  it('pickled weights, no weights, a model in its place', () => {
    const dir = changed(plain, {});
    renameSync(join(dir, 'adapter_model.safetensors'), join(dir, 'adapter_model.bin'));
    expect(refused(dir)).toMatchObject({
      message: 'DIR: no adapter_model.safetensors, but adapter_model.bin',
      hint: expect.stringContaining('save it again'),
    });
    rmSync(join(dir, 'adapter_model.bin'));
    expect(refused(dir).message).toBe('DIR: no adapter_model.safetensors');
    expect(refused(join(goldenDir(), '../checkpoints/qwen2-vl')).message).toContain(
      'a model, where an adapter was expected',
    );
  });

  it('a rank pattern that can not be read', () => {
    expect(refused(changed(plain, { config: { rank_pattern: { '(q_proj': 2 } } })).message).toMatch(
      /^DIR\/adapter_config\.json: rank_pattern or alpha_pattern: /,
    );
  });
});

describe('module names', () => {
  it('lists mean endings, patterns the whole name', () => {
    expect(matches('a.b.q_proj', ['q_proj'])).toBe(true);
    expect(matches('a.b.xq_proj', ['q_proj'])).toBe(false);
    expect(matches('a.b.q_proj', 'q_proj')).toBe(false);
    expect(matches('a.b.q_proj', '(?P<n>a|c)\\.b\\..*')).toBe(true);
    expect(matches('aa', '(?P<n>a)(?P=n)')).toBe(true);
    expect(() => matches('a', '(?x) a')).toThrow(SyntaxError);
  });

  it('the first pattern that is the name or its end', () => {
    const ranks = { 'layers.0.q_proj': 2, q_proj: 3, '^model.v': 4 };
    expect(patternValue(ranks, ['model.layers.0.q_proj'])).toBe(2);
    expect(patternValue(ranks, ['model.layers.1.q_proj'])).toBe(3);
    expect(patternValue(ranks, ['x.model.v'])).toBeUndefined();
    expect(patternValue(ranks, ['x.model.v', 'model.v'])).toBe(4);
    expect(patternValue(undefined, ['q_proj'])).toBeUndefined();
  });
});
