/**
 * Hidden states that predict the tokens of G completions of one prompt, the prompt computed once, and the way back for
 * their gradient. This is the forward of scoring and of training.
 *
 * Two ways to keep what backward needs, with equal results: autograd's own, or activation checkpointing, which stores only the
 * input of each layer and computes the layer again on the way back.
 *
 * Shapes: P prompt tokens, G rows, C longest completion, N packed tokens (`group-layout.ts`), D hidden, E head size.
 */
import {
  backward,
  type Checkpoint,
  cat,
  checkpoint,
  isGradEnabled,
  scope,
  type Tensor,
} from '../../tensor/index.ts';
import type { ModelConfig } from '../config.ts';
import { embed, indexTensor, type ModelParams } from '../layers.ts';
import type { CompletionHidden, EncodedPrompt } from '../model.ts';
import { addDeep, type DeepFeatures, deepFeatures } from './deepstack.ts';
import { GroupLayout } from './group-layout.ts';
import { type Rotary, textRotary } from './rope.ts';
import { sharedPrefixAttention } from './shared-prefix-attention.ts';
import { type Attend, causalAttention, decoderLayer, finalNorm, headsFirst } from './text.ts';

/** Token embeddings (N, D) of a prompt followed by more tokens, vision features in their places. */
export function embedTokens(
  params: ModelParams,
  prompt: EncodedPrompt,
  more: readonly number[],
  device: string,
): Tensor {
  const ids = indexTensor([...prompt.input_ids, ...more], device);
  const x_ND = embed(params, 'model.embed_tokens.weight', ids);
  if (prompt.vision === undefined) return x_ND;
  return x_ND.index_copy_(
    0,
    indexTensor(prompt.vision.places, device),
    prompt.vision.features.to({ dtype: params.dtype }),
  );
}

/** Rotary tables of a prompt followed by text at the given offsets after it. */
export function promptRotary(
  prompt: EncodedPrompt,
  offsets: readonly number[],
  config: ModelConfig,
  options: { readonly dtype: ModelParams['dtype']; readonly device: string },
): Rotary {
  const { axes, next } = prompt.positions;
  const later = offsets.map((offset) => next + offset);
  return textRotary(
    axes.map((axis) => [...axis, ...later]),
    config.text_config,
    options,
  );
}

/**
 * Run it inside a scope: the result's tensors belong to the caller's scope.
 *
 * @param completions Token ids, each with at least one token; the end token, where there is one, included.
 * @param options.gradient_checkpointing Less memory, one more forward of each layer.
 */
