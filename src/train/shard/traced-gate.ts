/** The way back through each layer as spans of the trace, beside the collectives that travel meanwhile. */
import type { TensorCollectives } from '../../dist/index.ts';
import type { LayerGate } from '../../models/index.ts';

export function tracedGate(
  gate: LayerGate | undefined,
  tensors: TensorCollectives | undefined,
): LayerGate | undefined {
  if (gate === undefined || tensors === undefined) return gate;
  let entered = 0;
  return {
    enter: (layer, isBackward) => {
      gate.enter(layer, isBackward);
      entered = performance.now();
    },
    leave: (layer, isBackward) => {
      if (isBackward) tensors.note(`way back of layer ${layer}`, entered);
      gate.leave(layer, isBackward);
    },
  };
}
