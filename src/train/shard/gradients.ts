/**
 * What becomes of the gradients of several ranks. Every rank adds up those of its own prompts; then they are summed over the ranks,
 * a bucket a decoder layer, in the order in which the way back completes them, so that a layer's gradients travel while the layers
 * below are still computed. The loss is scaled by the counts of the whole batch, so sums are all that is needed.
 *
 * Source: Li et al. 2020 (arXiv 2006.15704), "PyTorch Distributed": buckets in reverse order, gradients as views of them.
 */
import type { Pending, TensorCollectives } from '../../dist/index.ts';
import type { LayerGate } from '../../models/index.ts';
import { keep, noGrad, scope, type Tensor, zeros } from '../../tensor/index.ts';

/** The gradients of an update, from 0 to their sum over all ranks. */
export interface Gradients {
  /** Sets them to 0. */
  zero(): void;
  /**
   * One way back at most, of as many as the rank with the most prompts has; all ranks call it equally often.
   * @param isLast after this one nothing is added
   */
  round(isLast: boolean, body: () => void): Promise<void>;
  /** Waits for the sums. */
  finish(): Promise<void>;
  /** Told of layers by the model; undefined where it need not tell. */
  readonly gate: LayerGate | undefined;
  dispose(): void;
}

/** The layer that a parameter belongs to, -1 for those outside of the decoder's layers. */
export function layerOf(name: string): number {
  return Number(/(?:^|\.)model\.(?:language_model\.)?layers\.(\d+)\./.exec(`.${name}`)?.[1] ?? -1);
}

interface Bucket {
  readonly layer: number;
  readonly flat: Tensor;
}

/** Whole gradients on every rank: plain data parallelism. */
export class ReducedGradients implements Gradients {
  readonly #tensors: TensorCollectives;
  /** From the last layer to the first, then what lies outside of layers: the order in which all ranks launch them. */
  readonly #buckets: readonly Bucket[];
  #numLaunched = 0;
  #pending: Pending[] = [];
  #isLast = false;

  /** @param params leaves that require grad, by name; their gradients become views of the buckets */
  constructor(params: ReadonlyMap<string, Tensor>, tensors: TensorCollectives) {
    this.#tensors = tensors;
    const byBucket = new Map<string, { readonly layer: number; readonly params: Tensor[] }>();
    for (const [name, param] of params) {
      const layer = layerOf(name);
      const key = `${layer} ${param.dtype}`;
      const bucket = byBucket.get(key) ?? { layer, params: [] };
      bucket.params.push(param);
      byBucket.set(key, bucket);
    }
    const ordered = [...byBucket.values()].sort((a, b) => b.layer - a.layer);
    this.#buckets = ordered.map(({ layer, params: own }) => {
      const size = own.reduce((sum, param) => sum + param.numel(), 0);
      const [{ dtype, device }] = own as [Tensor];
      const flat = keep(zeros([size], { dtype, device }));
      scope('gradient buckets', () => {
        let from = 0;
        for (const param of own) {
          param.grad = flat.narrow(0, from, param.numel()).view(param.shape);
          from += param.numel();
        }
      });
      return { layer, flat };
    });
  }

  readonly gate: LayerGate = {
    enter: () => {},
    leave: (layer, isBackward) => {
      if (isBackward && this.#isLast) this.#launch((bucket) => bucket.layer >= layer && bucket.layer >= 0);
    },
  };

  zero(): void {
    noGrad(() => {
      for (const { flat } of this.#buckets) flat.zero_();
    });
    this.#numLaunched = 0;
  }

  async round(isLast: boolean, body: () => void): Promise<void> {
    this.#isLast = isLast;
    body();
    this.#isLast = false;
  }

  async finish(): Promise<void> {
    this.#launch(() => true);
    for (const pending of this.#pending) await pending.done();
    this.#pending = [];
  }

  /** Launches the next buckets while they are due. */
  #launch(isDue: (bucket: Bucket) => boolean): void {
    for (; this.#numLaunched < this.#buckets.length; this.#numLaunched++) {
      const bucket = this.#buckets[this.#numLaunched]!;
      if (!isDue(bucket)) return;
      const where = bucket.layer < 0 ? 'outside of layers' : `of layer ${bucket.layer}`;
      this.#pending.push(this.#tensors.allReduce(bucket.flat, `all-reduce of gradients ${where}`));
    }
  }

  dispose(): void {
    for (const { flat } of this.#buckets) flat.dispose();
  }
}

/** The gradients of a run in one process, as autograd leaves them. */
export class OwnGradients implements Gradients {
  readonly gate = undefined;
  readonly #zero: () => void;

  /** @param zero fills gradients with 0, making them where absent */
  constructor(zero: () => void) {
    this.#zero = zero;
  }

  zero(): void {
    this.#zero();
  }

  async round(_isLast: boolean, body: () => void): Promise<void> {
    body();
  }

  async finish(): Promise<void> {}

  dispose(): void {}
}
