/**
 * @file Every shape of the family against transformers, several seeds each, from both styles of config. Weights come from a hash that
 * both sides compute, so no checkpoint is stored (goldens/qwen2_5_vl/make_shapes.py).
 */
import { afterAll, describe, expect, it } from 'vitest';
import { hashedWeights } from '../../tests/support/hashed-weights.ts';
import {
  GOLDEN_RULE,
  promptInputs,
  readGolden,
  type ShapeGolden,
  unpack,
} from '../../tests/support/model-goldens.ts';
import { liveTensors, noGrad, scope } from '../tensor/index.ts';
import { familyOf, parseModelConfig } from './families.ts';
import { indexTensor } from './layers.ts';
import { Transformer } from './transformer.ts';

const ATOL = 3e-5;
const goldens = readGolden<ShapeGolden[]>('shapes.json');

describe('every shape of the family equals transformers', () => {
  const before = liveTensors();
  afterAll(() => expect(liveTensors()).toBe(before));

  it.each(goldens)('$title, seed $seed', (golden) => {
    const config = parseModelConfig(golden.flat);
    expect({ ...parseModelConfig(golden.nested), dtype: undefined }).toEqual(config);
    scope(() =>
      noGrad(() => {
        const model = new Transformer(
          config,
          hashedWeights(familyOf(config).weightShapes(config), golden.seed),
          {
            text_after_vision: GOLDEN_RULE,
          },
        );
        const prompt = model.encodePrompt(promptInputs(golden, config));
        const numImages = golden.image_grid_thw.reduce((sum, [t, h, w]) => sum + (t * h * w) / 4, 0);
        const features = prompt.vision!.features;
        const videos = features.narrow(0, numImages, features.shape[0]! - numImages);
        const everyFifth = Array.from({ length: Math.ceil(videos.shape[0]! / 5) }, (_, i) => 5 * i);
        expect(videos.index_select(0, indexTensor(everyFifth, 'cpu'))).toBeAllclose(
          unpack(golden.video_features),
          { rtol: 0, atol: ATOL },
        );
        const [logps] = model.completionLogps(prompt, [golden.completion_ids]);
        expect(logps).toBeAllclose(unpack(golden.logps), { rtol: 0, atol: ATOL });
        const { hidden_GCD } = model.completionHidden(prompt, [[...golden.completion_ids, 0]]);
        const last = hidden_GCD.select(0, 0).select(0, golden.completion_ids.length);
        expect(model.logits(last)).toBeAllclose(unpack(golden.logits_last), { rtol: 0, atol: ATOL });

        // The likeliest tokens one after another, by full forward passes without any cache.
        const banned = indexTensor([489, 490, 491, 492, 493], 'cpu');
        const ids: number[] = [];
        for (const expected of golden.greedy_ids) {
          scope(() => {
            const next = model
              .completionHidden(prompt, [[...ids, 0]])
              .hidden_GCD.select(0, 0)
              .select(0, ids.length);
            ids.push(model.logits(next).index_fill_(0, banned, Number.NEGATIVE_INFINITY).argmax(-1).item());
          });
          expect(ids.at(-1)).toBe(expected);
        }
      }),
    );
  });
});
