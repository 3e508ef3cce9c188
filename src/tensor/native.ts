/**
 * The addon: finds it, loads it once, when it is first needed, and says how to build it when it is missing.
 *
 * The set-up (`scripts/bootstrap.mjs`) links it against an installed PyTorch and notes in engine.json where it is. Tensors cross
 * this border as integer handles.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { engineFilePath, readEngineFile, setUpCommandLine, TwgrpoError } from '../base/index.ts';
import { NativeError } from './errors.ts';

/** A tensor as the addon knows it; 0 is never live. */
export type NativeHandle = number;
/** A value that may cross into the addon as an argument of an operator. */
export type NativeValue =
  | undefined
  | null
  | number
  | bigint
  | boolean
  | string
  | object
  | readonly NativeValue[];
/** A native random generator (an external value that only the addon can open). */
export type NativeGenerator = object & { readonly __generator: unique symbol };

/** A copy to the host (an external value that only the addon can open). */
export type NativeDownload = object & { readonly __download: unique symbol };
/** A key-value store that all ranks reach, a group of ranks, a collective under way: objects that only the addon can open. */
export type NativeStore = object & { readonly __store: unique symbol };
export type NativeGroup = object & { readonly __group: unique symbol };
export type NativeWork = object & { readonly __work: unique symbol };

/** A captured graph (an external value that only the addon can open). */
export type NativeGraph = object & { readonly __graph: unique symbol };

export interface NativeSchemaArgument {
  readonly name: string;
  readonly kind: string;
  readonly isOptional: boolean;
  readonly listSize: number;
  readonly hasDefault: boolean;
  readonly isKeywordOnly: boolean;
  readonly isWritten: boolean;
}

export interface NativeSchema {
  readonly name: string;
  readonly overload: string;
  /** The schema as libtorch writes it. */
  readonly text: string;
  readonly arguments: readonly NativeSchemaArgument[];
  readonly results: readonly { readonly kind: string; readonly isWritten: boolean }[];
}

export interface NativeEngineInfo {
  readonly torch_version: string;
  readonly cpu_capability: string;
  readonly num_threads: number;
  readonly mkl: boolean;
  readonly mkldnn: boolean;
  readonly cuda_available: boolean;
  readonly cuda_device_count: number;
  /** libtorch's own build description, several lines. */
  readonly config: string;
}

export interface NativeDeviceMemory {
  /** Bytes of live tensors. */
  readonly allocated: number;
  /** The most of `allocated` since the last reset. */
  readonly peak: number;
  /** Bytes that the allocator holds, those it keeps for the next tensors included. */
  readonly reserved: number;
  /** Bytes of the whole device that nobody uses, and all it has; absent where the allocator does not tell. */
  readonly free?: number;
  readonly total?: number;
}

interface Native {
  setErrorClass(errorClass: typeof NativeError): void;
  resolve(name: string, overload: string): number;
  call(id: number, ...args: readonly NativeValue[]): NativeValue;
  schemaOf(name: string, overload: string): NativeSchema;
  operatorNames(): string[];

  release(handle: NativeHandle): void;
  /** Release the handle of a tensor that V8 has collected. */
  releaseCollected(handle: NativeHandle): void;
  /** Count the storage that a tensor has now, after `set_`. */
  recount(handle: NativeHandle): void;
  liveTensors(): number;
  liveBytes(): number;

  deviceMemory(device: string): NativeDeviceMemory | null;
  resetPeakMemory(device: string): void;
  emptyCache(device: string): void;
  synchronize(device: string): void;

  fromBytes(
    bytes: ArrayBufferView,
    shape: readonly number[],
    dtype: string,
    isCopied: boolean,
    device: string,
  ): NativeHandle;
  /** Null where the device has no graphs. */
  newGraph(device: string): NativeGraph | null;
  beginGraph(graph: NativeGraph, isCaptured: boolean): void;
  endGraph(graph: NativeGraph): void;
  replayGraph(graph: NativeGraph): void;
  resetGraph(graph: NativeGraph): void;
  startDownload(handle: NativeHandle): NativeDownload;
  finishDownload(download: NativeDownload): NativeHandle;
  copyOut(handle: NativeHandle, bytes: ArrayBufferView): void;
  view(handle: NativeHandle): ArrayBuffer;
  shape(handle: NativeHandle): number[];
  dtype(handle: NativeHandle): string;
  device(handle: NativeHandle): string;
  isContiguous(handle: NativeHandle): boolean;
  item(handle: NativeHandle): number | bigint | boolean;

