/**
 * The processes of a run: who this one is, what they tell each other, and collectives on their tensors. A rank that does not come, or
 * is gone, ends the wait of the others with a DistError that names it, the collective and the step.
 *
 * All ranks call the same methods in the same order: that is the whole protocol.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { deserialize, serialize } from 'node:v8';
import { DistError } from '../base/index.ts';
import {
  type Backend,
  CollectiveGroup,
  Download,
  dispose,
  emptyPinned,
  fromTypedArray,
  hasBackend,
  itemSize,
  keep,
  NativeError,
  noGrad,
  type ReduceOp,
  Store,
  type Tensor,
  type Work,
} from '../tensor/index.ts';
import type { RankEnvironment } from './environment.ts';

/** What a run needs to know of its processes; a run of one has `SINGLE_PROCESS`. */
export interface Processes {
  readonly rank: number;
  readonly world_size: number;
  /** Whether this process writes the run folder; accelerate's `is_main_process`. */
  readonly is_main_process: boolean;
  /** What every rank tells, in their order. @param what names it in errors */
  gather<T>(value: T, what: string): Promise<T[]>;
  /** Whether these numbers are finite on every process. */
  agreeFinite(...numbers: readonly number[]): Promise<boolean>;
  /** Milliseconds spent waiting for other ranks since the last call. */
  takeWaited(): number;
  /** Collectives on tensors; undefined where there is one process. */
  readonly tensors: TensorCollectives | undefined;
  /** What errors name from now on. */
  step: number;
  /** Whether the launcher began all ranks again after this run had begun: it goes on from its last checkpoint. */
  readonly isRestart: boolean;
  /** The run has its folder: should the launcher begin again, it is a restart. */
  noteStart(): Promise<void>;
}

/** A run in one process agrees with itself. */
export const SINGLE_PROCESS: Processes = {
  rank: 0,
  world_size: 1,
  is_main_process: true,
  gather: async (value) => [value],
  agreeFinite: async (...numbers) => numbers.every(Number.isFinite),
  takeWaited: () => 0,
  tensors: undefined,
  step: 0,
  isRestart: false,
  noteStart: async () => {},
};

/** A collective that was launched. */
export interface Pending {
  /** Blocks; for the middle of synchronous code. */
  wait(): void;
  done(): Promise<void>;
}

/** One collective, or what was computed meanwhile, for a trace. Times are milliseconds of `performance.now`. */
export interface TraceSpan {
  readonly what: string;
  readonly began: number;
  readonly ended: number;
  /** Bytes that this rank sends; 0 where it computes. */
  readonly bytes: number;
}

/**
 * Collectives on tensors of the run's device. Where the backend can not take them they go through page-locked memory of the host: the
 * device's queue goes on meanwhile, and a tensor's journey begins when the next one comes or when somebody waits.
 */
export interface TensorCollectives {
  readonly rank: number;
  readonly world_size: number;
  /** Sums in place. */
  allReduce(tensor: Tensor, what: string, op?: ReduceOp): Pending;
  /** `input` holds an equal part for each rank; `output` receives the sum of the parts for this one. */
  reduceScatter(output: Tensor, input: Tensor, what: string): Pending;
  /** `output` receives the inputs of all ranks in their order. */
  allGather(output: Tensor, input: Tensor, what: string): Pending;
  /** Puts a span of computing into the trace. */
  note(what: string, began: number): void;
  /** What was noted, and the collectives on the host that are done; forgotten with the call. */
  takeTrace(): TraceSpan[];
  /**
   * Bytes of tensors that this rank sends since the last call, counted as rings send them: of N ranks each sends
   * (N - 1) / N of what is scattered or gathered in all, and twice that for an all-reduce.
   */
  takeSent(): number;
}

export interface OpenOptions {
  /** Seconds that a collective waits for a rank. */
  readonly dist_timeout: number;
  /** Where the tensors of the run lie. */
  readonly device: string;
}

/** How long a rank that lost another looks for those that are still there, so that the error can name the others. */
const LOOK_AROUND_MS = 3000;
/** Spans that a trace holds at most. */
const TRACE_LENGTH = 10_000;
/** Bytes that every rank sends when it tells something. */
const LETTER_BYTES = 512;
/** Key of the store that tells a restart from a first start. */
const STARTED = 'started';

