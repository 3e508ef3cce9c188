import { describe, expect, it } from 'vitest';
import {
  CHECKPOINTS,
  loadGoldenModel,
  promptInputs,
  readPrompts,
} from '../../tests/support/model-goldens.ts';
import { createLora, GroupCache, LORA_DEFAULTS, type VideoLanguageModel } from '../models/index.ts';
import { dispose, liveTensors, noGrad, scope, type Tensor } from '../tensor/index.ts';

const ROWS = 3;

/** Logits of some steps over all golden prompts at once, rows leaving on the way. */
function decodeSteps(model: VideoLanguageModel, name: string, isPacked: boolean): Tensor[] {
  const prompts = Object.values(readPrompts(name)).map((golden) => {
    const encoded = model.encodePrompt(promptInputs(golden, model.config));
    return { next: encoded.positions.next, prefill: model.prefill(encoded) };
  });
  const packed = isPacked ? model.packDecoder(prompts.map(({ prefill }) => prefill)) : undefined;
  expect(packed !== undefined).toBe(isPacked);
  const cache = new GroupCache(
    prompts.map(({ prefill }) => prefill.layers),
    prompts.map(() => ROWS),
  );
  let rows = prompts.flatMap(({ next }) => Array.from({ length: ROWS }, () => next));
  const logits: Tensor[] = [];
  for (let step = 0; step < 5; step++) {
    if (step === 3) {
      // The first prompt is finished, the others lose a row each.
      const staying = [...rows.keys()].filter((i) => i >= ROWS && i % ROWS !== 1);
      cache.keepRows(staying);
      rows = staying.map((i) => rows[i]!);
    }
    cache.grow();
    const ids = rows.map((_, i) => 3 + ((7 * i + 11 * step) % 200));
    const positions = rows.map((next) => next + step);
    logits.push(model.decode(ids, positions, cache, packed));
  }
  cache.dispose();
  return logits;
}

describe('packed decoding', () => {
  it.each(CHECKPOINTS)('%s: the same logits as layers of single operators', (name) => {
    const model = loadGoldenModel(name);
    const before = liveTensors();
    scope(() =>
      noGrad(() => {
        const found = decodeSteps(model, name, true);
        const expected = decodeSteps(model, name, false);
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
        const encoded = model.encodePrompt(promptInputs(golden!, model.config));
        const prefill = model.prefill(encoded);
        const cache = new GroupCache([prefill.layers], [rows]);
        const packed = model.packDecoder([prefill]);
        let logits: unknown;
        for (let step = 0; step < 4; step++) {
          cache.grow();
          const ids = Array.from({ length: rows }, (_, i) => 3 + ((7 * i + 11 * step) % 200));
          const next = encoded.positions.next + step;
          logits = model.decode(ids, ids.map(() => next), cache, packed).select(0, 0).tolist(); // biome-ignore format: one idea
        }
        cache.dispose();
        return logits;
      });
    const alone = firstRow(1);
    for (const rows of [2, 8, 13]) expect(firstRow(rows)).toEqual(alone);
  });

  it('leaves models with an adapter to the single operators', () => {
    const model = loadGoldenModel('qwen2-5-vl');
    const adapter = createLora(model.weights, LORA_DEFAULTS, { seed: 1 });
    model.adapter = adapter;
    expect(model.packDecoder([])).toBeUndefined();
    model.adapter = undefined;
    dispose(adapter.weights);
  });
});
