/**
 * @file The shared-prefix forward and its gradients against the obvious way: every row alone, prompt and completion as one
 * causal sequence.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadGoldenModel, promptInputs, readPrompts } from '../../../tests/support/model-goldens.ts';
import { backward, cat, liveTensors, noGrad, scope, type Tensor } from '../../tensor/index.ts';
import { indexTensor } from '../layers.ts';
import type { EncodedPrompt, VideoLanguageModel } from '../model.ts';
import { embedTokens, promptRotary } from './forward.ts';
import { causalAttention, decoderLayers, finalNorm } from './text.ts';

const GROUPS: readonly (readonly number[][])[] = [
  [[7]],
  [[3, 9, 27, 81]],
  [[5, 6], [1, 2, 3, 4, 5], [480]],
  [
    [1, 2, 3],
    [4, 5, 6],
    [7, 8, 9],
  ],
  [[480], [12], [33]],
  [
    [1, 2, 3, 4, 5, 6, 7],
    [8],
    [9, 10],
    [11, 12, 13],
    [14, 15, 16, 17],
    [18, 480],
    [19, 20, 21],
    [22, 23, 24, 25, 26],
  ],
];

/** Hidden states that predict one completion's tokens, (C, D). */
function denseHidden(
  model: VideoLanguageModel,
  prompt: EncodedPrompt,
  completion: readonly number[],
): Tensor {
  const { config } = model;
  const params = { weights: model.weights, adapters: undefined, dtype: model.compute_dtype };
  const fed = completion.slice(0, -1);
  const rotary = promptRotary(prompt, [...fed.keys()], config, { dtype: params.dtype, device: 'cpu' });
  const x = embedTokens(params, prompt, fed, 'cpu');
  const out = finalNorm(
    params,
    config.text_config,
    decoderLayers(params, config.text_config, x, rotary, () => causalAttention),
  );
  return out.narrow(0, prompt.input_ids.length - 1, completion.length);
}

/** A loss with different weights everywhere, so that no error cancels. */
function lossOf(model: VideoLanguageModel, hidden_CD: Tensor, ids: readonly number[], row: number): Tensor {
  const logps = model.logits(hidden_CD).log_softmax(-1);
  const own = logps.gather(1, indexTensor(ids, 'cpu').unsqueeze(1));
  return own
    .mul(
      indexTensor(
        ids.map((_, c) => row + 1 + c),
        'cpu',
      ).unsqueeze(1),
    )
    .sum()
    .mul(-0.1);
}

function takeGradients(model: VideoLanguageModel): Map<string, Tensor> {
  const gradients = new Map<string, Tensor>();
  for (const [name, parameter] of model.parameters()) {
    const { grad } = parameter;
    if (grad !== undefined) gradients.set(name, grad.clone());
    parameter.grad = undefined;
  }
  return gradients;
}

describe.each(['qwen2-5-vl', 'qwen2-vl'])('completionHidden: %s', (name) => {
  const model = loadGoldenModel(name);
  const golden = readPrompts(name)['one video']!;
  let before = 0;
  beforeAll(() => {
    before = liveTensors();
  });
  afterAll(() => expect(liveTensors()).toBe(before));

  for (const [title, frozen] of [
    ['everything trains', {}],
    ['frozen vision', { vision: true, merger: true }],
  ] as const) {
    for (const completions of title === 'everything trains' ? GROUPS : GROUPS.slice(2, 3)) {
      it(`equals every row alone, ${title}: lengths ${completions.map((ids) => ids.length)}`, () => {
        model.freeze(frozen);
        scope(() => {
          const encode = () => model.encodePrompt(promptInputs(golden, model.config));
          const alone = encode();
          const dense = completions.map((ids) => denseHidden(model, alone, ids));
          const denseLoss = dense
            .map((hidden, row) => lossOf(model, hidden, completions[row]!, row))
            .reduce((sum, loss) => sum.add(loss));
          backward(denseLoss);
          const expected = takeGradients(model);

          for (const gradient_checkpointing of [false, true]) {
            const result = model.completionHidden(encode(), completions, { gradient_checkpointing });
            const hidden = result.hidden_GCD.detach().requires_grad_(true);
            const loss = completions
              .map((ids, row) => lossOf(model, hidden.select(0, row).narrow(0, 0, ids.length), ids, row))
              .reduce((sum, part) => sum.add(part));
            backward(loss);
            result.backward(hidden.grad!);
            completions.forEach((ids, row) => {
              const own = hidden.select(0, row).narrow(0, 0, ids.length);
              expect(own).toBeAllclose(dense[row], { rtol: 0, atol: 1e-5 });
            });
            expect(loss).toBeAllclose(denseLoss, { rtol: 1e-6, atol: 0 });
            const gradients = takeGradients(model);
            expect([...gradients.keys()].sort()).toEqual([...expected.keys()].sort());
            for (const [key, gradient] of gradients) {
              const wanted = expected.get(key)!;
              const error = gradient.sub(wanted).abs().max().item() / (1e-3 + wanted.abs().max().item());
              expect([key, error < 1e-5 || error]).toEqual([key, true]);
            }
          }
        });
      });
    }
  }

  it('needs no graph to score', () => {
    scope(() => {
      const prompt = noGrad(() => model.encodePrompt(promptInputs(golden, model.config)));
      const scored = model.completionLogps(prompt, GROUPS[2]!);
      const hidden = noGrad(() => GROUPS[2]!.map((ids) => denseHidden(model, prompt, ids)));
      GROUPS[2]!.forEach((ids, row) => {
        const all = noGrad(() => model.logits(hidden[row]!).log_softmax(-1));
        expect(scored[row]).toBeAllclose(all.gather(1, indexTensor(ids, 'cpu').unsqueeze(1)).flatten(0, 1), {
          rtol: 0,
          atol: 1e-5,
        });
      });
      expect(cat(hidden, 0).requires_grad).toBe(false);
    });
  });
});
