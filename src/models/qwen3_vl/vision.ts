/**
 * Qwen3-VL's tower: every block sees one whole temporal slice; learned positions are added to the patches, stretched from a square
 * table to the size of the slice, beside the rotary ones. What comes out of some blocks goes through mergers of its own into the
 * first decoder layers (DeepStack).
 *
 * Shapes: P patches (all media together), C pixels a patch, D width of the tower, S patches of a slice.
 *
 * Source: transformers 5.18 `modeling_qwen3_vl.py` `Qwen3VLVisionModel`, `vision_utils.py`
 * `get_vision_interpolation_indices_and_weights`.
 */
import { cat, fastLinear, fromTypedArray, scope, type Tensor } from '../../tensor/index.ts';
import type { VisionConfig } from '../config.ts';
import type { VisionFeatures } from '../family.ts';
import { embed, indexTensor, layerNorm, linear, type ModelParams, weight } from '../layers.ts';
import type { Grid } from '../model.ts';
import {
  mediaLayout,
  mediaRotary,
  segmentAttention,
  type TowerStyle,
  VISION_EPS,
  visionBlock,
} from '../qwen2_vl/vision.ts';

export const TOWER: TowerStyle = {
  norm: (params, module, x) => layerNorm(params, module, x, VISION_EPS),
  hasNormBias: true,
  mlp: (params, module, x) =>
    linear(
      params,
      `${module}.linear_fc2`,
      linear(params, `${module}.linear_fc1`, x).gelu({ approximate: 'tanh' }),
    ),
  mlpLayers: { widen: ['linear_fc1'], narrow: 'linear_fc2' },
};

/** Features of images or videos; see `ModelFamily.encodeVision`. */
export function encodeQwen3Vision(
  params: ModelParams,
  config: VisionConfig,
  pixels_PC: Tensor,
  grids: readonly Grid[],
): VisionFeatures {
  return scope(() => {
    const media = grids.map((grid) => mediaLayout(grid, config));
    const numPatches = media.reduce((sum, m) => sum + m.slices * m.sliceLength, 0);
    if (pixels_PC.shape[0] !== numPatches)
      throw new Error(`internal: ${pixels_PC.shape[0]} patches of pixels for grids of ${numPatches} patches`);
    const rotary = mediaRotary(grids, media, config, pixels_PC.device);
    const kernel = weight(params, 'visual.patch_embed.proj.weight');
    const bias = weight(params, 'visual.patch_embed.proj.bias');
    let x_PD = fastLinear(
      pixels_PC.to({ dtype: params.dtype }),
      kernel.reshape([kernel.shape[0]!, -1]),
      bias,
    );
    x_PD = x_PD.add(learnedPositions(params, config, grids, x_PD.device));
    const deepstack: Tensor[] = [];
    for (let block = 0; block < config.depth; block++) {
      const x = x_PD;
      x_PD = scope(() =>
        visionBlock(TOWER, params, config, block, x, rotary, (q, k, v) =>
          segmentAttention(q, k, v, media, true),
        ),
      );
      const index = config.deepstack_visual_indexes.indexOf(block);
      if (index >= 0) deepstack.push(deepMerger(params, config, index, x_PD));
    }
    const normed = layerNorm(params, 'visual.merger.norm', x_PD, VISION_EPS);
    return { features: mergerMlp(params, 'visual.merger', joinUnits(normed, config)), deepstack };
  });
}

/** merge x merge neighbouring patches as one vector; the patches of a unit lie next to each other. */
function joinUnits(x_PD: Tensor, config: VisionConfig): Tensor {
  return x_PD.view([-1, config.hidden_size * config.spatial_merge_size ** 2]);
}

/** The merger of a block in the middle: its norm comes after the joining. */
function deepMerger(params: ModelParams, config: VisionConfig, index: number, x_PD: Tensor): Tensor {
  const name = `visual.deepstack_merger_list.${index}`;
  return scope(() =>
    mergerMlp(params, name, layerNorm(params, `${name}.norm`, joinUnits(x_PD, config), VISION_EPS)),
  );
}

function mergerMlp(params: ModelParams, name: string, x: Tensor): Tensor {
  return linear(params, `${name}.linear_fc2`, linear(params, `${name}.linear_fc1`, x).gelu());
}

/** Learned positions (P, D) of all patches, in the compute dtype. */
function learnedPositions(
  params: ModelParams,
  config: VisionConfig,
  grids: readonly Grid[],
  device: string,
): Tensor {
  const media = grids.map(([t, h, w]) => {
    const { indices, weights } = interpolation(h, w, config);
    const rows = embed(params, 'visual.pos_embed.weight', indexTensor(indices, device));
    const shares = fromTypedArray(Float32Array.from(weights), [h * w, 4, 1], { device });
    const slice_SD = rows
      .view([h * w, 4, -1])
      .mul(shares)
      .sum([1])
      .to({ dtype: params.dtype });
    return t === 1 ? slice_SD : slice_SD.unsqueeze(0).expand([t, -1, -1]).flatten(0, 1);
  });
  return media.length === 1 ? media[0]! : cat(media, 0);
}

/** Rows of the table around each patch of a slice and their shares, four a patch, patches in merge x merge blocks. */
function interpolation(
  h: number,
  w: number,
  { num_position_embeddings, spatial_merge_size: merge }: VisionConfig,
): { readonly indices: readonly number[]; readonly weights: readonly number[] } {
  const side = Math.sqrt(num_position_embeddings!);
  const [rows, columns] = [axisTaps(h, side), axisTaps(w, side)];
  const indices: number[] = [];
  const weights: number[] = [];
  for (let top = 0; top < h; top += merge) {
    for (let left = 0; left < w; left += merge) {
      for (let inner = 0; inner < merge * merge; inner++) {
        const row = rows[top + Math.floor(inner / merge)]!;
        const column = columns[left + (inner % merge)]!;
        for (const a of row) {
          for (const b of column) {
            indices.push(a.at * side + b.at);
            weights.push(Math.fround(a.weight * b.weight));
          }
        }
      }
    }
  }
  return { indices, weights };
}

/** The two places of a table of `side` rows around each of `size` points that are spread over it from end to end; float32. */
function axisTaps(size: number, side: number): { readonly at: number; readonly weight: number }[][] {
  return Array.from({ length: size }, (_, index) => {
    const place = Math.fround((index * (side - 1)) / Math.max(size - 1, 1));
    const floor = Math.floor(place);
    const above = Math.fround(place - floor);
    return [
      { at: floor, weight: Math.fround(1 - above) },
      { at: Math.min(floor + 1, side - 1), weight: Math.fround(1 - Math.abs(Math.fround(above - 1))) },
    ];
  });
}
