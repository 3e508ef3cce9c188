/**
 * Features of the tower's middle blocks, added to the hidden states of their places after the first decoder layers.
 *
 * Shapes: N tokens, D hidden, F features.
 *
 * Source: DeepStack (arXiv 2406.04334); transformers 5.18 `modeling_qwen3_vl.py` `_deepstack_process`.
 */
import type { Tensor } from '../../tensor/index.ts';
import { indexTensor, type ModelParams } from '../layers.ts';
import type { EncodedPrompt } from '../model.ts';

/** What is added after one layer. */
export interface DeepFeatures {
  /** (F, D), in the compute dtype. */
  readonly features_FD: Tensor;
  /** Places of the prompt, (F). */
  readonly places_F: Tensor;
}

/**
 * By layer, empty where the prompt shows nothing or the family has none.
 * @param last number of the last layer; of its outputs only the prompt's last token is read, which shows nothing
 */
export function deepFeatures(
  params: ModelParams,
  { vision }: EncodedPrompt,
  last: number,
  device: string,
): DeepFeatures[] {
  if (vision === undefined || vision.deepstack.length === 0) return [];
  const places_F = indexTensor(vision.places, device);
  return vision.deepstack
    .slice(0, last)
    .map((features) => ({ features_FD: features.to({ dtype: params.dtype }), places_F }));
}

/** Hidden states (N, D) of a layer with its features; those of a layer without any as they are. */
export function addDeep(x_ND: Tensor, deep: DeepFeatures | undefined): Tensor {
  return deep === undefined ? x_ND : x_ND.index_add(0, deep.places_F, deep.features_FD);
}
