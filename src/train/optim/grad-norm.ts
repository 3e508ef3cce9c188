/** The norm of all gradients together, and cutting it (`torch.nn.utils.clip_grad_norm_`). */
import { _foreach_mul_, _foreach_norm, noGrad, scope, stack, type Tensor } from '../../tensor/index.ts';

/** Euclidean norm over all gradients together; 0 when there are none. Computed in float32 or wider, without copies that wide. */
export function gradNorm(params: Iterable<Tensor>): number {
  return scope('gradNorm', () => {
    const byWidth = new Map<'float32' | 'float64', Tensor[]>();
    for (const { grad } of params) {
      if (grad === undefined) continue;
      const width = grad.dtype === 'float64' ? 'float64' : 'float32';
      const gradients = byWidth.get(width);
      if (gradients === undefined) byWidth.set(width, [grad]);
      else gradients.push(grad);
    }
    // A device is asked once: for the norm of all norms.
    const norms = [...byWidth].map(([width, gradients]) =>
      stack(_foreach_norm(gradients, 2, width))
        .to({ dtype: 'float64' })
        .norm(2),
    );
    return norms.length === 0 ? 0 : stack(norms).norm(2).item();
  });
}

/**
 * Scales all gradients so that their norm is at most `maxNorm` (`torch.nn.utils.clip_grad_norm_`).
 * @returns the norm before clipping
 */
export function clipGradNorm(params: Iterable<Tensor>, maxNorm: number): number {
  const list = [...params];
  const norm = gradNorm(list);
  cutGradients(list, norm, maxNorm);
  return norm;
}

/** Scales gradients whose norm, with those that other ranks have of it, is `norm`, so that it is at most `maxNorm`. */
export function cutGradients(params: Iterable<Tensor>, norm: number, maxNorm: number): void {
  scope('cutGradients', () => {
    const factor = maxNorm / (norm + 1e-6);
    const gradients = [...params].flatMap((param) => param.grad ?? []);
    if (factor < 1 && gradients.length > 0) noGrad(() => _foreach_mul_(gradients, factor));
  });
}
