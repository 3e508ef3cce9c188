/**
 * Keys and values during generation: each prompt's once, however many rows continue it, and each row's own suffix, which grows in
 * blocks. Rows that are finished leave; only their suffix is dropped.
 *
 * All rows of the cache began together, so they are equally long and no mask is needed.
 *
 * Shapes: R rows still running, K key/value heads, H query heads, S suffix tokens so far, E head size.
 */

import { cat, dispose, empty, keep, scope, type Tensor } from '../../tensor/index.ts';
import { indexTensor } from '../layers.ts';
import type { Prefill } from './prefill.ts';
import { type KeysValues, sharedPrefixDecode } from './shared-prefix-attention.ts';
import type { Attend } from './text.ts';

/** Keys and values of the rows' own tokens (their prompts left out), with room for the newest token of each row. */
export interface SuffixCache {
  /** Rows still running of each prompt. */
  readonly rowsOfPrompt: readonly number[];
  /** Keys and values of each layer, (R, K, S, E). */
  readonly layers: readonly KeysValues[];
  /** Suffix tokens, the newest included. */
  readonly length: number;
}

/** Tokens a suffix grows by. */
const BLOCK = 128;

export class GroupCache {
  readonly #prefixes: readonly Prefill['layers'][];
  /** Rows still running of each prompt; they lie next to each other. */
  #rowsOfPrompt: number[];
  /** Keys and values of the rows' own tokens, one pair for each layer, (R, K, capacity, E). */
  #suffixes: { k: Tensor; v: Tensor }[] = [];
  #length = 0;
  #capacity = 0;

  /**
   * Takes the prefixes over: `dispose` frees them.
   *
   * @param rowsOfPrompt How many rows continue each prompt.
   */
  constructor(prefixes: readonly Prefill['layers'][], rowsOfPrompt: readonly number[]) {
    this.#prefixes = keep(prefixes);
    this.#rowsOfPrompt = [...rowsOfPrompt];
  }

  /** Make room for one more token; call once before each step. */
  grow(): void {
    this.#length += 1;
    if (this.#length <= this.#capacity) return;
    const before = this.#capacity;
    this.#capacity += BLOCK;
    const rows = this.#rowsOfPrompt.reduce((sum, n) => sum + n, 0);
    this.#suffixes = this.#prefixes[0]!.map((prefix, layer) => {
      const old = this.#suffixes[layer];
      const [, heads, , size] = prefix.k.shape as [number, number, number, number];
      const grown = (which: 'k' | 'v') => {
        const { dtype, device } = prefix[which];
        const room = keep(empty([rows, heads, this.#capacity, size], { dtype, device }));
        if (old !== undefined) {
          scope(() => {
            room.narrow(2, 0, before).copy_(old[which]);
          });
          old[which].dispose();
        }
        return room;
      };
      return { k: grown('k'), v: grown('v') };
    });
  }

  /** The attention of one layer: stores the newest token of every row, then lets it look at its prompt and its own past. */
  attendIn(layer: number): Attend {
    return (q_RHE, k_RKE, v_RKE) => {
      const own = this.#suffixes[layer]!;
      const newest = this.#length - 1;
      own.k.narrow(2, newest, 1).copy_(k_RKE.unsqueeze(2));
      own.v.narrow(2, newest, 1).copy_(v_RKE.unsqueeze(2));
      const parts: Tensor[] = [];
      let row = 0;
      this.#rowsOfPrompt.forEach((rows, prompt) => {
        if (rows === 0) return;
        const past = (t: Tensor) => t.narrow(0, row, rows).narrow(2, 0, this.#length);
        parts.push(
          sharedPrefixDecode(q_RHE.narrow(0, row, rows), this.#prefixes[prompt]![layer]!, {
            k: past(own.k),
            v: past(own.v),
          }),
        );
        row += rows;
      });
      return parts.length === 1 ? parts[0]! : cat(parts, 0);
    };
  }

  /** Keys and values that the rows added to their prompts, in the form that the packed decoder reads. */
  get suffix(): SuffixCache {
    return { rowsOfPrompt: this.#rowsOfPrompt, layers: this.#suffixes, length: this.#length };
  }

  /**
   * Keep only some of the running rows.
   *
   * @param rows Indices among the rows still running, ascending.
   */
  keepRows(rows: readonly number[]): void {
    const ends: number[] = [];
    for (const count of this.#rowsOfPrompt) ends.push((ends.at(-1) ?? 0) + count);
    this.#rowsOfPrompt = ends.map(
      (end, i) => rows.filter((row) => row < end && row >= (ends[i - 1] ?? 0)).length,
    );
    for (const suffix of this.#suffixes) {
      for (const which of ['k', 'v'] as const) {
        const old = suffix[which];
        suffix[which] = keep(scope(() => old.index_select(0, indexTensor(rows, old.device))));
        old.dispose();
      }
    }
  }

  dispose(): void {
    dispose(this.#prefixes);
    dispose(this.#suffixes);
  }
}
