/** The norm of all gradients together, and cutting it (`torch.nn.utils.clip_grad_norm_`). */
import { _foreach_mul_, noGrad, scope, stack, type Tensor } from '../../tensor/index.ts';

/** Euclidean norm over all gradients together; 0 when there are none. Computed in float32 or wider. */
export function gradNorm(params: Iterable<Tensor>): number {
  return scope('gradNorm', () => {
    const norms = [...params].flatMap((param) => {
      const gradient = param.grad;
      if (gradient === undefined) return [];
      const wide = gradient.dtype === 'float64' ? gradient : gradient.to({ dtype: 'float32' });
      return [wide.norm(2).to({ dtype: 'float64', device: 'cpu' })];
    });
    return norms.length === 0 ? 0 : stack(norms).norm(2).item();
  });
}

/**
 * Scales all gradients so that their norm is at most `maxNorm` (`torch.nn.utils.clip_grad_norm_`).
 * @returns the norm before clipping
 */
export function clipGradNorm(params: Iterable<Tensor>, maxNorm: number): number {
  return scope('clipGradNorm', () => {
    const list = [...params];
    const norm = gradNorm(list);
    const factor = maxNorm / (norm + 1e-6);
    const gradients = list.flatMap((param) => param.grad ?? []);
    if (factor < 1 && gradients.length > 0) noGrad(() => _foreach_mul_(gradients, factor));
    return norm;
  });
}
