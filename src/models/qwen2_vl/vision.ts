/**
 * The vision tower of Qwen2-VL and its successors: pixels of images and videos to one feature vector a merged patch.
 *
 * A patch attends inside its own temporal slice: over the whole slice in "full" blocks, else inside its window. Windows are
 * disjoint, so the tower runs on patches put in window order, equal windows batched together, and undoes the order at
 * the end. Hugging Face loops over windows one by one; the numbers are the same.
 *
 * Shapes: P patches (all media together), C pixels a patch, N heads, H head size, D width of the tower, U merged units
 * of a slice, T slices.
 *
 * Source: transformers 5.18 `modeling_qwen2_5_vl.py` `Qwen2_5_VisionTransformerPretrainedModel`,
 * `modeling_qwen2_vl.py` `Qwen2VisionTransformerPretrainedModel`, `vision_utils.py` `get_vision_window_index`.
 */
import { cat, fastLinear, scaled_dot_product_attention, scope, type Tensor } from '../../tensor/index.ts';
import type { VisionConfig } from '../config.ts';
import { applyRotary, type Rotary, visionRotary } from '../decoder/rope.ts';
import { indexTensor, layerNorm, linear, type ModelParams, quickGelu, weight } from '../layers.ts';
import type { Grid } from '../model.ts';

/** Norms of the tower use this epsilon whatever the config says. */
export const VISION_EPS = 1e-6;

/** The layers in which the towers of the families differ. */
export interface TowerStyle {
  norm(params: ModelParams, module: string, x: Tensor): Tensor;
  /** True where the norms have a bias. */
  readonly hasNormBias: boolean;
  mlp(params: ModelParams, module: string, x: Tensor): Tensor;
  /** Linear layers of the MLP: those that widen, then the one that narrows. */
  readonly mlpLayers: { readonly widen: readonly string[]; readonly narrow: string };
}

/** Qwen2-VL: LayerNorm and a plain MLP. */
export const TOWER: TowerStyle = {
  norm: (params, module, x) => layerNorm(params, module, x, VISION_EPS),
  hasNormBias: true,
  mlp: (params, module, x) => linear(params, `${module}.fc2`, quickGelu(linear(params, `${module}.fc1`, x))),
  mlpLayers: { widen: ['fc1'], narrow: 'fc2' },
};

/** Equal attention segments that follow each other in a slice. */
export interface SegmentRun {
  readonly count: number;
  /** Patches in one segment. */
  readonly length: number;
}

/** Order and attention segments of the patches of one image or video. */
export interface MediaLayout {
  readonly slices: number;
  /** Patches of a slice. */
  readonly sliceLength: number;
  /** Merged units of a slice in window order: `order[new] = old`. */
  readonly order: readonly number[];
  /** Segments of a slice in window blocks, in that order; they add up to `sliceLength`. */
  readonly windows: readonly SegmentRun[];
}

/** Attention inside segments: q, k, v are (P, N, H), the result (P, N * H). */
export type SegmentAttention = (
  q: Tensor,
  k: Tensor,
  v: Tensor,
  media: readonly MediaLayout[],
  isFull: boolean,
) => Tensor;

/**
 * Features of images or videos, in the order of `grids`.
 *
 * @param pixels_PC Normalised pixels in the processor's patch order, P = sum of t * h * w.
 * @param attention Only tests pass another one.
 * @returns (sum of t * h * w / merge^2, out_hidden_size), with a gradient where the weights ask for one.
 */
export function encodeVision(
  style: TowerStyle,
  params: ModelParams,
  config: VisionConfig,
  pixels_PC: Tensor,
  grids: readonly Grid[],
  attention: SegmentAttention = segmentAttention,
): Tensor {
  return scope(() => {
    const media = grids.map((grid) => mediaLayout(grid, config));
    const numPatches = media.reduce((sum, m) => sum + m.slices * m.sliceLength, 0);
    if (pixels_PC.shape[0] !== numPatches) {
      throw new Error(`internal: ${pixels_PC.shape[0]} patches of pixels for grids of ${numPatches} patches`);
    }
    const device = pixels_PC.device;
    const rotary = mediaRotary(grids, media, config, device);
    const kernel = weight(params, 'visual.patch_embed.proj.weight');
    let x_PD = fastLinear(pixels_PC.to({ dtype: params.dtype }), kernel.reshape([kernel.shape[0]!, -1]));
    x_PD = reorderUnits(x_PD, media, config.spatial_merge_size ** 2, (m) => m.order);
    for (let block = 0; block < config.depth; block++) {
      const isFull = config.fullatt_block_indexes.includes(block);
      const x = x_PD;
      x_PD = scope(() =>
        visionBlock(style, params, config, block, x, rotary, (q, k, v) => attention(q, k, v, media, isFull)),
      );
    }
    const merged = merge(style, params, config, x_PD);
    return reorderUnits(merged, media, 1, (m) => inverse(m.order));
  });
}

