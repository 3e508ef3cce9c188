/**
 * Weights that lie on the ranks in parts: ZeRO's third stage. In training a layer's weights are gathered before they are read, once
 * more on the way back, and freed after, with the next layer's on their way meanwhile; what lies outside of layers stays for an update.
 * For rollouts and evaluations all are gathered at once.
 *
 * A weight of the model is a view of its unit's flat vector whose memory comes and goes.
 */
import type { Pending, TensorCollectives } from '../../dist/index.ts';
import type { LayerGate } from '../../models/index.ts';
import {
  type Device,
  type DType,
  dispose,
  empty,
  fillStorage,
  freeStorage,
  itemSize,
  keep,
  noGrad,
  scope,
  type Tensor,
  zeros,
} from '../../tensor/index.ts';
import { flat, piecesOf, type Unit, unitName, unitsOf } from './units.ts';

interface HeldUnit {
  readonly unit: Unit;
  /** The rank's part. */
  readonly part: Tensor;
  /** Where the unit's weights are whole, while they are. */
  readonly whole: Tensor;
  readonly bytes: number;
  state: 'closed' | 'coming' | 'open';
  pending: Pending | undefined;
}

export interface ShardedWeightsOptions {
  readonly tensors: TensorCollectives;
  /** Of the parts; undefined: as the weights are. */
  readonly dtype: DType | undefined;
  readonly device: Device;
  readonly isTrained: (name: string) => boolean;
}

export class ShardedWeights {
  /** The model's weights by name: views, in the order given. */
  readonly views: ReadonlyMap<string, Tensor>;
  readonly #tensors: TensorCollectives;
  readonly #units: readonly HeldUnit[];
  readonly #numLayers: number;
  /** All are whole, so that layers need not be. */
  #isWhole = false;
  #hasRoots = false;
  /** Passes of layers in this round, so that ranks that have less to do take part in as many. */
  #forward = 0;
  #backward = 0;

  /** @param weights whole, in memory or mapped from files; only this rank's part is read */
  constructor(
    weights: ReadonlyMap<string, Tensor>,
    { tensors, dtype, device, isTrained }: ShardedWeightsOptions,
  ) {
    this.#tensors = tensors;
    const views = new Map<string, Tensor>();
    this.#units = unitsOf(weights, tensors.world_size, isTrained).map((unit) => {
      const own = dtype ?? unit.params[0]!.tensor.dtype;
      const [part, whole] = scope(() =>
        noGrad(() => {
          const part = zeros([unit.part], { dtype: own, device });
          for (const { param, from, size, at } of piecesOf(unit, tensors.rank))
            part.narrow(0, at, size).copy_(flat(param.tensor, from, size));
          return [keep(part), keep(empty([unit.size], { dtype: own, device }))];
        }),
      ) as [Tensor, Tensor];
      for (const { name, tensor, offset, size } of unit.params)
        views.set(name, keep(noGrad(() => scope(() => whole.narrow(0, offset, size).view(tensor.shape)))));
      const held: HeldUnit = {
        ...{ unit, part, whole, bytes: unit.size * itemSize(own) },
        ...{ state: 'open', pending: undefined },
      };
      this.#close(held);
      return held;
    });
    this.views = new Map([...weights.keys()].map((name) => [name, views.get(name)!]));
    this.#numLayers = Math.max(...this.#units.map(({ unit }) => unit.layer)) + 1;
  }

  /** This rank's part of the unit that holds the same parameters. */
  partOf(unit: Unit): Tensor {
    const held = this.#units.find((one) => one.unit.params[0]!.name === unit.params[0]!.name);
    if (held === undefined || held.unit.size !== unit.size)
      throw new Error('internal: gradients are divided otherwise than weights');
    return held.part;
  }

  readonly gate: LayerGate = {
    enter: (layer, isBackward) => {
      if (this.#isWhole) return;
      if (isBackward) this.#backward += 1;
      else this.#forward += 1;
      for (const one of this.#ofLayer(layer)) this.#open(one);
      for (const one of this.#ofLayer(isBackward ? layer - 1 : layer + 1)) this.#request(one);
    },
    leave: (layer) => {
      if (this.#isWhole) return;
      for (const one of this.#ofLayer(layer)) this.#close(one);
    },
  };

  /** Runs `body` with all weights whole. All ranks call it equally often. */
  async whole<T>(body: () => Promise<T> | T): Promise<T> {
    if (this.#isWhole) return await body();
    for (const one of this.#units) this.#request(one);
    for (const one of this.#units) await this.#arrive(one);
    this.#isWhole = true;
    try {
      return await body();
    } finally {
      this.#isWhole = false;
      for (const one of this.#units) if (!(this.#hasRoots && one.unit.layer < 0)) this.#close(one);
    }
  }

  /** Gathers what lies outside of layers, until `closeRoots`. */
  async openRoots(): Promise<void> {
    if (this.#hasRoots) return;
    this.#hasRoots = true;
    for (const one of this.#ofLayer(-1)) this.#request(one);
    for (const one of this.#ofLayer(-1)) await this.#arrive(one);
  }

  closeRoots(): void {
    this.#hasRoots = false;
    for (const one of this.#ofLayer(-1)) this.#close(one);
  }

  /** Begins a round. */
  begin(): void {
    this.#forward = 0;
    this.#backward = 0;
  }

  /** Passes through the layers that this rank had no reason to compute but others have. @param gate all that are told of layers */
  catchUp(gate: LayerGate): void {
    if (this.#isWhole) return;
    for (let layer = this.#forward; layer < this.#numLayers; layer++) {
      gate.enter(layer, false);
      gate.leave(layer, false);
    }
    for (let layer = this.#numLayers - 1 - this.#backward; layer >= 0; layer--) {
      gate.enter(layer, true);
      gate.leave(layer, true);
    }
  }

  #ofLayer(layer: number): readonly HeldUnit[] {
    return this.#units.filter(({ unit }) => unit.layer === layer);
  }

  #request(one: HeldUnit): void {
    if (one.state !== 'closed') return;
    one.state = 'coming';
    fillStorage(one.whole, one.bytes);
    one.pending = this.#tensors.allGather(one.whole, one.part, `all-gather of weights ${unitName(one.unit)}`);
  }

  #open(one: HeldUnit): void {
    this.#request(one);
    one.pending?.wait();
    one.pending = undefined;
    one.state = 'open';
  }

  async #arrive(one: HeldUnit): Promise<void> {
    await one.pending?.done();
    one.pending = undefined;
    one.state = 'open';
  }

  #close(one: HeldUnit): void {
    if (one.state === 'closed') return;
    one.pending?.wait();
    one.pending = undefined;
    one.state = 'closed';
    freeStorage(one.whole);
  }

  /** The views belong to the model. */
  dispose(): void {
    for (const { part, whole } of this.#units) dispose([part, whole]);
  }
}
