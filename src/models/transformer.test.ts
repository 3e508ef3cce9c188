/**
 * @file The whole model against transformers, on the checkpoints transformers saved. Magnitudes: features and logits are of
 * order 1 to 10, so 3e-5 absolute is a few float32 roundings.
 */
import { describe, expect, it } from 'vitest';
import {
  CHECKPOINTS,
  freeAfterwards,
  loadGoldenModel,
  promptInputs,
  readPrompts,
  unpack,
} from '../../tests/support/model-goldens.ts';
import { dispose, liveTensors, noGrad, scope } from '../tensor/index.ts';
import { indexTensor } from './layers.ts';
import type { EncodedPrompt, VideoLanguageModel } from './model.ts';
import { Transformer } from './transformer.ts';

const ATOL = 3e-5;

for (const name of CHECKPOINTS) {
  describe(`equal to transformers: ${name}`, () => {
    const model = loadGoldenModel(name, { stored: true });
    const goldens = readPrompts(name);

    it('vision features', () => {
      for (const golden of Object.values(goldens)) {
        scope(() =>
          noGrad(() => {
            const features = model.encodePrompt(promptInputs(golden, model.config)).vision?.features;
            let from = 0;
            for (const packed of [golden.image_features, golden.video_features]) {
              if (packed === undefined) continue;
              const expected = unpack(packed);
              expect(features!.narrow(0, from, packed.shape[0]!)).toBeAllclose(expected, {
                rtol: 0,
                atol: ATOL,
              });
              from += packed.shape[0]!;
            }
            expect(features?.shape[0] ?? 0).toBe(from);
          }),
        );
      }
    });

    it('logits and log-probabilities of a completion', () => {
      for (const golden of Object.values(goldens)) {
        scope(() =>
          noGrad(() => {
            const prompt = model.encodePrompt(promptInputs(golden, model.config));
            const { completion_ids, logits_last } = golden;
            const expected = unpack(golden.logps).narrow(
              0,
              golden.input_ids.length - 1,
              completion_ids.length,
            );
            const logps = model.completionLogps(prompt, [completion_ids], { rows: 3 })[0];
            expect(logps).toBeAllclose(expected, { rtol: 0, atol: ATOL });
            // One more token, whatever it is, so that the state after the last one comes out too.
            const { hidden_GCD } = model.completionHidden(prompt, [[...completion_ids, 0]]);
            const last = hidden_GCD.select(0, 0).narrow(0, completion_ids.length + 1 - 4, 4);
            expect(model.logits(last)).toBeAllclose(unpack(logits_last), { rtol: 0, atol: ATOL });
          }),
        );
      }
    });
  });

  describe(`gradients equal to transformers: ${name}`, () => {
    const model = loadGoldenModel(name);
    model.freeze({});
    for (const [title, golden] of Object.entries(readPrompts(name))) {
      if (golden.grad_norms === undefined) continue;
      for (const gradient_checkpointing of [false, true]) {
        it(`${title}${gradient_checkpointing ? ', layers computed again' : ''}`, () => {
          const before = liveTensors();
          scope(() => {
            const prompt = model.encodePrompt(promptInputs(golden, model.config));
            const loss = trainOnce(model, prompt, golden.completion_ids, gradient_checkpointing);
            expect(loss).toBeCloseTo(golden.loss!, 5);
            for (const [key, parameter] of model.parameters()) {
              const norm = golden.grad_norms![key];
              expect([key, parameter.grad === undefined]).toEqual([key, norm === undefined]);
              if (norm !== undefined)
                expect(parameter.grad!.norm()).toBeAllclose(norm, { rtol: 2e-5, atol: 1e-5 });
              parameter.grad = undefined;
            }
          });
          expect(liveTensors()).toBe(before);
        });
      }
    }
  });
}

