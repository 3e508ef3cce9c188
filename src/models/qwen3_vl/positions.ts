/**
 * Where each prompt token stands. A video is told slice by slice, its time in words before each, so every slice stands like an
 * image of its own and nothing depends on seconds.
 *
 * Source: transformers 5.18 `modeling_qwen3_vl.py` `get_rope_index`.
 */
import type { ModelConfig } from '../config.ts';
import type { Grid, MropePositions, TextAfterVision, VisionGrids } from '../model.ts';
import { mropePositions } from '../qwen2_vl/positions.ts';

/** @throws DataError when placeholders and grids do not match; it counts slices as videos. */
export function slicePositions(
  input_ids: readonly number[],
  { image_grid_thw, video_grid_thw = [] }: VisionGrids,
  config: ModelConfig,
  textAfterVision: TextAfterVision,
): MropePositions {
  const slices = video_grid_thw.flatMap(([t, h, w]) => Array.from({ length: t }, (): Grid => [1, h, w]));
  return mropePositions(input_ids, { image_grid_thw, video_grid_thw: slices }, config, textAfterVision);
}
