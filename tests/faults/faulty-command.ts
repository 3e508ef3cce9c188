/** @file A command run on a disk that fails at a named call (faulty-disk.c): to its end, killed, or with an error. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const repository = here('../..');

/** What happens at a call: see faulty-disk.c. */
export type Action =
  | 'kill'
  | 'torn'
  | 'term'
  | 'short'
  | 'slow'
  | 'ENOSPC'
  | 'EROFS'
  | 'once-EIO'
  | 'once-EMFILE'
  | 'once-ENOSPC';

/** A call that changes files, the `count`-th of its name and path. */
export interface Point {
  readonly call: string;
  readonly path: string;
  readonly count: number;
}

export interface Ended {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The preloaded library, compiled when it is older than its source. Linux only. @throws Error with the compiler's words */
function faultyDisk(): string {
  const library = join(repository, 'build', 'faults', 'faulty-disk.so');
  const source = here('faulty-disk.c');
  if (existsSync(library) && statSync(library).mtimeMs > statSync(source).mtimeMs) return library;
  mkdirSync(join(repository, 'build', 'faults'), { recursive: true });
  const made = spawnSync('cc', [
    '-shared',
    '-fPIC',
    '-O1',
    '-Wall',
    '-o',
    library,
    source,
    '-ldl',
    '-lpthread',
  ]);
  if (made.status !== 0) throw new Error(`faulty-disk.c: ${String(made.stderr)}${made.error?.message ?? ''}`);
  return library;
}

export interface FaultOptions {
  /** Folder whose files the disk watches. */
  readonly root: string;
  readonly fault?: { readonly action: Action; readonly point: Point } | undefined;
  /** Kills the process before the `nth` call of the native addon. */
  readonly killAtNativeCall?: number | undefined;
  /** File that gets each watched call, or the number of native calls. */
  readonly trace?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Ended with SIGKILL after so long: a hang. @default 120 */
  readonly timeoutS?: number;
}

/** Runs `twgrpo ARGS` as a process group of its own. */
export async function runFaulty(args: readonly string[], options: FaultOptions): Promise<Ended> {
  const { root, fault, killAtNativeCall, trace } = options;
  const child = spawn(
    process.execPath,
    [
      ...(killAtNativeCall === undefined ? [] : ['--import', here('kill-at-native-call.mjs')]),
      ...[join(repository, 'build', 'js', 'cli', 'main.js'), ...args],
    ],
    {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        OMP_NUM_THREADS: '1',
        LD_PRELOAD: faultyDisk(),
        TWGRPO_FAULT_ROOT: root,
        ...(trace === undefined ? {} : { TWGRPO_FAULT_TRACE: trace }),
        ...(killAtNativeCall === undefined ? {} : { TWGRPO_KILL_AT_NATIVE_CALL: String(killAtNativeCall) }),
        ...(fault === undefined
          ? {}
          : { TWGRPO_FAULT: `${fault.action} ${fault.point.count} ${fault.point.call} ${fault.point.path}` }),
        ...options.env,
      },
    },
  );
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk));
  const timer = setTimeout(() => process.kill(-child.pid!, 'SIGKILL'), 1000 * (options.timeoutS ?? 120));
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) =>
    child.on('close', (...ended) => resolve(ended)),
  );
  clearTimeout(timer);
  return { code, signal, stdout, stderr };
}

/** Every call of an undisturbed run that changes files under `root`, in order. */
export async function tracedPoints(args: readonly string[], options: FaultOptions): Promise<Point[]> {
  const trace = join(options.root, '..', 'trace.txt');
  rmSync(trace, { force: true });
  const ended = await runFaulty(args, { ...options, trace });
  if (ended.code !== 0) throw new Error(`the undisturbed command ended with ${ended.code}: ${ended.stderr}`);
  const counts = new Map<string, number>();
  return readFileSync(trace, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => {
      const count = (counts.get(line) ?? 0) + 1;
      counts.set(line, count);
      const [call, ...path] = line.split(' ');
      return { call: call!, path: path.join(' '), count };
    });
}