  setGradEnabled(enabled: boolean): boolean;
  isGradEnabled(): boolean;
  requiresGrad(handle: NativeHandle): boolean;
  setRequiresGrad(handle: NativeHandle, requiresGrad: boolean): void;
  isLeaf(handle: NativeHandle): boolean;
  gradOf(handle: NativeHandle): NativeHandle | null;
  setGradOf(handle: NativeHandle, grad: NativeHandle | null): void;
  backward(
    outputs: readonly NativeHandle[],
    gradOutputs: readonly (NativeHandle | null)[],
    retainGraph: boolean,
    createGraph: boolean,
    inputs: readonly NativeHandle[],
  ): void;
  grad(
    outputs: readonly NativeHandle[],
    inputs: readonly NativeHandle[],
    gradOutputs: readonly (NativeHandle | null)[],
    retainGraph: boolean,
    createGraph: boolean,
    allowUnused: boolean,
  ): (NativeHandle | null)[];

  newGenerator(device: string, seed: bigint): NativeGenerator;
  seedGenerator(generator: NativeGenerator, seed: bigint): void;
  generatorState(generator: NativeGenerator): NativeHandle;
  setGeneratorState(generator: NativeGenerator, state: NativeHandle): void;

  openStore(
    host: string,
    port: number,
    isServer: boolean,
    prefix: string,
    timeoutMs: number,
  ): Promise<NativeStore>;
  storeSet(store: NativeStore, key: string, text: string): Promise<void>;
  storeGet(store: NativeStore, key: string, timeoutMs: number): Promise<string>;
  storeAdd(store: NativeStore, key: string, amount: number): Promise<number>;
  storeHas(store: NativeStore, key: string): Promise<boolean>;
  hasBackend(backend: string): boolean;
  openGroup(
    store: NativeStore,
    backend: string,
    rank: number,
    size: number,
    timeoutMs: number,
    host: string,
  ): Promise<NativeGroup>;
  closeGroup(group: NativeGroup): Promise<void>;
  allReduce(group: NativeGroup, tensor: NativeHandle, op: string): NativeWork;
  reduceScatter(group: NativeGroup, output: NativeHandle, input: NativeHandle): NativeWork;
  allGather(group: NativeGroup, output: NativeHandle, input: NativeHandle): NativeWork;
  broadcast(group: NativeGroup, tensor: NativeHandle, root: number): NativeWork;
  waitWork(work: NativeWork): void;
  finishWork(work: NativeWork): Promise<void>;
  workTimes(work: NativeWork): [number, number];
  leaveAtOnce(code: number): never;
  resizeStorage(handle: NativeHandle, bytes: number): void;

  setNumThreads(count: number): void;
  getNumThreads(): number;
  engineInfo(): NativeEngineInfo;
  benchDirectAdd(size: number, count: number): number;
}

function load(): Native {
  const path = readEngineFile()?.addon;
  if (path === undefined || !existsSync(path))
    throw new TwgrpoError(
      `the engine is not set up on this machine (${path ?? engineFilePath()} is missing)`,
      { hint: `run: ${setUpCommandLine()}` },
    );
  let addon: Native;
  try {
    addon = createRequire(import.meta.url)(path) as Native;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TwgrpoError(`the native addon does not load: ${reason}`, {
      hint: `if PyTorch moved or changed since it was built, run: ${setUpCommandLine()}`,
    });
  }
  addon.setErrorClass(NativeError);
  return addon;
}

/**
 * The addon, opened when something of it is first asked for: a program that imports this room and computes nothing starts in a
 * moment, and works where libtorch is broken or missing. After that every function is its own property, at no cost a call.
 * @throws TwgrpoError saying how to build it, when it is missing or does not load
 */
export const native = Object.create(
  new Proxy(
    {},
    {
      get: (_, name) => {
        Object.setPrototypeOf(Object.assign(native, load()), Object.prototype);
        return native[name as keyof Native];
      },
    },
  ),
) as Native;
