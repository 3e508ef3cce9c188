/**
 * The gradient of the policy loss for one group.
 *
 * One forward pass over the shared prompt and all completions gives hidden states; the chunked loss turns them
 * into a loss and its gradient with respect to those states; one backward pass carries that into the weights.
 *
 * Legend: G completions of one prompt, T positions, D hidden, V vocabulary.
 */

import type { EncodedPrompt, VideoLanguageModel } from '../../models/index.ts';
import {
  type ChunkedLoss,
  type ChunkedLossInputs,
  chunkedLoss,
  type LossScale,
  logitsChunkBytes,
  scoreTokens,
} from '../../rl/index.ts';
import type { Rollout, RolloutPrompt } from '../../rollout/index.ts';
import type { PhaseClock } from '../../run/index.ts';
import { fromTypedArray, keep, noGrad, scope, type Tensor, tensor, zeros } from '../../tensor/index.ts';
import type { GrpoConfig } from '../config/config.ts';
import { hiddenInParts } from './hidden-in-parts.ts';

/** Log-probabilities of a group under a fixed policy, (G, T); kept until the group is done. */
export type FixedLogps = Pick<ChunkedLossInputs, 'old_logps_GT' | 'ref_logps_GT'>;

/** Completion ids (G, T) padded with 0, and which cells hold a token. */
function padCompletions(
  completions: readonly (readonly number[])[],
  device: string,
): { readonly ids_GT: Tensor; readonly completion_mask_GT: Tensor } {
  const longest = Math.max(...completions.map((ids) => ids.length));
  const ids = new BigInt64Array(completions.length * longest);
  const completion_mask = new Uint8Array(completions.length * longest);
  completions.forEach((row, g) => {
    row.forEach((id, t) => {
      ids[g * longest + t] = BigInt(id);
      completion_mask[g * longest + t] = 1;
    });
  });
  const shape = [completions.length, longest];
  return {
    ids_GT: fromTypedArray(ids, shape, { device }),
    completion_mask_GT: fromTypedArray(completion_mask, shape, { dtype: 'bool', device }),
  };
}

/** The head in the dtype the loss computes in. */
function lossHead(model: VideoLanguageModel): Tensor {
  return model.lmHead().detach().to({ dtype: model.compute_dtype });
}

/**
 * Log-probabilities (G, T) of the completions of a prompt under the model as it is now (or with its adapter off), without gradient.
 * @param completions token ids, each with at least one
 */
export function scoreCompletions(
  model: VideoLanguageModel,
  prompt: EncodedPrompt,
  completions: readonly (readonly number[])[],
  { logits_chunk_mib }: Pick<GrpoConfig, 'logits_chunk_mib'>,
): Tensor {
  return scope('scoreCompletions', () =>
    noGrad(() => {
      const { hidden_GCD } = model.completionHidden(prompt, completions);
      const { ids_GT, completion_mask_GT } = padCompletions(completions, model.device);
      const inputs = { hidden_GTD: hidden_GCD, lm_head_VD: lossHead(model), ids_GT, completion_mask_GT };
      return scoreTokens(inputs, { chunk_bytes: logitsChunkBytes(logits_chunk_mib, model.device) }).logps_GT;
    }),
  );
}

/**
 * Adds the gradient of one group's loss to `.grad` of the trainable parameters.
 *
 * @param scale what the loss is divided by in the whole batch; losses of the batch's groups add up
 * @param clock is told the phases `forward`, `loss` and `backward`
 * @param numParts so many parts of the group go through the model one after another: less memory, more time, the same up to rounding
 * @returns what the loss gave of the group, beside its gradient; the caller disposes the tensors
 */
export function accumulateGroupGradient(
  model: VideoLanguageModel,
  group: {
    readonly prompt: Pick<RolloutPrompt, 'inputs' | 'encoded'>;
    readonly rollouts: readonly Pick<Rollout, 'ids' | 'finish_reason' | 'advantage'>[];
  },
  fixed: FixedLogps,
  config: GrpoConfig,
  scale: LossScale,
  clock?: Pick<PhaseClock, 'enter'>,
  numParts = 1,
): Pick<ChunkedLoss, 'loss' | 'metrics' | 'logps_GT' | 'weights_GT' | 'entropy_GT'> {
  return scope('accumulateGroupGradient', () => {
    clock?.enter('forward');
    const { prompt, rollouts } = group;
    const encode = () => (model.trainsVision() ? model.encodePrompt(prompt.inputs) : prompt.encoded);
    const completions = rollouts.map(({ ids }) => ids);
    const { gradient_checkpointing, mask_truncated_completions } = config;
    const forward =
      numParts === 1
        ? model.completionHidden(encode(), completions, { gradient_checkpointing })
        : hiddenInParts(model, encode, completions, numParts);
    const { ids_GT, completion_mask_GT } = padCompletions(completions, model.device);
    const head = model.lmHead();
    // Narrow heads collect their gradient in float32 and pass it on once a group.
    const headGrad = head.requires_grad ? zeros(head.shape, { device: head.device }) : undefined;
    clock?.enter('loss');
    const result = chunkedLoss(
      {
        hidden_GTD: forward.hidden_GCD.detach(),
        lm_head_VD: lossHead(model),
        ids_GT,
        completion_mask_GT,
        advantages_G: tensor(
          rollouts.map(({ advantage }) => advantage),
          { device: model.device },
        ),
        ...(mask_truncated_completions
          ? { truncated_G: rollouts.map(({ finish_reason }) => finish_reason === 'length') }
          : {}),
        ...fixed,
      },
      {
        loss: config,
        weights: config,
        scale,
        chunk_bytes: logitsChunkBytes(config.logits_chunk_mib, model.device) / numParts,
        ...(headGrad ? { grad_lm_head_VD: headGrad } : {}),
      },
    );
    clock?.enter('backward');
    if (result.has_gradient) {
      forward.backward(result.grad_hidden_GTD);
      if (headGrad !== undefined) addGradient(head, headGrad);
    } else {
      forward.dispose();
    }
    const { loss, metrics } = result;
    return {
      loss,
      metrics,
      logps_GT: keep(result.logps_GT),
      weights_GT: keep(result.weights_GT),
      entropy_GT: keep(result.entropy_GT),
    };
  });
}

function addGradient(param: Tensor, gradient: Tensor): void {
  noGrad(() => {
    const typed = gradient.to({ dtype: param.dtype });
    const { grad } = param;
    if (grad === undefined) param.grad = typed;
    else grad.add_(typed);
  });
}
