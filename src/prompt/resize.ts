/**
 * Resizing frames exactly as torchvision does, on ATen's own antialiased bicubic kernel.
 * Two ways exist upstream and differ in about a fifth of all values, mostly by one grey level, at sharp edges by up to 5:
 * - `float32`: convert, resize, clamp to 0..255, round half to even: `torchvision.transforms.functional.resize`, which
 *   qwen_vl_utils and so the authors call;
 * - `uint8`: the fixed-point kernel that `torchvision.transforms.v2` (transformers' fast processors) uses on the CPU.
 */

import { VideoError } from '../base/index.ts';
import { _upsample_bicubic2d_aa, cat, fromTypedArray, scope, type Tensor } from '../tensor/index.ts';
import type { FrameSize, RgbFrames } from '../video/index.ts';

export type ResizeKernel = 'float32' | 'uint8';

/**
 * Resizes N frames.
 * @returns uint8 tensor [N, 3, height, width], values 0..255
 */
export function resizeFrames(video: RgbFrames, size: FrameSize, kernel: ResizeKernel = 'float32'): Tensor {
  const { frames, numFrames, height, width } = video;
  if (frames.length !== numFrames * height * width * 3) {
    throw new VideoError(`internal: expected ${numFrames}x${height}x${width}x3 bytes, got ${frames.length}`);
  }
  return scope(() => {
    const nchw = fromTypedArray(frames, [numFrames, height, width, 3]).permute([0, 3, 1, 2]).contiguous();
    if (height === size.height && width === size.width) return nchw;
    const target = [size.height, size.width];
    if (kernel === 'uint8') return _upsample_bicubic2d_aa(nchw, target, false);
    // Frame by frame: a float copy of a whole video would be four times its size.
    const resized = [];
    for (let at = 0; at < numFrames; at++)
      resized.push(scope(() => resizeFloat(nchw.narrow(0, at, 1), target)));
    return cat(resized, 0);
  });
}

// Same order as torchvision: cubic overshoot is cut off before rounding.
function resizeFloat(frame_NCHW: Tensor, target: number[]): Tensor {
  return _upsample_bicubic2d_aa(frame_NCHW.to({ dtype: 'float32' }), target, false)
    .clamp(0, 255)
    .round()
    .to({ dtype: 'uint8' });
}
