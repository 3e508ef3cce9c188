/** Linear layers, with large float32 products on a CPU given to the faster of libtorch's two libraries (`native/linear.cpp`). */
import { callOperator } from './operator-call.ts';
import type { Tensor } from './tensor.ts';

/**
 * `x W^T + b`, as `linear`, with gradients.
 *
 * @param x (..., in)
 * @param weight (out, in); may be a transposed view
 * @param bias (out)
 * @returns (..., out)
 */
export function fastLinear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  return callOperator('twgrpo::linear', [x, weight, bias]) as Tensor;
}
