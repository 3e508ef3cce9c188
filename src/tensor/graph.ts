/** Captured graphs: work that a device was asked for once, asked for again in one launch. */
import type { Device } from './dtype.ts';
import { type NativeGraph, native } from './native.ts';

export class Graph {
  readonly #native: NativeGraph;

  private constructor(graph: NativeGraph) {
    this.#native = graph;
  }

  /** A graph of a device; undefined where it has none: the processor, and a GPU whose addon was built without CUDA's headers. */
  static on(device: Device): Graph | undefined {
    const graph = native.newGraph(device);
    return graph === null ? undefined : new Graph(graph);
  }

  /** Runs `body` as it is, on the graph's own stream: what libraries set up at their first use of a stream can't be captured. */
  warmUp<T>(body: () => T): T {
    return this.#run(body, false);
  }

  /**
   * Records what `body` asks of the device, without running it. Its tensors stay where they are: a replay reads and writes the same memory.
   * @throws NativeError where `body` does what a graph can't hold: waiting for the device, memory from the host
   */
  capture<T>(body: () => T): T {
    return this.#run(body, true);
  }

  /** Runs what was captured. */
  replay(): void {
    native.replayGraph(this.#native);
  }

  /** Forgets what was captured and frees its memory. */
  reset(): void {
    native.resetGraph(this.#native);
  }

  #run<T>(body: () => T, isCaptured: boolean): T {
    native.beginGraph(this.#native, isCaptured);
    let result: T;
    try {
      result = body();
    } catch (error) {
      this.#abandon();
      throw error;
    }
    native.endGraph(this.#native);
    return result;
  }

  /** Ends after an error, which is the one to tell of. */
  #abandon(): void {
    try {
      native.endGraph(this.#native);
      native.resetGraph(this.#native);
    } catch {
      // A capture that failed is invalid: CUDA says so again when it ends.
    }
  }
}
