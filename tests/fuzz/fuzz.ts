/**
 * @file Runs targets of the fuzzer, each in a process of its own with a limit on its memory, and watches that it goes on (by Linux's
 * /proc): an input that ends the process, holds it longer than its limit, or fills its memory is kept as a file, and the target goes on
 * behind it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { FuzzTarget } from './target.ts';
import { CURRENT, type WorkerNews, type WorkerOrder } from './worker-order.ts';

export interface FuzzOptions {
  readonly seed: number;
  /** Inputs at most. @default what the target wants */
  readonly count?: number;
  /** Seconds at most. @default no limit */
  readonly seconds?: number;
  /** Folder that findings are kept in. */
  readonly folder: string;
  /** Resident memory of the process in MiB at most. @default 1536 */
  readonly memoryMb?: number;
}

export interface Finding {
  readonly target: string;
  readonly kind: 'crash' | 'hang' | 'memory';
  readonly message: string;
  /** The input. */
  readonly file: string;
}

export interface FuzzResult {
  readonly target: string;
  /** Inputs tried, and those among them that were read as sound. */
  readonly tried: number;
  readonly sound: number;
  /** Blocks of code with their counts that were reached; 0 where the target is not guided. */
  readonly coverage: number;
  readonly findings: readonly Finding[];
}

const WORKER = join(import.meta.dirname, 'worker-run.ts');
const LOADER = join(import.meta.dirname, '../../scripts/typescript/loader.mjs');
const LOOK_MS = 100;
const MAX_RESTARTS = 20;

/** Tries inputs until there are enough, the time is over, or the process was ended too often. */
export async function fuzz(target: FuzzTarget, options: FuzzOptions): Promise<FuzzResult> {
  const folder = join(options.folder, target.name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const { count = target.wanted, seconds = 1e9, memoryMb = 1536 } = options;
  const findings: Finding[] = [];
  const end = performance.now() + seconds * 1000;
  let [tried, sound, coverage] = [0, 0, 0];
  for (let restart = 0; restart <= MAX_RESTARTS && tried < count; restart++) {
    const left = (end - performance.now()) / 1000;
    if (left <= 0) break;
    const order: WorkerOrder = {
      target: target.name,
      seed: options.seed + restart,
      count: count - tried,
      seconds: left,
      folder,
    };
    const one = await runWorker(order, { limitS: target.limitS ?? 10, memoryMb });
    tried += one.tried;
    sound += one.sound;
    coverage = Math.max(coverage, one.coverage);
    findings.push(...one.findings.map((finding) => ({ target: target.name, ...finding })));
    if (one.isDone) break;
  }
  return { target: target.name, tried, sound, coverage, findings };
}

interface WorkerResult {
  readonly tried: number;
  readonly sound: number;
  readonly coverage: number;
  readonly isDone: boolean;
  readonly findings: readonly Omit<Finding, 'target'>[];
}

async function runWorker(
  order: WorkerOrder,
  { limitS, memoryMb }: { readonly limitS: number; readonly memoryMb: number },
): Promise<WorkerResult> {
  const { folder } = order;
  const current = join(folder, CURRENT);
  rmSync(current, { force: true });
  const args = [`--max-old-space-size=${memoryMb}`, '--import', LOADER, WORKER, JSON.stringify(order)];
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env: { ...process.env, NODE_OPTIONS: '', OMP_NUM_THREADS: '1' },
  });
  const findings: Omit<Finding, 'target'>[] = [];
  let last = { done: 0, sound: 0, coverage: 0 };
  let isDone = false;
  let said = '';
  child.stderr!.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-4000);
  });
  child.on('message', (news: WorkerNews) => {
    if (news.kind === 'crash')
      findings.push({ kind: 'crash', message: news.message, file: join(folder, news.file) });
    else last = news;
    isDone ||= news.kind === 'end';
  });
  const keep = (kind: Finding['kind'], message: string): void => {
    const file = join(folder, `${kind}-${order.seed}-${findings.length}`);
    if (existsSync(current)) copyFileSync(current, file);
    findings.push({ kind, message, file });
  };
  let isEnded = false;
  const problemOf = watcher(child, current, { limitS, memoryMb });
  const watch = setInterval(() => {
    const wrong = isEnded ? undefined : problemOf();
    if (wrong === undefined) return;
    isEnded = true;
    keep(wrong.kind, wrong.message);
    child.kill('SIGKILL');
  }, LOOK_MS);
  const status = await new Promise<number | string>((resolve) =>
    child.on('close', (code, signal) => resolve(signal ?? code ?? -1)),
  );
  clearInterval(watch);
  if (!isDone && !isEnded) keep('crash', `the process ended with ${status}: ${said}`);
  return {
    tried: last.done + (isDone ? 0 : 1),
    sound: last.sound,
    coverage: last.coverage,
    isDone,
    findings,
  };
}

const TICKS_A_SECOND = 100; // USER_HZ of every Linux
const PAGE_BYTES = 4096;
/** An input that only waits has this many times its limit: on a busy machine, waiting says little. */
const WAITING = 20;

/**
 * Says what is wrong with the input that is tried, if anything is. Its time is the time that the process computed for it.
 * @returns to be called again and again
 */
function watcher(
  { pid }: ChildProcess,
  current: string,
  { limitS, memoryMb }: { readonly limitS: number; readonly memoryMb: number },
): () => Pick<Finding, 'kind' | 'message'> | undefined {
  let begun = { at: 0, computed: 0 };
  return () => {
    const at = statSync(current, { throwIfNoEntry: false })?.mtimeMs;
    const used = usedBy(pid);
    if (at === undefined || used === undefined) return undefined;
    if (at !== begun.at) begun = { at, computed: used.seconds };
    const computed = used.seconds - begun.computed;
    const waited = (Date.now() - at) / 1000;
    if (computed > limitS) return { kind: 'hang', message: `no end within ${limitS} s` };
    if (waited > WAITING * limitS)
      return { kind: 'hang', message: `no end within ${WAITING * limitS} s of waiting` };
    if (used.mebibytes > memoryMb)
      return { kind: 'memory', message: `${Math.round(used.mebibytes)} MiB, more than ${memoryMb}` };
    return undefined;
  };
}

/** Seconds that a process computed, and its resident memory; undefined where it has just ended. Source: proc(5), `stat`. */
function usedBy(
  pid: number | undefined,
): { readonly seconds: number; readonly mebibytes: number } | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined; // What it ended with is told by its exit code.
  }
  // The name in brackets may hold anything; fields are counted behind it, from 3.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [user, system, pages] = [14, 15, 24].map((field) => Number(fields[field - 3])) as [
    number,
    number,
    number,
  ];
  return { seconds: (user + system) / TICKS_A_SECOND, mebibytes: (pages * PAGE_BYTES) / 2 ** 20 };
}

/** Findings as files of the corpus, tried first in every later run. */
export function keepInCorpus(findings: readonly Finding[], corpus: string): void {
  for (const { target, file } of findings) {
    if (!existsSync(file)) continue;
    mkdirSync(join(corpus, target), { recursive: true });
    renameSync(file, join(corpus, target, `${file.split('/').at(-1)}`));
  }
}
