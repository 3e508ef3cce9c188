import { describe, expect, it } from 'vitest';
import { LANGUAGE_LORA } from '../../../tests/support/language-lora.ts';
import {
  CHECKPOINTS,
  loadGoldenModel,
  promptInputs,
  readPrompts,
} from '../../../tests/support/model-goldens.ts';
import { dispose, liveTensors, noGrad, ones, scope, type Tensor } from '../../tensor/index.ts';
import { indexTensor } from '../layers.ts';
import { createLora } from '../lora/lora.ts';
import type { VideoLanguageModel } from '../model.ts';
import { packDecoder } from './packed-decoder.ts';
import { type DecoderName, openSession } from './session.ts';

const ROWS = 3;

const paramsOf = (model: VideoLanguageModel) => ({
  weights: model.weights,
  adapters: model.adapter?.pairs,
  dtype: model.compute_dtype,
});

const ids = (rows: number, step: number): Tensor =>
  indexTensor(
    Array.from({ length: rows }, (_, i) => 3 + ((7 * i + 11 * step) % 200)),
    'cpu',
  );

/** Logits of some steps over all golden prompts at once, some rows leaving in between. */
function decodeSteps(model: VideoLanguageModel, name: string, decoder: DecoderName): Tensor[] {
  const prompts = Object.values(readPrompts(name)).map((golden) =>
    model.encodePrompt(promptInputs(golden, model.config)),
  );
  const { config, device } = model;
  const session = openSession({ params: paramsOf(model), config, device, prompts, rows: ROWS }, [decoder]);
  let rows = [...Array(prompts.length * ROWS).keys()];
  const logits: Tensor[] = [session.logits.clone()];
  for (let step = 0; step < 5; step++) {
    if (step === 3) {
      // The first prompt is finished, the others lose a row each.
      const staying = [...rows.keys()].filter((i) => i >= ROWS && i % ROWS !== 1);
      const before = session.logits.tolist() as number[][];
      session.keep(staying);
      expect(session.logits.tolist()).toEqual(staying.map((i) => before[i]));
      rows = staying.map((i) => rows[i]!);
    }
    session.step(ids(rows.length, step));
    logits.push(session.logits.clone());
  }
  session.dispose();
  return logits;
}

describe('packed decoding', () => {
  it.each(CHECKPOINTS)('%s: the same logits as layers of single operators', (name) => {
    const model = loadGoldenModel(name);
    const before = liveTensors();
    scope(() =>
      noGrad(() => {
        const found = decodeSteps(model, name, 'packed');
        const expected = decodeSteps(model, name, 'plain');
        for (const [i, tensor] of found.entries())
          expect(tensor.tolist()).toBeAllclose(expected[i]!.tolist(), { rtol: 1e-5, atol: 1e-5 });
      }),
    );
    expect(liveTensors()).toBe(before);
  });

  it('gives a row the same bits whichever rows run beside it', () => {
    const model = loadGoldenModel('qwen2-5-vl');
    const [golden] = Object.values(readPrompts('qwen2-5-vl'));
    const firstRow = (rows: number) =>
      scope(() => {
        const prompts = [model.encodePrompt(promptInputs(golden!, model.config))];
        const { config, device } = model;
        const session = openSession({ params: paramsOf(model), config, device, prompts, rows }, ['packed']);
        for (let step = 0; step < 4; step++) session.step(ids(rows, step));
        const logits = session.logits.select(0, 0).tolist();
        session.dispose();
        return logits;
      });
    const alone = firstRow(1);
    for (const rows of [2, 8, 13]) expect(firstRow(rows)).toEqual(alone);
  });

  /** True when the packed decoder takes the golden model with more weights or settings. */
  const isPacked = (
    extraWeights: Readonly<Record<string, readonly number[]>>,
    extraSettings: Readonly<Record<string, unknown>> = {},
  ): boolean => {
    const model = loadGoldenModel('qwen2-5-vl');
    return scope(() => {
      const extra = Object.entries(extraWeights).map(([name, shape]) => [name, ones(shape)] as const);
      const params = { ...paramsOf(model), weights: new Map([...model.weights, ...extra]) };
      const config = { ...model.config.text_config, ...extraSettings };
      return packDecoder(params, config, 'cpu', []) !== undefined;
    });
  };

  it('takes a decoder whose every weight and setting it knows, and no other', () => {
    expect(isPacked({})).toBe(true);
    expect(isPacked({ 'visual.deepstack_merger_list.0.norm.weight': [4] })).toBe(true);
    // A norm over each head that the configuration does not speak of.
    expect(isPacked({ 'model.layers.0.self_attn.q_norm.weight': [16] })).toBe(false);
    expect(isPacked({ 'model.layers.2.mlp.down_proj.bias': [64] })).toBe(false);
    expect(isPacked({ 'model.another_norm.weight': [64] })).toBe(false);
    expect(isPacked({}, { qk_norm: true })).toBe(false);
    expect(isPacked({}, { attention_scale: 0.5 })).toBe(false);
  });

  it('leaves models with an adapter to the single operators', () => {
    const model = loadGoldenModel('qwen2-5-vl');
    const adapter = createLora(model, LANGUAGE_LORA, { seed: 1 });
    model.adapter = adapter;
    expect(packDecoder(paramsOf(model), model.config.text_config, 'cpu', [])).toBeUndefined();
    model.adapter = undefined;
    dispose(adapter.weights);
  });
});
