/**
 * Where the tokens of a prompt and its G continuations lie: packed without padding for everything that works token by token
 * (norms, projections, MLP), padded to (G, C) only inside attention and for the result.
 *
 * The last token of a continuation predicts nothing, so it is not fed: a continuation of n tokens takes n - 1 places.
 *
 * Shapes: P prompt tokens, G rows, C longest completion, S = C - 1 longest suffix fed, N = P + sum(n_g - 1) packed tokens.
 */
import type { Tensor } from '../../tensor/index.ts';
import { indexTensor } from '../layers.ts';

export class GroupLayout {
  readonly prefixLength: number;
  /** Tokens of each completion. */
  readonly lengths: readonly number[];
  /** Packed suffix tokens of all rows. */
  readonly suffixTokens: number;
  /** Longest suffix fed. */
  readonly suffixLength: number;
  readonly #starts: readonly number[];
  readonly #device: string;

  constructor(prefixLength: number, lengths: readonly number[], device: string) {
    if (lengths.length === 0 || lengths.some((n) => n < 1)) {
      throw new Error(
        `internal: a group needs at least one completion and each at least one token, got [${lengths}]`,
      );
    }
    this.prefixLength = prefixLength;
    this.lengths = lengths;
    this.#device = device;
    let at = 0;
    this.#starts = lengths.map((n) => {
      const start = at;
      at += n - 1;
      return start;
    });
    this.suffixTokens = at;
    this.suffixLength = Math.max(...lengths) - 1;
  }

  /** Position offsets after the prompt of the packed suffix tokens: 0, 1, ... in each row. */
  offsets(): number[] {
    return this.lengths.flatMap((n) => Array.from({ length: n - 1 }, (_, c) => c));
  }

  /**
   * Index (G * S) that pads packed suffix tokens to (G, S). A padded place repeats a real token: later than every real query
   * of its row, so no real token sees it. Undefined when all rows are equally long and a view does.
   */
  padIndex(): Tensor | undefined {
    if (this.#isEven()) return undefined;
    return this.#index(
      (row, c) => Math.min(this.#starts[row]! + c, this.suffixTokens - 1),
      this.suffixLength,
    );
  }

  /** Index (sum(n_g - 1)) that picks the real tokens out of (G * S). */
  packIndex(): Tensor | undefined {
    if (this.#isEven()) return undefined;
    const index = this.lengths.flatMap((n, row) =>
      Array.from({ length: n - 1 }, (_, c) => row * this.suffixLength + c),
    );
    return this.#tensor(index);
  }

  /**
   * Index (G * C) into [last prompt token, packed suffix]: the hidden state that predicts completion token c of row g. The
   * first token of every row is predicted by the prompt's last. Places after a completion's end repeat the prompt's last.
   */
  predictingIndex(): Tensor {
    return this.#index(
      (row, c) => (c === 0 || c >= this.lengths[row]! ? 0 : 1 + this.#starts[row]! + c - 1),
      this.suffixLength + 1,
    );
  }

  #isEven(): boolean {
    return this.lengths.every((n) => n === this.lengths[0]);
  }

  #index(of: (row: number, column: number) => number, width: number): Tensor {
    return this.#tensor(
      this.lengths.flatMap((_, row) => Array.from({ length: width }, (__, c) => of(row, c))),
    );
  }

  #tensor(index: readonly number[]): Tensor {
    return indexTensor(index, this.#device);
  }
}
