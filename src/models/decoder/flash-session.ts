/**
 * Decoding on a GPU: the host asks for a step, and the device has all it needs for it, so that after the first two steps the whole of it is
 * one captured graph.
 *
 * Keys and values of all prompts and rows lie in one piece of memory a layer, prompts first, with room for more tokens of every row. When
 * the room is full, or half of the rows have left, everything is laid out anew and captured again; in between, rows that left
 * are computed along, which costs less than other shapes would.
 *
 * `TWGRPO_CUDA_GRAPHS=0` asks for every step kernel by kernel.
 *
 * Shapes: R rows in memory, P prompt tokens, K key/value heads, E head size, V vocabulary.
 */
import { ConfigError } from '../../base/index.ts';
import {
  arange,
  cat,
  dispose,
  empty,
  fromTypedArray,
  Graph,
  keep,
  noGrad,
  scope,
  type Tensor,
} from '../../tensor/index.ts';
import { indexTensor } from '../layers.ts';
import { type FlashDecoder, flashStep, type StepState } from './flash-decoder.ts';
import type { Prefill } from './prefill.ts';
import { textRotary } from './rope.ts';
import type { DecodeSession, SessionStart } from './session.ts';

/** Room for tokens of a row at first; it doubles when it is full. */
const FIRST_CAPACITY = 128;

/** What is laid out anew together. */
interface Layout {
  /** Rows in memory that continue each prompt. */
  readonly rowsOfPrompt: readonly number[];
  /** Tokens that each row has room for. */
  readonly capacity: number;
  readonly state: StepState;
}

/** Whether steps are captured; read at each session, so that a run can be tried both ways. */
function wantsGraphs(): boolean {
  const value = process.env['TWGRPO_CUDA_GRAPHS'] ?? '1';
  if (value !== '0' && value !== '1') throw new ConfigError(`TWGRPO_CUDA_GRAPHS=${value}: expected 0 or 1`);
  return value === '1';
}

export class FlashSession implements DecodeSession {
  readonly #start: SessionStart;
  readonly #decoder: FlashDecoder;
  readonly #graph: Graph | undefined;
  /** Steps since the layout was made: one runs to warm up, one is captured. */
  #stepsOfLayout = 0;
  #layout: Layout;
  /** Tokens that each row has in memory. */
  #length = 0;
  /** Rows that still run, among those in memory. */
  #running: readonly number[];
  #runningIndex: Tensor | undefined;
  /** Logits of all rows in memory; those of the graph are the same tensor at each step. */
  #all_RV: Tensor;
  #logits: Tensor;

