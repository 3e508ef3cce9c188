import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { LANGUAGE_LORA } from '../../../tests/support/language-lora.ts';
import {
  freeAfterwards,
  goldenDir,
  lastLogits,
  loadGoldenModel,
  type Packed,
  type PromptGolden,
  promptInputs,
  readGolden,
  unpack,
} from '../../../tests/support/model-goldens.ts';
import { scratchFolder } from '../../../tests/support/scratch-folder.ts';
import type { ConfigError } from '../../base/index.ts';
import { dispose, liveTensors, noGrad, scope, type Tensor } from '../../tensor/index.ts';
import { adapterSize, createLora, type LoraAdapter, mergeLora } from './lora.ts';
import { loadLora, writeLoraFiles } from './lora-files.ts';

interface LoraGolden extends PromptGolden {
  readonly logits_last: Packed;
  readonly logits_last_off: Packed;
}

const golden = readGolden<LoraGolden>('lora.json');
const folder = join(goldenDir(), 'lora');
const scratch = scratchFolder();

/** What a test makes dies with it. */
const inScope = (name: string, body: () => void) => it(name, () => scope(body));
function freed(adapter: LoraAdapter): LoraAdapter {
  freeAfterwards(() => dispose(adapter.weights));
  return adapter;
}

describe('LoRA', () => {
  inScope('gives the logits PEFT gives, on and off', () => {
    const model = loadGoldenModel('qwen2-5-vl');
    model.adapter = freed(loadLora(folder, model));
    expect(model.adapter.pairs.size).toBe(8);
    expect(lastLogits(model, golden)).toBeAllclose(unpack(golden.logits_last), { rtol: 0, atol: 3e-5 });
    expect(model.withoutAdapter(() => lastLogits(model, golden))).toBeAllclose(
      unpack(golden.logits_last_off),
      {
        rtol: 0,
        atol: 3e-5,
      },
    );
    expect(lastLogits(model, golden)).toBeAllclose(unpack(golden.logits_last), { rtol: 0, atol: 3e-5 });
  });

  inScope('merged into the weights, gives the same without an adapter', () => {
    const model = loadGoldenModel('qwen2-5-vl');
    mergeLora(model.weights, freed(loadLora(folder, model)));
    expect(lastLogits(model, golden)).toBeAllclose(unpack(golden.logits_last), { rtol: 0, atol: 1e-4 });
  });

  inScope('changes nothing when new, trains alone, and leaves the tower out', () => {
    const model = loadGoldenModel('qwen2-5-vl');
    const before = lastLogits(model, golden);
    model.adapter = freed(createLora(model, { ...LANGUAGE_LORA, r: 3 }, { seed: 1 }));
    expect(lastLogits(model, golden)).toBeAllclose(before, { rtol: 0, atol: 0 });
    expect([...model.adapter.pairs.keys()].some((name) => name.startsWith('visual.'))).toBe(false);
    expect(model.adapter.pairs.size).toBe(2 * 7);
    const made = [...model.adapter.weights.values()].reduce((total, weight) => total + weight.numel(), 0);
    expect(adapterSize(model, { ...LANGUAGE_LORA, r: 3 })).toBe(made);
    model.freeze({ vision: true });
    for (const [name, parameter] of model.parameters()) {
      expect([name, parameter.requires_grad]).toEqual([name, name.includes('.lora_')]);
    }
    scope(() => {
      const prompt = noGrad(() => model.encodePrompt(promptInputs(golden, model.config)));
      const plain = model.completionHidden(prompt, [[1, 2, 3]], { gradient_checkpointing: true });
      plain.backward(plain.hidden_GCD.detach().mul(0.1));
    });
    const gradOf = (name: string) => model.parameters().get(name)!.grad as Tensor;
    expect(gradOf('model.layers.0.mlp.up_proj.lora_B.weight').abs().sum().item()).toBeGreaterThan(0);
    expect(gradOf('model.layers.0.mlp.up_proj.lora_A.weight').abs().sum().item()).toBe(0); // B is still zero
  });

  inScope('survives saving and loading', () => {
    const model = loadGoldenModel('qwen2-5-vl');
    const adapter = freed(loadLora(folder, model));
    const dir = join(scratch, 'saved');
    mkdirSync(dir);
    writeLoraFiles(dir, model, adapter, 'qwen2-5-vl');
    const before = liveTensors();
    const again = freed(loadLora(dir, model));
    expect(liveTensors()).toBe(before + again.weights.size);
    expect(again.config).toEqual(adapter.config);
    expect([...again.weights.keys()]).toEqual([...adapter.weights.keys()]);
    for (const [name, tensor] of again.weights) {
      expect(tensor).toBeAllclose(adapter.weights.get(name), { rtol: 0, atol: 0 });
    }
  });

  inScope('refuses what it would not compute, and tensors that do not fit', () => {
    const model = loadGoldenModel('qwen2-5-vl');
    const config = JSON.parse(readFileSync(join(folder, 'adapter_config.json'), 'utf8'));
    const adapter = freed(loadLora(folder, model));
    const load = (name: string, changes: object) => {
      const dir = join(scratch, name);
      mkdirSync(dir);
      writeLoraFiles(dir, model, adapter);
      writeFileSync(join(dir, 'adapter_config.json'), JSON.stringify({ ...config, ...changes }));
      return () => loadLora(dir, model);
    };
    expect(load('dora', { use_dora: true })).toThrow('only plain LoRA is supported; found use_dora: true');
    expect(load('bias', { bias: 'all' })).toThrow('bias');
    expect(load('ia3', { peft_type: 'IA3' })).toThrow('peft_type');
    expect(load('rank', { r: 5 })).toThrow('adapter_config.json says 5');
  });

  inScope('refuses a new adapter on the head or the embedding, and says what there is', () => {
    const model = loadGoldenModel('qwen2-5-vl');
    const create = (target_modules: string | string[], exclude_modules?: string) => () =>
      freed(createLora(model, { ...LANGUAGE_LORA, target_modules, exclude_modules }, { seed: 0 }));
    expect(create(['q_proj', 'lm_head'])).toThrow(
      'target_modules: no adapter can be put on lm_head (the language model head)',
    );
    expect(create(['embed_tokens'])).toThrow('embed_tokens (the token embedding)');
    expect(create('.*(lm_head|embed_tokens|q_proj)')).toThrow('lm_head (the language model head) and embed');
    expect(create(['nothing'])).toThrow('no linear layer matches target_modules ["nothing"]');
    expect(create('all-linear')().pairs.has('model.layers.0.self_attn.q_proj')).toBe(true);
    expect(create(['q_proj', 'lm_head'], 'lm_head')().pairs.size).toBe(2);
    try {
      create(['lm_head'])();
      expect.unreachable();
    } catch (error) {
      expect((error as ConfigError).hint).toContain('linear layers inside the decoder');
    }
  });
});