export function completionHidden(
  params: ModelParams,
  config: ModelConfig,
  device: string,
  prompt: EncodedPrompt,
  completions: readonly (readonly number[])[],
  options: { readonly gradient_checkpointing: boolean },
): CompletionHidden {
  const isRecomputed = options.gradient_checkpointing && isGradEnabled();
  const layout = new GroupLayout(
    prompt.input_ids.length,
    completions.map((ids) => ids.length),
    device,
  );
  const text = config.text_config;
  const last = text.num_hidden_layers - 1;
  const fed = completions.flatMap((ids) => ids.slice(0, -1));

  return scope('completionHidden', () => {
    const rotary = promptRotary(prompt, layout.offsets(), config, { dtype: params.dtype, device });
    const attend = groupAttention(layout);
    const predicting = layout.predictingIndex();
    const { gate } = params;
    const layerOf = (layer: number, x: Tensor, deep: DeepFeatures | undefined) => {
      const hasGraph = isGradEnabled();
      gate?.enter(layer, isRecomputed && hasGraph);
      const askFrom = layer === last ? layout.prefixLength - 1 : 0;
      const output = decoderLayer(params, text, layer, x, rotary, attend.function, askFrom);
      // With a graph the weights are read once more, on the way back.
      if (!hasGraph) gate?.leave(layer, false);
      return addDeep(output, deep);
    };
    const head = (x: Tensor) =>
      finalNorm(params, text, x.index_select(0, predicting)).view([
        completions.length,
        layout.suffixLength + 1,
        -1,
      ]);

    const deep = deepFeatures(params, prompt, last, device);
    const x0_ND = embedTokens(params, prompt, fed, device);
    if (!isRecomputed) {
      let x = x0_ND;
      for (let layer = 0; layer <= last; layer++) {
        const input = x;
        x = scope(() => layerOf(layer, input, deep[layer]));
        input.dispose();
      }
      const hidden_GCD = head(x);
      return {
        hidden_GCD,
        backward: (gradHidden) => {
          backward([hidden_GCD], [gradHidden]);
          for (let layer = last; layer >= 0; layer--) gate?.leave(layer, true);
        },
        dispose: () => {},
      };
    }

    const stages: Checkpoint[] = [];
    let x = x0_ND;
    for (let layer = 0; layer <= last; layer++) {
      const own = deep[layer];
      // Features of a frozen tower are constants; those of one that trains get their gradient here.
      const stage = own?.features_FD.requires_grad
        ? checkpoint(
            (input: Tensor, features_FD: Tensor) => layerOf(layer, input, { ...own, features_FD }),
            [x, own.features_FD],
          )
        : checkpoint((input: Tensor) => layerOf(layer, input, own), [x]);
      stages.push(stage);
      x = stage.outputs[0]!;
    }
    const tail = checkpoint(head, [x]);
    stages.push(tail);
    return {
      hidden_GCD: tail.outputs[0]!,
      // Named, so that the scope around owns what the stages read when they run again.
      reads: [x0_ND, rotary, attend.reads, predicting, deep],
      backward: (gradHidden: Tensor) =>
        scope('completionHidden backward', () => {
          const ends: { readonly output: Tensor; readonly gradient: Tensor }[] = [];
          const reach = (output: Tensor, gradient: Tensor | undefined) => {
            if (output.requires_grad && gradient !== undefined) ends.push({ output, gradient });
          };
          let gradient: Tensor | undefined = gradHidden;
          for (let stage = stages.pop(); stage !== undefined; stage = stages.pop()) {
            const after: Tensor | undefined = gradient;
            const [ofInput, ofFeatures] = stage.backward([after]);
            gradient = ofInput;
            if (stages.length <= last) gate?.leave(stages.length, true);
            const own = deep[stages.length];
            if (own !== undefined) reach(own.features_FD, ofFeatures);
            if (after !== gradHidden) after?.dispose();
          }
          reach(x0_ND, gradient);
          // In one pass: all of them hang on the same graph of the tower.
          if (ends.length > 0)
            backward(
              ends.map(({ output }) => output),
              ends.map((end) => end.gradient),
            );
        }),
      dispose: () => {
        for (const stage of stages) stage.dispose();
      },
    };
  });
}

/** The attention of a prompt with its rows: the prompt sees itself causally, each row the whole prompt and itself causally. */
function groupAttention(layout: GroupLayout): { readonly function: Attend; readonly reads: Tensor[] } {
  const { prefixLength, suffixLength, suffixTokens, lengths } = layout;
  if (suffixTokens === 0) return { function: causalAttention, reads: [] };
  const [padIndex, packIndex] = [layout.padIndex(), layout.packIndex()];
  /** (S tokens, H, E) to (G, H, S, E). */
  const pad = (x: Tensor) =>
    (padIndex === undefined ? x : x.index_select(0, padIndex))
      .reshape([lengths.length, suffixLength, ...x.shape.slice(1)])
      .transpose(1, 2);
  const pack = (x: Tensor) => {
    const flat = x.transpose(1, 2).flatten(0, 1);
    return packIndex === undefined ? flat : flat.index_select(0, packIndex);
  };
  const attend: Attend = (q, k, v) => {
    const asking = q.shape[0]! - suffixTokens;
    const [kPrefix, vPrefix] = [k.narrow(0, 0, prefixLength), v.narrow(0, 0, prefixLength)];
    const ofPrefix = causalAttention(q.narrow(0, 0, asking), kPrefix, vPrefix);
    const ofSuffix = sharedPrefixAttention(
      pad(q.narrow(0, asking, suffixTokens)),
      { k: headsFirst(kPrefix), v: headsFirst(vPrefix) },
      { k: pad(k.narrow(0, prefixLength, suffixTokens)), v: pad(v.narrow(0, prefixLength, suffixTokens)) },
    );
    return cat([ofPrefix, pack(ofSuffix)], 0);
  };
  return { function: attend, reads: [padIndex, packIndex].filter((t) => t !== undefined) };
}
