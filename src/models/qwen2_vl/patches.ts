/**
 * Frames to patches: normalized pixels in the order the vision tower reads them.
 *
 * Legend: N frames, S temporal slices, H height, W width (pixels), P patches, X values of a patch.
 *
 * Source: transformers `models/qwen2_vl/video_processing_qwen2_vl.py` (`patchify`) and
 * `image_processing_backends.py` (`rescale_and_normalize`, rescaling folded into mean and deviation).
 */
import { DataError } from '../../base/index.ts';
import { cat, scope, type Tensor, tensor } from '../../tensor/index.ts';
import type { Grid } from '../model.ts';
import type { PatchSettings } from './processor-config.ts';

export interface Patches {
  /** float32 [P, X]: P = t * h * w, X = channels * temporal_patch_size * patch_size². Belongs to the caller's scope. */
  readonly pixels_PX: Tensor;
  readonly grid: Grid;
}

/**
 * Cut frames into patches. An odd number of frames is filled up by repeating the last one (an image is a video of one
 * frame). Patches that merge into one token lie next to each other; within a patch the order is channel, frame, row, column.
 *
 * @param frames_N3HW uint8, sides multiples of `patch_size * merge_size`
 * @param what named in the error, such as `video 0`
 * @throws DataError when dtype, channels or sides do not fit
 */
export function toPatches(frames_N3HW: Tensor, settings: PatchSettings, what: string): Patches {
  const { patch_size: patch, temporal_patch_size: depth, merge_size: merge } = settings;
  const unit = patch * merge;
  const [frames = 0, channels = 0, height = 0, width = 0] = frames_N3HW.shape;
  const fits =
    frames > 0 && channels === 3 && height > 0 && width > 0 && height % unit === 0 && width % unit === 0;
  if (frames_N3HW.ndim !== 4 || frames_N3HW.dtype !== 'uint8' || !fits) {
    throw new DataError(
      `${what}: expected uint8 frames [N, 3, height, width] with sides that are multiples of ${unit}, got ${frames_N3HW.dtype} [${frames_N3HW.shape.join(', ')}]`,
      { hint: 'Resize the frames first: `loadVideo` and `loadImage` of the prompt room do.' },
    );
  }
  const slices = Math.ceil(frames / depth);
  const [rows, columns] = [height / patch, width / patch];
  const size = slices * rows * columns;
  const pixels_PX = scope('patches', () => {
    const missing = slices * depth - frames;
    const filled = missing === 0 ? frames_N3HW : cat([frames_N3HW, repeatLast(frames_N3HW, missing)], 0);
    // Reordered as bytes, then widened: a quarter of the memory traffic, the same numbers.
    const bytes_P3Y = filled
      .reshape([slices, depth, 3, rows / merge, merge, patch, columns / merge, merge, patch])
      .permute([0, 3, 6, 4, 7, 2, 1, 5, 8])
      .reshape([size, 3, depth * patch * patch]);
    const scale = 1 / settings.rescale_factor;
    const statistic = (values: readonly number[]) =>
      tensor([...values])
        .mul(scale)
        .view([1, 3, 1]);
    return bytes_P3Y
      .to({ dtype: 'float32' })
      .sub_(statistic(settings.image_mean))
      .div_(statistic(settings.image_std))
      .view([size, 3 * depth * patch * patch]);
  });
  return { pixels_PX, grid: [slices, rows, columns] };
}

function repeatLast(frames_N3HW: Tensor, times: number): Tensor {
  const last = frames_N3HW.narrow(0, frames_N3HW.size(0) - 1, 1);
  return last.expand([times, -1, -1, -1]);
}