export class ProcessGroup implements Processes, TensorCollectives {
  readonly rank: number;
  readonly world_size: number;
  step = 0;
  readonly isRestart: boolean;
  readonly #store: Store;
  /** Outlives an attempt, where the launcher keeps it. */
  readonly #runStore: Store | undefined;
  /** For what ranks tell each other; on the host. */
  readonly #host: CollectiveGroup;
  /** For tensors of the run. */
  readonly #device: CollectiveGroup;
  readonly #timeoutS: number;
  #waitedMs = 0;
  #trace: TraceSpan[] = [];
  #sent = 0;
  /** Collectives whose tensors are on their way to the host, in the order of their calls. */
  #staged: (() => void)[] = [];

  private constructor(
    environment: RankEnvironment,
    parts: {
      readonly store: Store;
      readonly runStore: Store | undefined;
      readonly isRestart: boolean;
      readonly host: CollectiveGroup;
      readonly device: CollectiveGroup;
      readonly timeoutS: number;
    },
  ) {
    this.rank = environment.rank;
    this.world_size = environment.world_size;
    this.#store = parts.store;
    this.#runStore = parts.runStore;
    this.isRestart = parts.isRestart;
    this.#host = parts.host;
    this.#device = parts.device;
    this.#timeoutS = parts.timeoutS;
  }

  get is_main_process(): boolean {
    return this.rank === 0;
  }

  get tensors(): TensorCollectives {
    return this;
  }

  /** Meets the others. @throws DistError naming the ranks that did not come within `dist_timeout` */
  static async open(environment: RankEnvironment, options: OpenOptions): Promise<ProcessGroup> {
    const { rank, world_size } = environment;
    const timeoutMs = Math.round(options.dist_timeout * 1000);
    const store = await openStore(environment, `/twgrpo/attempt_${environment.restart_count}`, timeoutMs);
    await meet(store, environment, timeoutMs);
    const runStore = environment.hasAgentStore
      ? await openStore(environment, '/twgrpo/run', timeoutMs)
      : undefined;
    const isRestart = environment.restart_count > 0 && (await runStore?.has(STARTED)) === true;
    const host = isOneMachine(environment) ? '127.0.0.1' : '';
    const open = async (backend: Backend) => {
      try {
        return await CollectiveGroup.open(store, { backend, rank, world_size, timeoutMs, host });
      } catch (cause) {
        throw new DistError(`rank ${rank} can not join the others over ${backend}`, {
          hint:
            host === '' && backend === 'gloo'
              ? 'set GLOO_SOCKET_IFNAME to the network interface that the machines reach each other by'
              : undefined,
          cause,
        });
      }
    };
    const onHost = await open('gloo');
    const isNccl = options.device.startsWith('cuda') && hasBackend('nccl');
    const device = isNccl ? await open('nccl') : onHost;
    const timeoutS = options.dist_timeout;
    return new ProcessGroup(environment, { store, runStore, isRestart, host: onHost, device, timeoutS });
  }

  async noteStart(): Promise<void> {
    await this.#runStore?.set(STARTED, 'yes');
  }

  async gather<T>(value: T, what: string): Promise<T[]> {
    const bytes = serialize(value);
    const since = performance.now();
    try {
      // A letter has room for what is short; what is longer goes in a second exchange.
      const letter = new Uint8Array(LETTER_BYTES);
      new DataView(letter.buffer).setUint32(0, bytes.length);
      if (bytes.length <= LETTER_BYTES - 4) letter.set(bytes, 4);
      const letters = await this.#exchange(letter, what);
      const sizes = letters.map((one) => new DataView(one.buffer, one.byteOffset).getUint32(0));
      const largest = Math.max(...sizes);
      if (largest <= LETTER_BYTES - 4)
        return letters.map((one, rank) => deserialize(one.subarray(4, 4 + sizes[rank]!)) as T);
      const own = new Uint8Array(largest);
      own.set(bytes);
      const all = await this.#exchange(own, what);
      return all.map((one, rank) => deserialize(one.subarray(0, sizes[rank])) as T);
    } finally {
      this.#waitedMs += performance.now() - since;
    }
  }

