/**
 * How parameters are divided among ranks: those of a decoder layer lie one after another in a flat vector, which is cut into as many
 * equal parts as there are ranks; what lies outside of layers is one more such unit. Rank r owns part r of each.
 *
 * Source: Rajbhandari et al. 2020 (arXiv 1910.02054), ZeRO; Zhao et al. 2023 (arXiv 2304.11277), FSDP's flat parameters.
 */
import { scope, type Tensor } from '../../tensor/index.ts';

export interface UnitParam {
  readonly name: string;
  readonly tensor: Tensor;
  /** Where it begins in the unit's vector. */
  readonly offset: number;
  readonly size: number;
}

/** Parameters that are gathered and reduced together. */
export interface Unit {
  /** Decoder layer; -1: outside of layers. */
  readonly layer: number;
  readonly params: readonly UnitParam[];
  /** Numbers in the vector, a multiple of the number of ranks. */
  readonly size: number;
  /** Numbers in the part of one rank. */
  readonly part: number;
}

/** What a rank owns of a parameter: `size` numbers from `from` on, counted in the flat parameter. */
export interface Piece {
  readonly name: string;
  readonly param: UnitParam;
  readonly from: number;
  readonly size: number;
  /** Where it lies in the rank's part of the unit. */
  readonly at: number;
}

/** The decoder layer that a parameter belongs to, -1 for those outside of the decoder's layers. */
function layerOf(name: string): number {
  return Number(/(?:^|\.)model\.(?:language_model\.)?layers\.(\d+)\./.exec(name)?.[1] ?? -1);
}

/**
 * Units in the order in which the way back completes their gradients: from the last layer to the first, then the others.
 * @param isTrained what trains lies apart from what does not, so that gradients are divided as weights are
 */
export function unitsOf(
  params: ReadonlyMap<string, Tensor>,
  world_size: number,
  isTrained: (name: string) => boolean = () => true,
): Unit[] {
  const groups = new Map<string, { readonly layer: number; readonly own: [string, Tensor][] }>();
  for (const [name, tensor] of params) {
    const layer = layerOf(name);
    const key = `${layer} ${tensor.dtype} ${isTrained(name)}`;
    const group = groups.get(key) ?? { layer, own: [] };
    group.own.push([name, tensor]);
    groups.set(key, group);
  }
  const ordered = [...groups.values()].sort((a, b) => b.layer - a.layer);
  return ordered.map(({ layer, own }) => {
    let offset = 0;
    const members = own.map(([name, tensor]) => {
      const size = tensor.numel();
      const one = { name, tensor, offset, size };
      offset += size;
      return one;
    });
    const part = Math.ceil(offset / world_size);
    return { layer, params: members, size: part * world_size, part };
  });
}

/** What a rank owns of a unit, in the order of its parameters. */
export function piecesOf({ params, part }: Unit, rank: number): Piece[] {
  const [begin, end] = [rank * part, (rank + 1) * part];
  return params.flatMap((param) => {
    const first = Math.max(begin, param.offset);
    const last = Math.min(end, param.offset + param.size);
    return first >= last
      ? []
      : [{ name: param.name, param, from: first - param.offset, size: last - first, at: first - begin }];
  });
}

/** The numbers of a parameter as one axis, sharing its memory; to be used without recording for gradients. */
export function flat(tensor: Tensor, from: number, size: number): Tensor {
  return scope(() => tensor.detach().view([-1]).narrow(0, from, size));
}

/** In words, for errors and traces. */
export const unitName = ({ layer }: Pick<Unit, 'layer'>): string =>
  layer < 0 ? 'outside of layers' : `of layer ${layer}`;
