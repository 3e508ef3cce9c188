/**
 * Hidden states of a group's completions, some rows at a time, for a group that does not fit at once: without a graph first, and each
 * part once more with one when its gradient is due. The prompt is computed again for each part.
 *
 * Shapes: G rows, C longest completion, D hidden.
 */
import type { CompletionHidden, EncodedPrompt, VideoLanguageModel } from '../../models/index.ts';
import { cat, noGrad, scope, type Tensor, zeros } from '../../tensor/index.ts';

/**
 * Run it inside a scope: the result's tensors belong to the caller's scope.
 * @param encode gives the prompt for each part; it may encode it anew, where its gradient is wanted
 * @param completions token ids of each row
 */
export function hiddenInParts(
  model: VideoLanguageModel,
  encode: () => EncodedPrompt,
  completions: readonly (readonly number[])[],
  numParts: number,
): CompletionHidden {
  const size = Math.ceil(completions.length / numParts);
  const starts = Array.from({ length: Math.ceil(completions.length / size) }, (_, part) => part * size);
  const longest = Math.max(...completions.map(({ length }) => length));
  const rowsFrom = (start: number) => completions.slice(start, start + size);
  const hiddenFrom = (start: number) =>
    scope('hidden of a part', () => {
      const { hidden_GCD } = model.completionHidden(encode(), rowsFrom(start));
      const [rows, positions, width] = hidden_GCD.shape as [number, number, number];
      if (positions === longest) return hidden_GCD;
      const { dtype, device } = hidden_GCD;
      return cat([hidden_GCD, zeros([rows, longest - positions, width], { dtype, device })], 1);
    });
  return {
    hidden_GCD: scope('hidden in parts', () => noGrad(() => cat(starts.map(hiddenFrom), 0))),
    backward: (grad_GCD: Tensor) => {
      for (const start of starts)
        scope('gradient of a part', () => {
          const rows = rowsFrom(start);
          const forward = model.completionHidden(encode(), rows, { gradient_checkpointing: true });
          const positions = forward.hidden_GCD.shape[1]!;
          forward.backward(grad_GCD.narrow(0, start, rows.length).narrow(1, 0, positions));
        });
    },
    dispose: () => {},
  };
}
