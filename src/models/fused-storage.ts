/**
 * Weights that read the same input, in one piece of memory: queries, keys and values of a layer, gate and up of its MLP. One product
 * does the work of several where a device is asked (`decoder/flash-session.ts`). Each weight keeps its published name and its values, as a part
 * of that memory: nothing else needs to know.
 */
import { cat, keep, noGrad, scope, type Tensor } from '../tensor/index.ts';

/** Rows of several weights, one after the other. */
export interface FusedWeight {
  readonly weight: Tensor;
  /** The weights that lie in it, in order. */
  readonly parts: readonly Tensor[];
}

/** Modules of a decoder layer that read the same input, under the name of their sum. */
export const FUSED_MODULES = {
  'self_attn.qkv_proj': ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj'],
  'mlp.gate_up_proj': ['mlp.gate_proj', 'mlp.up_proj'],
} as const;

/**
 * Moves the weights of each decoder layer together. The same tensors lie elsewhere then; what is held twice on the way is one group.
 *
 * @param weights by published name
 * @returns by name (`model.layers.0.self_attn.qkv_proj.weight`); kept until disposed. A group with a part missing or of another
 *   dtype is left out
 */
export function fuseStorage(
  weights: ReadonlyMap<string, Tensor>,
  numLayers: number,
): Map<string, FusedWeight> {
  const fused = new Map<string, FusedWeight>();
  for (let layer = 0; layer < numLayers; layer++) {
    for (const [name, modules] of Object.entries(FUSED_MODULES)) {
      for (const kind of ['weight', 'bias']) {
        const found = modules.map((module) => weights.get(`model.layers.${layer}.${module}.${kind}`));
        const parts = found.filter((part) => part !== undefined);
        if (parts.length < modules.length || new Set(parts.map(({ dtype }) => dtype)).size > 1) continue;
        fused.set(`model.layers.${layer}.${name}.${kind}`, { weight: moveTogether(parts), parts });
      }
    }
  }
  return fused;
}

function moveTogether(parts: readonly Tensor[]): Tensor {
  return keep(
    scope('fuseStorage', () =>
      noGrad(() => {
        const whole = cat(parts, 0);
        let row = 0;
        for (const part of parts) {
          const rows = part.shape[0]!;
          part.set_(whole.narrow(0, row, rows));
          row += rows;
        }
        return whole;
      }),
    ),
  );
}

/** The fused weight of that name, where its parts are those that the model computes with (an adapter may replace one). */
export function fusedWeight(
  {
    weights,
    fused,
  }: {
    readonly weights: ReadonlyMap<string, Tensor>;
    readonly fused?: ReadonlyMap<string, FusedWeight> | undefined;
  },
  layer: number,
  name: keyof typeof FUSED_MODULES,
  kind: 'weight' | 'bias',
): Tensor | undefined {
  const found = fused?.get(`model.layers.${layer}.${name}.${kind}`);
  if (found === undefined) return undefined;
  const own = FUSED_MODULES[name].map((module) => weights.get(`model.layers.${layer}.${module}.${kind}`));
  return own.every((part, i) => part === found.parts[i]) ? found.weight : undefined;
}