export function visionBlock(
  style: TowerStyle,
  params: ModelParams,
  config: VisionConfig,
  block: number,
  x_PD: Tensor,
  rotary: Rotary,
  attend: (q: Tensor, k: Tensor, v: Tensor) => Tensor,
): Tensor {
  const name = `visual.blocks.${block}`;
  const { num_heads } = config;
  const headSize = config.hidden_size / num_heads;
  const qkv = linear(params, `${name}.attn.qkv`, style.norm(params, `${name}.norm1`, x_PD));
  const [q, k, v] = qkv.view([-1, 3, num_heads, headSize]).unbind(1) as [Tensor, Tensor, Tensor];
  // Rotated in float32 even in half precision, as Hugging Face does in the tower (but not in the decoder).
  const turn = (t: Tensor) => applyRotary(t.to({ dtype: 'float32' }), rotary).to({ dtype: params.dtype });
  const attended = attend(turn(q), turn(k), v);
  const h = x_PD.add(linear(params, `${name}.attn.proj`, attended));
  return h.add(style.mlp(params, `${name}.mlp`, style.norm(params, `${name}.norm2`, h)));
}

/** merge x merge neighbouring patches become one vector of the decoder's width. */
function merge(style: TowerStyle, params: ModelParams, config: VisionConfig, x_PD: Tensor): Tensor {
  const joined = style
    .norm(params, 'visual.merger.ln_q', x_PD)
    .view([-1, config.hidden_size * config.spatial_merge_size ** 2]);
  return linear(params, 'visual.merger.mlp.2', linear(params, 'visual.merger.mlp.0', joined).gelu());
}

/** Equal segments of all slices in one call each; at most a handful of calls an image or video. */
export function segmentAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  media: readonly MediaLayout[],
  isFull: boolean,
): Tensor {
  const outputs: Tensor[] = [];
  let from = 0;
  for (const { slices, sliceLength, windows } of media) {
    const bySlice = [q, k, v].map((t) =>
      t.narrow(0, from, slices * sliceLength).reshape([slices, sliceLength, ...t.shape.slice(1)]),
    );
    from += slices * sliceLength;
    let at = 0;
    const parts = (isFull ? [{ count: 1, length: sliceLength }] : windows).map(({ count, length }) => {
      const [qs, ks, vs] = bySlice.map((t) =>
        t
          .narrow(1, at, count * length)
          .reshape([slices * count, length, ...t.shape.slice(2)])
          .transpose(1, 2),
      ) as [Tensor, Tensor, Tensor];
      at += count * length;
      const attended = scaled_dot_product_attention(qs, ks, vs);
      return attended.transpose(1, 2).reshape([slices, count * length, -1]);
    });
    outputs.push(cat(parts, 1).flatten(0, 1));
  }
  return cat(outputs, 0);
}

/**
 * Window order of one image or video. Windows tile a slice from its top left corner; those at the right and bottom edges
 * may be smaller. Windows of equal size are put next to each other, which Hugging Face does not do and no number sees.
 */
export function mediaLayout([t, h, w]: Grid, config: VisionConfig): MediaLayout {
  const { spatial_merge_size: merge, window_size, patch_size } = config;
  const [rows, columns] = [h / merge, w / merge];
  const side =
    window_size === undefined ? Math.max(rows, columns) : Math.floor(window_size / merge / patch_size);
  const bySize = new Map<number, number[][]>();
  for (let top = 0; top < rows; top += side) {
    for (let left = 0; left < columns; left += side) {
      const units: number[] = [];
      for (let row = top; row < Math.min(top + side, rows); row++) {
        for (let column = left; column < Math.min(left + side, columns); column++)
          units.push(row * columns + column);
      }
      const same = bySize.get(units.length) ?? [];
      bySize.set(units.length, [...same, units]);
    }
  }
  return {
    slices: t,
    sliceLength: h * w,
    order: [...bySize.values()].flat(2),
    windows: [...bySize].map(([units, list]) => ({ count: list.length, length: units * merge * merge })),
  };
}

/** Row and column of every patch, in window order. Patches come in merge x merge blocks, blocks in raster order. */
export function mediaRotary(
  grids: readonly Grid[],
  media: readonly MediaLayout[],
  config: VisionConfig,
  device: string,
): Rotary {
  const merge = config.spatial_merge_size;
  const rows: number[] = [];
  const columns: number[] = [];
  grids.forEach(([t, , w], index) => {
    const unitsAcross = w / merge;
    for (let slice = 0; slice < t; slice++) {
      for (const unit of media[index]!.order) {
        for (let inner = 0; inner < merge * merge; inner++) {
          rows.push(Math.floor(unit / unitsAcross) * merge + Math.floor(inner / merge));
          columns.push((unit % unitsAcross) * merge + (inner % merge));
        }
      }
    }
  });
  return visionRotary(rows, columns, config, { dtype: 'float32', device });
}

/** Permute the merged units (each `unitLength` rows of x) inside every slice: new[i] = old[order(i)]. */
function reorderUnits(
  x: Tensor,
  media: readonly MediaLayout[],
  unitLength: number,
  orderOf: (media: MediaLayout) => readonly number[],
): Tensor {
  const index: number[] = [];
  for (const m of media) {
    const order = orderOf(m);
    for (let slice = 0; slice < m.slices; slice++) {
      const base = index.length;
      for (const unit of order) index.push(base + unit);
    }
  }
  return x.view([index.length, unitLength, -1]).index_select(0, indexTensor(index, x.device)).flatten(0, 1);
}

function inverse(order: readonly number[]): number[] {
  const result = new Array<number>(order.length);
  order.forEach((old, index) => {
    result[old] = index;
  });
  return result;
}
