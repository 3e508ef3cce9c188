/**
 * Tensors of several processes: the store they meet at, and collectives among them (PyTorch's c10d). Only what crosses the border;
 * who meets whom, and what becomes of a lost peer, is the business of `dist`.
 */
import { type NativeGroup, type NativeStore, type NativeWork, native } from './native.ts';
import type { Tensor } from './tensor.ts';

export type ReduceOp = 'sum' | 'max' | 'min';
/** `gloo` for processors, `nccl` for NVIDIA's GPUs. */
export type Backend = 'gloo' | 'nccl';

export interface StorePlace {
  readonly host: string;
  readonly port: number;
  /** Whether this process keeps the store. */
  readonly isServer: boolean;
  /** What all keys begin with, so that an attempt does not read what an earlier one left. */
  readonly prefix: string;
  readonly timeoutMs: number;
}

/** A key-value store that all ranks reach. Every call throws `NativeError` when the store can not be reached. */
export class Store {
  /** For `CollectiveGroup.open`. */
  readonly native: NativeStore;

  private constructor(store: NativeStore) {
    this.native = store;
  }

  static async open({ host, port, isServer, prefix, timeoutMs }: StorePlace): Promise<Store> {
    return new Store(await native.openStore(host, port, isServer, prefix, timeoutMs));
  }

  async set(key: string, text: string): Promise<void> {
    await native.storeSet(this.native, key, text);
  }

  /** Waits until somebody has set the key. */
  async get(key: string, timeoutMs: number): Promise<string> {
    return await native.storeGet(this.native, key, timeoutMs);
  }

  /** Adds to a counter that all share; it begins at 0. @returns the sum */
  async add(key: string, amount: number): Promise<number> {
    return await native.storeAdd(this.native, key, amount);
  }

  async has(key: string): Promise<boolean> {
    return await native.storeHas(this.native, key);
  }
}

/** A collective under way. Its tensors must not be changed before it is done. */
export class Work {
  readonly #work: NativeWork;

  constructor(work: NativeWork) {
    this.#work = work;
  }

  /** Blocks until it is done; where its tensors lie on a GPU, only the stream waits. */
  wait(): void {
    native.waitWork(this.#work);
  }

  /** The same without blocking this thread. */
  async done(): Promise<void> {
    await native.finishWork(this.#work);
  }

  /** When it was launched and when it was done, in milliseconds of `performance.now`; undefined while it runs, and on a GPU. */
  times(): { readonly began: number; readonly ended: number } | undefined {
    const [began, ended] = native.workTimes(this.#work).map((ns) => ns / 1e6 - ORIGIN_MS) as [number, number];
    return ended < began ? undefined : { began, ended };
  }
}

/** What `process.hrtime` showed when `performance.now` was 0; a pause between the two calls makes it less, so that the largest is right. */
const ORIGIN_MS = Math.max(
  ...Array.from({ length: 8 }, () => Number(process.hrtime.bigint()) / 1e6 - performance.now()),
);

export interface GroupMembership {
  readonly backend: Backend;
  readonly rank: number;
  readonly world_size: number;
  /** How long a collective waits for a rank that does not come. */
  readonly timeoutMs: number;
  /** Address that Gloo listens on; empty: chosen as PyTorch does, GLOO_SOCKET_IFNAME first. */
  readonly host: string;
}

/** Ranks that compute together. Collectives are launched in the same order on all of them. */
export class CollectiveGroup {
  readonly #group: NativeGroup;

  private constructor(group: NativeGroup) {
    this.#group = group;
  }

  static async open(store: Store, membership: GroupMembership): Promise<CollectiveGroup> {
    const { backend, rank, world_size, timeoutMs, host } = membership;
    return new CollectiveGroup(
      await native.openGroup(store.native, backend, rank, world_size, timeoutMs, host),
    );
  }

  /** In place. */
  allReduce(tensor: Tensor, op: ReduceOp): Work {
    return new Work(native.allReduce(this.#group, tensor.handle, op));
  }

  /** `input` holds an equal part for each rank; `output` receives the sum of the parts for this one. */
  reduceScatter(output: Tensor, input: Tensor): Work {
    return new Work(native.reduceScatter(this.#group, output.handle, input.handle));
  }

  /** `output` receives the inputs of all ranks in their order. */
  allGather(output: Tensor, input: Tensor): Work {
    return new Work(native.allGather(this.#group, output.handle, input.handle));
  }

  /** In place, from rank `root`. */
  broadcast(tensor: Tensor, root: number): Work {
    return new Work(native.broadcast(this.#group, tensor.handle, root));
  }

  /** After the last work is done. */
  async close(): Promise<void> {
    await native.closeGroup(this.#group);
  }
}

/** Whether the addon was built with a backend. */
export function hasBackend(backend: Backend): boolean {
  return native.hasBackend(backend);
}

/**
 * Ends the process without waiting for its threads: one of them may wait for a lost peer for ever, and no API of Node.js leaves then.
 * What was written must have arrived before.
 */
export function leaveAtOnce(code: number): never {
  return native.leaveAtOnce(code);
}

/** Frees the memory of a tensor's storage; the tensor and its views keep their shapes, and must not be read until `fillStorage`. */
export function freeStorage(tensor: Tensor): void {
  native.resizeStorage(tensor.handle, 0);
}

/** Gives a freed storage its memory again, without content. @param bytes of the whole storage */
export function fillStorage(tensor: Tensor, bytes: number): void {
  native.resizeStorage(tensor.handle, bytes);
}
