/** The strict device inside a script: loads it, after which `strict:0` is a device of this process. */
import { createRequire } from 'node:module';

export interface Counts {
  readonly launches: number;
  readonly waits: number;
  /** Bytes of live tensors now, and at most since the last reset. */
  readonly live: number;
  readonly peak: number;
  /** Launches and waits by operator. */
  readonly byName: Readonly<Record<string, number>>;
}

/** Which attention is fused, as CUDA chooses: see device/cuda_kernels.h. */
export type Attention = 'math' | 'flash' | 'cudnn';

interface StrictDevice {
  /** @param dryAbove operators on more bytes are not computed; -1: none */
  configure(dryAbove: number, attention: Attention): void;
  /** Since the last reset. */
  counts(): Counts;
  reset(): void;
  /** Live bytes above this are an error as of a GPU whose memory ran out; -1: no limit. */
  limitMemory(bytes: number): void;
  /** Records what `body` launches, in place of the graph before. */
  capture<T>(body: () => T): T;
  replay(): void;
  /** Ends the process by a segmentation fault. */
  readFromHost(): number;
}

const library = process.env['STRICT_DEVICE'];
if (library === undefined) throw new Error('STRICT_DEVICE must be the path of strict.node');

export const strict = createRequire(import.meta.url)(library) as StrictDevice;
export const STRICT = 'strict:0';

/** The script's argument. */
export function argument<T>(): T {
  return JSON.parse(process.argv[2]!) as T;
}

/** The script's result. */
export function answer(value: unknown): void {
  process.stdout.write(JSON.stringify(value));
}

/** What `body` did on the device. */
export async function counted(body: () => unknown): Promise<Counts> {
  strict.reset();
  await body();
  return strict.counts();
}