  /** Takes decoder and logits over. */
  constructor(start: SessionStart, decoder: FlashDecoder, prefills: readonly Prefill[], logits: Tensor) {
    this.#start = start;
    this.#decoder = decoder;
    this.#graph = wantsGraphs() ? Graph.on(start.device) : undefined;
    this.#all_RV = logits;
    this.#logits = logits;
    const rowsOfPrompt = prefills.map(() => start.rows);
    this.#running = [...Array(rowsOfPrompt.length * start.rows).keys()];
    this.#layout = this.#layOut(rowsOfPrompt, FIRST_CAPACITY, (layer, room) => {
      let from = 0;
      for (const { layers } of prefills) {
        const { k, v } = layers[layer]!;
        const [, groups, length] = k.shape as [number, number, number];
        const place = room.narrow(0, from, length);
        place.narrow(1, 0, groups).copy_(k.select(0, 0).transpose(0, 1));
        place.narrow(1, groups, groups).copy_(v.select(0, 0).transpose(0, 1));
        from += length;
      }
    });
  }

  get logits(): Tensor {
    return this.#logits;
  }

  step(ids_R: Tensor): void {
    noGrad(() => {
      if (this.#length === this.#layout.capacity) this.#replaceLayout(undefined, 2 * this.#layout.capacity);
      this.#length += 1;
      const { state } = this.#layout;
      if (this.#runningIndex === undefined) state.ids_R.copy_(ids_R);
      else state.ids_R.index_copy_(0, this.#runningIndex, ids_R);
      const before = this.#all_RV;
      this.#all_RV = this.#run();
      if (before !== this.#all_RV) before.dispose();
      this.#select();
    });
  }

  keep(rows: readonly number[]): void {
    noGrad(() => {
      this.#running = rows.map((row) => this.#running[row]!);
      const numRows = this.#layout.rowsOfPrompt.reduce((sum, count) => sum + count, 0);
      if (2 * this.#running.length <= numRows) {
        const staying = this.#running;
        const all = keep(scope(() => this.#all_RV.index_select(0, indexTensor(staying, this.#start.device))));
        this.#all_RV.dispose();
        this.#all_RV = all;
        this.#replaceLayout(staying, this.#layout.capacity);
        this.#running = [...staying.keys()];
      }
      this.#runningIndex?.dispose();
      this.#runningIndex =
        this.#running.length === this.#all_RV.shape[0]
          ? undefined
          : keep(scope(() => indexTensor(this.#running, this.#start.device)));
      this.#select();
    });
  }

  dispose(): void {
    this.#graph?.reset();
    dispose([this.#logits, this.#all_RV, this.#runningIndex, this.#layout.state, this.#decoder]);
  }

  /** The step: as it is, captured and replayed, or replayed. @returns logits of all rows, kept */
  #run(): Tensor {
    const { params, config } = this.#start;
    const body = () =>
      keep(scope('decode', () => flashStep(this.#decoder, params, config.text_config, this.#layout.state)));
    const graph = this.#graph;
    this.#stepsOfLayout += 1;
    if (graph === undefined) return body();
    if (this.#stepsOfLayout === 1) return graph.warmUp(body);
    const logits = this.#stepsOfLayout === 2 ? graph.capture(body) : this.#all_RV;
    graph.replay();
    return logits;
  }

  /** The running rows of all logits. */
  #select(): void {
    if (this.#logits !== this.#all_RV) this.#logits.dispose();
    const index = this.#runningIndex;
    this.#logits =
      index === undefined ? this.#all_RV : keep(scope(() => this.#all_RV.index_select(0, index)));
  }

  /** @param staying rows in memory that stay; undefined: all */
  #replaceLayout(staying: readonly number[] | undefined, capacity: number): void {
    this.#graph?.reset();
    const before = this.#layout;
    const rowsBefore = before.rowsOfPrompt.reduce((sum, count) => sum + count, 0);
    const rowsOfPrompt =
      staying === undefined ? before.rowsOfPrompt : countRows(before.rowsOfPrompt, staying);
    const rows = staying?.length ?? rowsBefore;
    const length = this.#length;
    const index =
      staying === undefined ? undefined : keep(scope(() => indexTensor(staying, this.#start.device)));
    const prefixes = this.#start.prompts.reduce((sum, { input_ids }) => sum + input_ids.length, 0);
    this.#layout = this.#layOut(rowsOfPrompt, capacity, (layer, room) => {
      const old = before.state.keysValues[layer]!;
      const suffixes = (of: Tensor, count: number, places: number) =>
        of
          .narrow(0, prefixes, count * places)
          .view([count, places, ...of.shape.slice(1)])
          .narrow(1, 0, length);
      room.narrow(0, 0, prefixes).copy_(old.narrow(0, 0, prefixes));
      const own = suffixes(old, rowsBefore, before.capacity);
      suffixes(room, rows, capacity).copy_(index === undefined ? own : own.index_select(0, index));
      old.dispose();
    });
    dispose([before.state, index]);
  }

  /** @param fill writes what is known into the keys and values of a layer */
  #layOut(
    rowsOfPrompt: readonly number[],
    capacity: number,
    fill: (layer: number, room: Tensor) => void,
  ): Layout {
    const { prompts, device, params, config } = this.#start;
    const { num_key_value_heads: groups, head_dim, num_hidden_layers } = config.text_config;
    const lengths = prompts.map(({ input_ids }) => input_ids.length);
    const prefixes = lengths.reduce((sum, length) => sum + length, 0);
    const rows = rowsOfPrompt.reduce((sum, count) => sum + count, 0);
    this.#stepsOfLayout = 0;
    const keysValues: Tensor[] = [];
    for (let layer = 0; layer < num_hidden_layers; layer++) {
      const room = keep(
        scope(() =>
          empty([prefixes + rows * capacity, 2 * groups, head_dim], { dtype: params.dtype, device }),
        ),
      );
      scope(() => noGrad(() => fill(layer, room)));
      keysValues.push(room);
    }
    const nexts = prompts.map(({ positions }) => positions.next);
    const first = Math.min(...nexts);
    const length = this.#length;
    const state = keep(
      scope('FlashSession layout', () =>
        noGrad(() => {
          const places = rowsOfPrompt.flatMap((count, prompt) =>
            Array<number>(count).fill(nexts[prompt]! - first),
          );
          const ones = Array<number>(rows).fill(1);
          const int32 = (values: readonly number[]) =>
            fromTypedArray(Int32Array.from(values), [values.length], { device });
          // The step moves them on before it reads them.
          const counters = int32([
            ...places.map((place) => place + length - 1),
            ...lengths,
            ...ones.map(() => length),
          ]);
          const positions = Array.from(
            { length: Math.max(...nexts) - first + capacity },
            (_, i) => first + i,
          );
          const { cos, sin } = textRotary([positions, positions, positions], config.text_config, {
            dtype: params.dtype,
            device,
          });
          return {
            ids_R: indexTensor(ones, device),
            slots_R: arange(rows, { device })
              .mul(capacity)
              .add(prefixes + length - 1),
            counters,
            increments: int32([...ones, ...lengths.map(() => 0), ...ones]),
            places_R: counters.narrow(0, 0, rows),
            used: counters.narrow(0, rows, lengths.length + rows),
            rotary_P2E: cat([cos, sin], 1),
            queryStarts: int32(sums([...rowsOfPrompt, ...ones])),
            keyStarts: int32(sums([...lengths, ...ones.map(() => capacity)])),
          };
        }),
      ),
    );
    const most = { queries: Math.max(...rowsOfPrompt), keys: Math.max(capacity, ...lengths) };
    return { rowsOfPrompt, capacity, state: { ...state, keysValues, most } };
  }
}

/** 0, and the sums of the first 1, 2, … values. */
function sums(values: readonly number[]): number[] {
  let sum = 0;
  return [0, ...values.map((value) => (sum += value))];
}

/** Rows of each prompt among those that stay. */
function countRows(rowsOfPrompt: readonly number[], staying: readonly number[]): number[] {
  const ends = sums(rowsOfPrompt);
  return rowsOfPrompt.map(
    (_, prompt) => staying.filter((row) => row >= ends[prompt]! && row < ends[prompt + 1]!).length,
  );
}
