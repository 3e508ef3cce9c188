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
import type { ShardedWeights } from './sharded-weights.ts';
import { unitName, unitsOf } from './units.ts';

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
  /** The norm of all gradients, where `own` is that of those which this rank's optimizer updates. */
  wholeNorm(own: number): Promise<number>;
  /** After the optimizer's step: all ranks get what the others have updated. */
  publish(): Promise<void>;
  /** Told of layers by the model; undefined where it need not tell. */
  readonly gate: LayerGate | undefined;
  dispose(): void;
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
    this.#buckets = unitsOf(params, 1).map(({ layer, params: own, size }) => {
      const { dtype, device } = own[0]!.tensor;
      const flat = keep(zeros([size], { dtype, device }));
      scope('gradient buckets', () => {
        for (const { tensor, offset, size: count } of own)
          tensor.grad = flat.narrow(0, offset, count).view(tensor.shape);
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

  async wholeNorm(own: number): Promise<number> {
    return own;
  }

  async publish(): Promise<void> {}

  /** Launches the next buckets while they are due. */
  #launch(isDue: (bucket: Bucket) => boolean): void {
    for (; this.#numLaunched < this.#buckets.length; this.#numLaunched++) {
      const bucket = this.#buckets[this.#numLaunched]!;
      if (!isDue(bucket)) return;
      this.#pending.push(this.#tensors.allReduce(bucket.flat, `all-reduce of gradients ${unitName(bucket)}`));
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

  async wholeNorm(own: number): Promise<number> {
    return own;
  }

  async publish(): Promise<void> {}

  dispose(): void {}
}

/** Gradients of weights that lie on the ranks in parts: whatever the gradients do, with the weights gathered around it. */
export class GradientsOfParts implements Gradients {
  readonly gate: LayerGate;
  readonly #inner: Gradients;
  readonly #weights: ShardedWeights;

  constructor(inner: Gradients, weights: ShardedWeights) {
    this.#inner = inner;
    this.#weights = weights;
    this.gate = {
      enter: (layer, isBackward) => {
        weights.gate.enter(layer, isBackward);
        inner.gate?.enter(layer, isBackward);
      },
      leave: (layer, isBackward) => {
        inner.gate?.leave(layer, isBackward);
        weights.gate.leave(layer, isBackward);
      },
    };
  }

  zero(): void {
    this.#inner.zero();
  }

  async round(isLast: boolean, body: () => void): Promise<void> {
    await this.#weights.openRoots();
    this.#weights.begin();
    await this.#inner.round(isLast, () => {
      body();
      this.#weights.catchUp(this.gate);
    });
  }

  async finish(): Promise<void> {
    await this.#inner.finish();
    this.#weights.closeRoots();
  }

  async wholeNorm(own: number): Promise<number> {
    return await this.#inner.wholeNorm(own);
  }

  async publish(): Promise<void> {
    await this.#inner.publish();
  }

  dispose(): void {
    this.#inner.dispose();
    this.#weights.dispose();
  }
}
