/**
 * The gradient of the policy loss for one group.
 *
 * One forward pass over the shared prompt and all completions gives hidden states; the chunked loss turns them
 * into a loss and its gradient with respect to those states; one backward pass carries that into the weights.
 *
 * Legend: G completions of one prompt, T positions, D hidden, V vocabulary.
 */

import type { PromptInputs, VideoLanguageModel } from '../../models/index.ts';
import { type ChunkedLoss, chunkedLoss, type LossScale, scoreTokens } from '../../rl/index.ts';
import type { Rollout, RolloutPrompt } from '../../rollout/index.ts';
import type { PhaseClock } from '../../run/index.ts';
import { fromTypedArray, keep, noGrad, scope, type Tensor, tensor, zeros } from '../../tensor/index.ts';
import type { GrpoConfig } from '../config/config.ts';

/** What the update reads of a `RolloutGroup`. */
export interface PolicyGroup {
  readonly prompt: Pick<RolloutPrompt, 'encoded'> & { readonly inputs: PromptInputs };
  readonly rollouts: readonly Pick<Rollout, 'ids' | 'finish_reason' | 'advantage'>[];
}

const idsOf = ({ rollouts }: PolicyGroup) => rollouts.map(({ ids }) => ids);

/** Log-probabilities of a group under a fixed policy, (G, T); kept until the group is done. */
export interface FixedLogps {
  readonly old_logps_GT?: Tensor | undefined;
  readonly ref_logps_GT?: Tensor | undefined;
}

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

/** Log-probabilities of all completion tokens under the model as it is now (or with its adapter off), without gradient. */
export function scoreGroup(
  model: VideoLanguageModel,
  group: PolicyGroup,
  config: Pick<GrpoConfig, 'logits_chunk_mib'>,
): Tensor {
  return scope('scoreGroup', () =>
    noGrad(() => {
      const completions = idsOf(group);
      const { hidden_GCD } = model.completionHidden(group.prompt.encoded, completions);
      const { ids_GT, completion_mask_GT } = padCompletions(completions, model.device);
      const inputs = { hidden_GTD: hidden_GCD, lm_head_VD: lossHead(model), ids_GT, completion_mask_GT };
      return scoreTokens(inputs, { chunk_bytes: config.logits_chunk_mib * 2 ** 20 }).logps_GT;
    }),
  );
}

/** What one group gave, beside its gradient. */
export interface GroupUpdate extends Pick<ChunkedLoss, 'loss' | 'metrics'> {
  /** Kept: log-probabilities before the update, the old ones of later iterations. */
  readonly logps_GT: Tensor;
  /** Kept: token weights and entropies for the token files. */
  readonly weights_GT: Tensor;
  readonly entropy_GT: Tensor;
}

/**
 * Adds the gradient of one group's loss to `.grad` of the trainable parameters.
 *
 * @param scale what the loss is divided by in the whole batch; losses of the batch's groups add up
 * @param clock is told the phases `forward`, `loss` and `backward`
 */
export function accumulateGroupGradient(
  model: VideoLanguageModel,
  group: PolicyGroup,
  fixed: FixedLogps,
  config: GrpoConfig,
  scale: LossScale,
  clock?: PhaseClock,
): GroupUpdate {
  return scope('accumulateGroupGradient', () => {
    clock?.enter('forward');
    const { inputs, encoded } = group.prompt;
    const prompt = model.trainsVision() ? model.encodePrompt(inputs) : encoded;
    const completions = idsOf(group);
    const { gradient_checkpointing, mask_truncated_completions } = config;
    const forward = model.completionHidden(prompt, completions, { gradient_checkpointing });
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
          group.rollouts.map(({ advantage }) => advantage),
          { device: model.device },
        ),
        ...(mask_truncated_completions
          ? { truncated_G: group.rollouts.map(({ finish_reason }) => finish_reason === 'length') }
          : {}),
        ...(fixed.old_logps_GT ? { old_logps_GT: fixed.old_logps_GT } : {}),
        ...(fixed.ref_logps_GT ? { ref_logps_GT: fixed.ref_logps_GT } : {}),
      },
      {
        loss: config,
        weights: config,
        scale,
        chunk_bytes: config.logits_chunk_mib * 2 ** 20,
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