  /** The arrays of all ranks, of one length. */
  async #exchange(own: Uint8Array, what: string): Promise<Uint8Array[]> {
    const all = new Uint8Array(own.length * this.world_size);
    const input = fromTypedArray(own, [own.length], { copy: false });
    const output = fromTypedArray(all, [all.length], { copy: false });
    try {
      await this.#guard(what, () => this.#host.allGather(output, input)).done();
    } finally {
      input.dispose();
      output.dispose();
    }
    return Array.from({ length: this.world_size }, (_, rank) =>
      all.subarray(rank * own.length, (rank + 1) * own.length),
    );
  }

  async agreeFinite(...numbers: readonly number[]): Promise<boolean> {
    const all = await this.gather(numbers.every(Number.isFinite), 'agreement on a finite loss');
    return !all.includes(false);
  }

  takeWaited(): number {
    const waited = this.#waitedMs;
    this.#waitedMs = 0;
    return waited;
  }

  allReduce(tensor: Tensor, what: string, op: ReduceOp = 'sum'): Pending {
    const job = { what, output: tensor, input: tensor, sent: this.#ring(2 * bytesOf(tensor)) };
    return this.#onTensors(job, (output) => this.#device.allReduce(output, op));
  }

  reduceScatter(output: Tensor, input: Tensor, what: string): Pending {
    const job = { what, output, input, sent: this.#ring(bytesOf(input)) };
    return this.#onTensors(job, (out, given) => this.#device.reduceScatter(out, given));
  }

  allGather(output: Tensor, input: Tensor, what: string): Pending {
    const job = { what, output, input, sent: this.#ring(bytesOf(output)) };
    return this.#onTensors(job, (out, given) => this.#device.allGather(out, given));
  }

  note(what: string, began: number): void {
    this.#span({ what, began, ended: performance.now(), bytes: 0 });
  }

  takeTrace(): TraceSpan[] {
    const spans = this.#trace;
    this.#trace = [];
    return spans;
  }

  takeSent(): number {
    const sent = this.#sent;
    this.#sent = 0;
    return sent;
  }

  /** The part of `bytes` that a rank sends round a ring. */
  #ring(bytes: number): number {
    return (bytes * (this.world_size - 1)) / this.world_size;
  }

  #span(span: TraceSpan): void {
    if (this.#trace.length >= TRACE_LENGTH) this.#trace.shift();
    this.#trace.push(span);
  }

  /** Where the group knows the device, as it is; else through the host. */
  #onTensors(job: TensorJob, launch: (output: Tensor, input: Tensor) => Work): Pending {
    const { output, input } = job;
    this.#sent += job.sent;
    if (input.device === 'cpu' || input.device.startsWith('cuda'))
      return this.#guard(job.what, () => launch(output, input), job.sent);
    const down = new Download(input);
    let arrived: { readonly own: Tensor; readonly out: Tensor; readonly pending: Pending } | undefined;
    const send = () => {
      const own = keep(down.finish());
      const out = output === input ? own : keep(emptyPinned(output.shape, output.dtype));
      arrived = { own, out, pending: this.#guard(job.what, () => launch(out, own), job.sent) };
    };
    // What came before is on the host by now, or will be before this one: its journey begins.
    this.#sendStaged();
    this.#staged.push(send);
    const back = ({ own, out }: NonNullable<typeof arrived>) => {
      noGrad(() => output.copy_(out, true));
      dispose(own === out ? own : [own, out]);
    };
    return {
      wait: () => {
        this.#sendStaged();
        arrived!.pending.wait();
        back(arrived!);
      },
      done: async () => {
        this.#sendStaged();
        await arrived!.pending.done();
        back(arrived!);
      },
    };
  }

  /** Launches what is on its way to the host. All ranks come here at the same calls. */
  #sendStaged(): void {
    for (const send of this.#staged.splice(0)) send();
  }

  /** A collective whose failure names it. @param sent of tensors: bytes; undefined for what ranks tell each other */
  #guard(what: string, launch: () => Work, sent?: number): Pending {
    const { step } = this;
    const failed = (cause: unknown) => this.#error(what, step, cause);
    let work: Work;
    try {
      work = launch();
    } catch (cause) {
      throw failed(cause);
    }
    const isOver = (since: number) => {
      this.#waitedMs += performance.now() - since;
      const times = sent === undefined ? undefined : work.times();
      if (times !== undefined) this.#span({ what, bytes: sent!, ...times });
    };
    return {
      wait: () => {
        const since = performance.now();
        try {
          work.wait();
        } catch (cause) {
          throw failed(cause);
        }
        isOver(since);
      },
      done: async () => {
        const since = performance.now();
        try {
          await work.done();
        } catch (cause) {
          throw failed(cause);
        }
        // What ranks tell each other counts its own time.
        isOver(sent === undefined ? performance.now() : since);
      },
    };
  }

  #error(what: string, step: number, cause: unknown): LostPeer {
    const isLate = cause instanceof NativeError && /Timed out|timeout/i.test(cause.detail);
    return new LostPeer(what, step, isLate ? this.#timeoutS : undefined, cause);
  }

  /**
   * Names the ranks that are missing, where the error is that of a lost peer: every rank that is still there says so in the store.
   * @returns the error to show; any other error as it is
   */
  async explain(error: unknown): Promise<unknown> {
    if (!(error instanceof LostPeer)) return error;
    // The store may be behind the same cut: its answer is not waited for for ever.
    const missing = await Promise.race([this.#missing(), sleep(2 * LOOK_AROUND_MS, undefined)]);
    const who =
      missing === undefined
        ? 'another rank (and the store that all meet at is out of reach)'
        : missing.length === 0
          ? 'another rank'
          : `rank ${missing.join(', ')}`;
    const when = error.step === 0 ? 'before the first step' : `in step ${error.step}`;
    const message =
      error.timeoutS === undefined
        ? `rank ${this.rank} lost ${who} ${when}, in ${error.what}`
        : `rank ${this.rank} waited ${error.timeoutS} s for ${who} ${when}, in ${error.what}`;
    return new DistError(message, {
      hint:
        error.timeoutS === undefined
          ? 'look at the end of the log of that rank; the run goes on from its last checkpoint with --resume auto'
          : 'look at the log of that rank: it is stopped, cut off, or slower than dist_timeout; the run goes on with --resume auto',
      cause: error.cause,
    });
  }

  async #missing(): Promise<number[] | undefined> {
    const key = (rank: number) => `still-here/${rank}`;
    const ranks = Array.from({ length: this.world_size }, (_, rank) => rank);
    try {
      await this.#store.set(key(this.rank), 'yes');
      let missing = ranks;
      for (const until = performance.now() + LOOK_AROUND_MS; performance.now() < until; ) {
        const here = await Promise.all(ranks.map((rank) => this.#store.has(key(rank))));
        missing = ranks.filter((rank) => !here[rank]);
        if (missing.length <= 1) break;
        await sleep(100);
      }
      return missing;
    } catch (error) {
      if (error instanceof NativeError) return undefined;
      throw error;
    }
  }

  /** Parts from the others once all are here. @throws DistError */
  async close(): Promise<void> {
    await this.gather(null, 'the end of the run');
    if (this.#device !== this.#host) await this.#device.close();
    await this.#host.close();
  }
}

/** A collective failed. `explain` makes of it what is shown. */
class LostPeer extends DistError {
  readonly what: string;
  readonly step: number;
  /** Seconds waited in vain; undefined: the connection broke. */
  readonly timeoutS: number | undefined;

  constructor(what: string, step: number, timeoutS: number | undefined, cause: unknown) {
    super(`a rank was lost in step ${step}, in ${what}`, { cause });
    this.what = what;
    this.step = step;
    this.timeoutS = timeoutS;
  }
}

/** A collective on tensors. */
interface TensorJob {
  readonly what: string;
  readonly output: Tensor;
  readonly input: Tensor;
  /** Bytes that this rank sends. */
  readonly sent: number;
}

const bytesOf = (tensor: Tensor): number => tensor.numel() * itemSize(tensor.dtype);

const isOneMachine = ({ world_size, local_world_size }: RankEnvironment): boolean =>
  world_size === local_world_size;

async function openStore(environment: RankEnvironment, prefix: string, timeoutMs: number): Promise<Store> {
  const { master_addr: host, master_port: port, rank, hasAgentStore } = environment;
  const isServer = !hasAgentStore && rank === 0;
  try {
    return await Store.open({ host, port, isServer, prefix, timeoutMs });
  } catch (cause) {
    const isTaken = /address already in use|EADDRINUSE/i.test(String(cause));
    throw new DistError(
      isServer && isTaken
        ? `MASTER_PORT ${port} is in use on this machine`
        : `rank ${rank} can not reach ${host}:${port}, where the ranks meet`,
      {
        hint:
          isServer && isTaken
            ? 'choose another MASTER_PORT, the same for all ranks'
            : 'check MASTER_ADDR and MASTER_PORT, and that rank 0 was started and no firewall stands between',
        cause,
      },
    );
  }
}

/** Waits until every rank has come to the store. */
async function meet(store: Store, { rank, world_size }: RankEnvironment, timeoutMs: number): Promise<void> {
  const key = (one: number) => `come/${one}`;
  await store.set(key(rank), 'yes');
  const until = performance.now() + timeoutMs;
  let missing = Array.from({ length: world_size }, (_, one) => one);
  for (;;) {
    const here = await Promise.all(missing.map((one) => store.has(key(one))));
    missing = missing.filter((_, i) => !here[i]);
    if (missing.length === 0) return;
    if (performance.now() > until)
      throw new DistError(
        `rank ${rank} waited ${timeoutMs / 1000} s for rank ${missing.join(', ')} of ${world_size} to start`,
        { hint: 'look at the logs of those ranks, or raise dist_timeout' },
      );
    await sleep(50);
  }
}