/** Mean negative log-likelihood of a completion, and its gradients. */
function trainOnce(
  model: VideoLanguageModel,
  prompt: EncodedPrompt,
  completion: readonly number[],
  gradient_checkpointing: boolean,
): number {
  const result = model.completionHidden(prompt, [completion], { gradient_checkpointing });
  const hidden = result.hidden_GCD.detach().requires_grad_(true);
  const logps = model.logits(hidden.select(0, 0)).log_softmax(-1);
  const loss = logps.gather(1, indexTensor(completion, 'cpu').unsqueeze(1)).mean().neg();
  loss.backward();
  result.backward(hidden.grad!);
  return loss.item();
}

describe('what the model sees', () => {
  const model = loadGoldenModel('qwen2-5-vl');
  const golden = readPrompts('qwen2-5-vl')['one video']!;
  const inputs = promptInputs(golden, model.config);
  freeAfterwards(() => dispose(inputs));
  const lastLogits = (pixels: NonNullable<typeof inputs.pixel_values_videos>) =>
    scope(() =>
      noGrad(() => {
        const prompt = model.encodePrompt({ ...inputs, pixel_values_videos: pixels });
        const session = model.decodeSession([prompt], 1);
        const logits = session.logits.tolist() as number[][];
        session.dispose();
        return logits;
      }),
    )[0]!;
  const pixels = inputs.pixel_values_videos!;
  const largestChange = (a: number[], b: number[]) => Math.max(...a.map((x, i) => Math.abs(x - b[i]!)));

  it('another video changes the logits', () => {
    scope(() => expect(largestChange(lastLogits(pixels), lastLogits(pixels.neg()))).toBeGreaterThan(1e-2));
  });

  it('the same frames in another order change them too', () => {
    const perSlice = golden.video_grid_thw[0]![1] * golden.video_grid_thw[0]![2];
    scope(() => {
      const slices = pixels.view([golden.video_grid_thw[0]![0], perSlice, -1]);
      const swapped = slices.index_select(0, indexTensor([1, 0, 2], 'cpu')).flatten(0, 1);
      expect(largestChange(lastLogits(pixels), lastLogits(swapped))).toBeGreaterThan(1e-2);
    });
  });
});

describe('freeze', () => {
  it('tells the tower, its merger and the decoder apart', () => {
    const model = loadGoldenModel('qwen2-5-vl');
    model.freeze({ vision: true });
    const trains = (prefix: string) =>
      [...model.parameters()].filter(([name]) => name.startsWith(prefix)).map(([, t]) => t.requires_grad);
    expect(new Set(trains('visual.blocks.'))).toEqual(new Set([false]));
    expect(new Set(trains('visual.patch_embed.'))).toEqual(new Set([false]));
    expect(new Set(trains('visual.merger.'))).toEqual(new Set([true]));
    expect(new Set(trains('model.'))).toEqual(new Set([true]));
    model.freeze({ vision: true, merger: true, text: true });
    expect([...model.parameters().values()].some((t) => t.requires_grad)).toBe(false);
  });
});

describe('bfloat16 all through', () => {
  it.each(['qwen2-5-vl-flat', 'qwen2-vl'])('scores and decodes near float32: %s', (name) => {
    const golden = readPrompts(name)['one video']!;
    const wide = loadGoldenModel(name, { stored: true });
    const narrow = new Transformer(wide.config, wide.weights, { compute_dtype: 'bfloat16' });
    expect(wide.compute_dtype).toBe('float32');
    scope(() =>
      noGrad(() => {
        const run = (model: VideoLanguageModel) => {
          const prompt = model.encodePrompt(promptInputs(golden, model.config));
          expect(model.completionHidden(prompt, [[1]]).hidden_GCD.dtype).toBe(model.compute_dtype);
          return model.completionLogps(prompt, [golden.completion_ids, [1, 2]]).flat();
        };
        // Log-probabilities of about -10; bfloat16 keeps 8 bits.
        expect(run(narrow)).toBeAllclose(run(wide), { rtol: 0, atol: 0.5 });
      }),
    );
  });
});
