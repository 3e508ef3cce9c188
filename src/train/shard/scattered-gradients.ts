/**
 * Gradients whose sum lies on the ranks in parts, and an optimizer that updates a part on each: ZeRO. Stage 1 adds up whole gradients
 * and scatters their sum once an update. From stage 2 on whole gradients live only while their layer is on its way back: each
 * round scatters them and adds to the part, so that a rank holds the part and the gradients of two layers.
 */
import type { Pending, Processes, TensorCollectives } from '../../dist/index.ts';
import type { LayerGate } from '../../models/index.ts';
import { empty, keep, noGrad, scope, type Tensor, zeros } from '../../tensor/index.ts';
import type { Gradients } from './gradients.ts';
import { flat, type Piece, piecesOf, type Unit, unitName, unitsOf } from './units.ts';

export interface ScatteredOptions {
  readonly stage: 1 | 2 | 3;
  readonly processes: Processes;
  readonly tensors: TensorCollectives;
  /** The rank's part of each unit where weights themselves lie in parts; else it is cut out of the whole ones. */
  readonly partOf?: ((unit: Unit) => Tensor) | undefined;
  /** Whether layers come back one after another, which is so with gradient checkpointing. */
  readonly isLayerwise: boolean;
}

/** What the optimizer sees of a parameter. */
export interface OptimizedPiece extends Piece {
  /** One axis; its `.grad` is the rank's part of the sum. */
  readonly tensor: Tensor;
}

interface OwnUnit {
  readonly unit: Unit;
  readonly pieces: readonly OptimizedPiece[];
  /** The rank's part of the summed gradients. */
  readonly sum: Tensor;
  /** Whole gradients, while they live. */
  whole: Tensor | undefined;
}

export class ScatteredGradients implements Gradients {
  readonly #options: ScatteredOptions;
  readonly #units: readonly OwnUnit[];
  #numLaunched = 0;
  #isDue = false;
  #pending: { readonly work: Pending; readonly one: OwnUnit; readonly part: Tensor }[] = [];

  /** @param params the parameters that train, by name */
  constructor(params: ReadonlyMap<string, Tensor>, options: ScatteredOptions) {
    this.#options = options;
    const { rank, world_size } = options.processes;
    this.#units = unitsOf(params, world_size).map((unit) => {
      const [{ tensor: first }] = unit.params as [Unit['params'][number]];
      const sum = keep(zeros([unit.part], { dtype: first.dtype, device: first.device }));
      const own = options.partOf?.(unit);
      const pieces = piecesOf(unit, rank).map((piece) => {
        const { param, from, size, at } = piece;
        const tensor = keep(own === undefined ? flat(param.tensor, from, size) : flat(own, at, size));
        scope(() => {
          tensor.grad = sum.narrow(0, at, size);
        });
        return { ...piece, tensor };
      });
      return { unit, pieces, sum, whole: undefined };
    });
    if (options.stage === 1) for (const one of this.#units) this.#open(one);
  }

  /** For the optimizer, by name. */
  get pieces(): ReadonlyMap<string, OptimizedPiece> {
    return new Map(this.#units.flatMap(({ pieces }) => pieces.map((piece) => [piece.name, piece] as const)));
  }

  readonly gate: LayerGate = {
    enter: (layer, isBackward) => {
      if (!isBackward || this.#options.stage === 1) return;
      for (const one of this.#units) if (one.unit.layer === layer) this.#open(one);
    },
    leave: (layer, isBackward) => {
      if (isBackward && this.#isDue) this.#launch((unit) => unit.layer >= layer && unit.layer >= 0);
    },
  };

  zero(): void {
    noGrad(() => {
      for (const { sum, whole } of this.#units) {
        sum.zero_();
        whole?.zero_();
      }
    });
    this.#numLaunched = 0;
  }

  async round(isLast: boolean, body: () => void): Promise<void> {
    const { stage, isLayerwise } = this.#options;
    this.#isDue = stage > 1 || isLast;
    if (stage > 1) {
      this.#numLaunched = 0;
      for (const one of this.#units) if (one.unit.layer < 0 || !isLayerwise) this.#open(one);
    }
    body();
    if (stage > 1) await this.#finishRound();
    this.#isDue = false;
  }

  async finish(): Promise<void> {
    if (this.#options.stage === 1) await this.#finishRound();
  }

  async #finishRound(): Promise<void> {
    this.#launch(() => true);
    for (const { work } of this.#pending) await work.done();
    this.#take();
  }

  async wholeNorm(own: number): Promise<number> {
    const squares = await this.#options.processes.gather(own ** 2, 'the norm of the gradients');
    return Math.sqrt(squares.reduce((sum, square) => sum + square, 0));
  }

  /** Every rank receives the parts that the others have updated. */
  async publish(): Promise<void> {
    if (this.#options.stage === 3) return;
    const { tensors } = this.#options;
    let before: (() => Promise<void>) | undefined;
    for (const { unit, pieces, sum } of this.#units) {
      const { dtype, device } = sum;
      const [own, all] = scope(() =>
        noGrad(() => {
          const part = zeros([unit.part], { dtype, device });
          for (const { tensor, at, size } of pieces) part.narrow(0, at, size).copy_(tensor);
          return [keep(part), keep(empty([unit.size], { dtype, device }))];
        }),
      ) as [Tensor, Tensor];
      const work = tensors.allGather(all, own, `all-gather of weights ${unitName(unit)}`);
      // While this one travels the one before is put in its place.
      await before?.();
      before = async () => {
        await work.done();
        scope(() =>
          noGrad(() => {
            for (const { tensor, offset, size } of unit.params)
              flat(tensor, 0, size).copy_(all.narrow(0, offset, size));
          }),
        );
        own.dispose();
        all.dispose();
      };
    }
    await before?.();
  }

  /** Gives a unit whole gradients, 0 at first. */
  #open(one: OwnUnit): void {
    if (one.whole !== undefined) return;
    const { dtype, device } = one.sum;
    const whole = keep(zeros([one.unit.size], { dtype, device }));
    one.whole = whole;
    scope(() => {
      for (const { tensor, offset, size } of one.unit.params)
        tensor.grad = whole.narrow(0, offset, size).view(tensor.shape);
    });
  }

  /** Launches the next units while they are due. From stage 2 on two units' gradients live at most. */
  #launch(isDue: (unit: Unit) => boolean): void {
    const { stage, tensors } = this.#options;
    for (; this.#numLaunched < this.#units.length; this.#numLaunched++) {
      const one = this.#units[this.#numLaunched]!;
      if (!isDue(one.unit)) return;
      if (stage > 1) {
        for (const { work } of this.#pending) work.wait();
        this.#take();
      }
      this.#open(one);
      const part = keep(empty([one.unit.part], { dtype: one.sum.dtype, device: one.sum.device }));
      const work = tensors.reduceScatter(
        part,
        one.whole!,
        `reduce-scatter of gradients ${unitName(one.unit)}`,
      );
      this.#pending.push({ work, one, part });
    }
  }

  /** Adds what has arrived. */
  #take(): void {
    for (const { one, part } of this.#pending) {
      noGrad(() => one.sum.add_(part));
      part.dispose();
      if (this.#options.stage === 1) continue;
      for (const { tensor } of one.unit.params) tensor.grad = undefined;
      one.whole!.dispose();
      one.whole = undefined;
    }
    this.#pending = [];
  }

  dispose(): void {
    for (const { pieces, sum, whole } of this.#units) {
      for (const { tensor } of pieces) tensor.dispose();
      sum.dispose();
      whole?.dispose();
    }
  }
}
