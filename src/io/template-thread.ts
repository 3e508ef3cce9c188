/**
 * Chat templates are programs of whoever made the model folder: a template may loop for hours or double a text until the memory is full.
 * So they run in a thread of their own with a limit on its heap, and the caller waits for at most a few seconds. Counting loops or
 * texts in our own thread would not do, since one filter of the engine can take gigabytes in a single call.
 *
 * Measured: 35 ms for the first template of a process, 0.1 ms more for each prompt.
 */
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { compiledModule } from '../base/index.ts';
import type { TemplateAnswer, TemplateJob, TemplateThreadData } from './template-worker.ts';

export interface TemplateLimits {
  /** Time to parse or render one template, in milliseconds. @default 5000 */
  readonly timeMs?: number;
  /** Heap of the thread, in MiB. @default 256 */
  readonly memoryMb?: number;
  /** Characters of a template, and of what it gives. @default 4 Mi */
  readonly maxCharacters?: number;
}

/** Starting a thread takes longer where all cores are busy. */
const START_MS = 60_000;

/** Runs templates within limits; a thread that broke one is ended, and the next template gets a new one. */
export class TemplateThread {
  readonly #limits: Required<TemplateLimits>;
  #running:
    | { readonly worker: Worker; readonly port: MessagePort; readonly answered: Int32Array }
    | undefined;

  constructor({ timeMs = 5000, memoryMb = 256, maxCharacters = 4 * 2 ** 20 }: TemplateLimits = {}) {
    this.#limits = { timeMs, memoryMb, maxCharacters };
  }

  /** The rendered text, '' for a job without variables; or what is wrong, as a sentence. */
  run(job: TemplateJob): TemplateAnswer {
    const { timeMs, memoryMb, maxCharacters } = this.#limits;
    if (job.source.length > maxCharacters)
      return { problem: `it has ${job.source.length} characters, more than ${maxCharacters}` };
    this.#running ??= this.#start();
    const { port, answered } = this.#running;
    const before = Atomics.load(answered, 0);
    try {
      port.postMessage(job);
    } catch (error) {
      return { problem: `its variables must be plain values (${(error as Error).message})` };
    }
    if (Atomics.wait(answered, 0, before, timeMs) === 'timed-out') {
      this.close();
      return { problem: `it did not end within ${timeMs / 1000} s and ${memoryMb} MiB` };
    }
    return receiveMessageOnPort(port)!.message as TemplateAnswer;
  }

  /** Ends the thread. The next template starts another. */
  close(): void {
    void this.#running?.worker.terminate();
    this.#running?.port.close();
    this.#running = undefined;
  }

  #start() {
    const { memoryMb, maxCharacters } = this.#limits;
    const { port1: port, port2 } = new MessageChannel();
    const answered = new Int32Array(new SharedArrayBuffer(4));
    const workerData: TemplateThreadData = { port: port2, answered, maxCharacters };
    const worker = new Worker(compiledModule(import.meta.url, 'template-worker'), {
      workerData,
      transferList: [port2],
      execArgv: [],
      env: {},
      resourceLimits: { maxOldGenerationSizeMb: memoryMb, maxYoungGenerationSizeMb: 32, stackSizeMb: 4 },
    });
    // Its end by a limit is told by the wait that it makes vain.
    worker.on('error', () => {});
    worker.unref();
    port.unref();
    if (Atomics.wait(answered, 0, 0, START_MS) === 'timed-out') {
      void worker.terminate();
      throw new Error(`internal: the thread for chat templates did not start within ${START_MS / 1000} s`);
    }
    return { worker, port, answered };
  }
}
