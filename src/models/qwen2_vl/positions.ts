/**
 * Where each prompt token stands in time, height and width (M-RoPE positions). Text counts one by one on all three axes;
 * a video spreads over a (time, height, width) grid, its temporal step scaled to real seconds in Qwen2.5-VL.
 *
 * Plain arrays of integers, no tensors: positions are computed once a prompt and read by `rope.ts`.
 *
 * Source: transformers 5.18 `modeling_qwen2_5_vl.py` `get_rope_index` and `get_vision_position_ids` (Qwen2-VL: the same
 * with a temporal step of 1). See `TextAfterVision` for where transformers 4 differs.
 */
import { DataError } from '../../base/index.ts';
import type { ModelConfig } from '../config.ts';
import type { Grid, MropePositions, TextAfterVision, VisionGrids } from '../model.ts';

/**
 * Positions of one unpadded prompt.
 *
 * @param input_ids Prompt with placeholders expanded: as many image/video tokens as merged patches.
 * @throws DataError when placeholders and grids do not match.
 */
export function mropePositions(
  input_ids: readonly number[],
  grids: VisionGrids,
  config: Pick<ModelConfig, 'image_token_id' | 'video_token_id' | 'vision_config'>,
  textAfterVision: TextAfterVision = 'largest',
): MropePositions {
  const length = input_ids.length;
  const merge = config.vision_config.spatial_merge_size;
  const [time, height, width] = [new Int32Array(length), new Int32Array(length), new Int32Array(length)];
  const images = grids.image_grid_thw ?? [];
  const videos = grids.video_grid_thw ?? [];
  let numImages = 0;
  let numVideos = 0;
  let next = 0;
  let largest = -1;
  let at = 0;
  while (at < length) {
    const id = input_ids[at]!;
    if (id !== config.image_token_id && id !== config.video_token_id) {
      time[at] = height[at] = width[at] = next;
      largest = Math.max(largest, next);
      next += 1;
      at += 1;
      continue;
    }
    const isVideo = id === config.video_token_id;
    const index = isVideo ? numVideos++ : numImages++;
    const grid = (isVideo ? videos : images)[index];
    const [t, h, w] = checkPlaceholders(
      input_ids,
      at,
      grid,
      merge,
      `${isVideo ? 'video' : 'image'} ${index}`,
    );
    const step = isVideo ? temporalStep(config, grids.second_per_grid_ts?.[index]) : 1;
    for (let slice = 0; slice < t; slice++) {
      // float32, as torch multiplies int64 positions by a float32 step; then cut to an integer.
      const sliceTime = next + Math.trunc(Math.fround(slice * step));
      for (let row = 0; row < h; row++) {
        for (let column = 0; column < w; column++) {
          time[at] = sliceTime;
          height[at] = next + row;
          width[at] = next + column;
          at += 1;
        }
      }
      largest = Math.max(largest, sliceTime, next + h - 1, next + w - 1);
    }
    next = textAfterVision === 'spatial' ? next + Math.max(h, w) : largest + 1;
  }
  if (numImages !== images.length || numVideos !== videos.length) {
    throw new DataError(
      `the prompt shows ${numImages} images and ${numVideos} videos, but grids came for ${images.length} and ${videos.length}`,
      { hint: 'one placeholder run per image or video, in the same order as the grids' },
    );
  }
  return { axes: [time, height, width], next, rope_delta: largest + 1 - length };
}

/** Merged grid of the placeholder run that begins at `at`. */
function checkPlaceholders(
  input_ids: readonly number[],
  at: number,
  grid: Grid | undefined,
  merge: number,
  what: string,
): Grid {
  if (grid === undefined)
    throw new DataError(`the prompt has a placeholder at token ${at} for ${what}, but no grid`);
  const [t, h, w] = grid;
  if (h % merge !== 0 || w % merge !== 0) {
    throw new DataError(`${what}: grid ${t}x${h}x${w} is not divisible by spatial_merge_size ${merge}`);
  }
  const merged: Grid = [t, h / merge, w / merge];
  const expected = t * merged[1] * merged[2];
  let count = 0;
  while (count < expected && input_ids[at + count] === input_ids[at]) count += 1;
  if (count !== expected) {
    throw new DataError(`${what}: expected ${expected} placeholder tokens from token ${at}, found ${count}`, {
      hint: 'the placeholder is expanded to t*h*w / spatial_merge_size^2 tokens',
    });
  }
  return merged;
}

/** Temporal positions between two slices, in float32 as Hugging Face computes it. */
function temporalStep(config: Pick<ModelConfig, 'vision_config'>, secondPerGrid: number | undefined): number {
  const tokensPerSecond = config.vision_config.tokens_per_second;
  if (tokensPerSecond === undefined) return 1;
  return Math.fround(tokensPerSecond * Math.fround(secondPerGrid ?? 1));
}
