/**
 * `--nproc N`: the same command as N processes, started and watched by torchrun (torch.distributed.run of the PyTorch that the engine
 * links). A rank that dies makes torchrun begin all again, and they go on from the last checkpoint.
 *
 * torchrun knows only success and failure. What a rank ended with goes through a folder of this process: it gives back the exit code
 * that one process would have had, and keeps torchrun from trying again what can not succeed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  ConfigError,
  DistError,
  EXIT_CODES,
  FINAL_CODE,
  isLiving,
  LAUNCH_FOLDER,
  readEngineFile,
  setUpCommandLine,
} from '../base/index.ts';

export interface LaunchOptions {
  /** Processes on this machine. */
  readonly nproc: number;
  /** How often all are begun again after one of them died. */
  readonly max_restarts: number;
  /** The command line without `--nproc`. */
  readonly argv: readonly string[];
  /** Lines of the ranks for people. */
  readonly onLine: (line: string) => void;
}

/**
 * Runs the ranks to their end. SIGINT and SIGTERM go to rank 0, which tells the others; a second one ends all at once.
 * @returns the exit code of the run
 * @throws ConfigError where torchrun is missing; DistError when ranks died more often than `max_restarts`
 */
export async function launchRanks(options: LaunchOptions): Promise<number> {
  const { nproc, max_restarts, argv, onLine } = options;
  const python = readEngineFile()?.python;
  if (python === undefined || python === null)
    throw new ConfigError(
      '--nproc needs torchrun, which comes with PyTorch for Python; the engine has none',
      {
        hint: `run ${setUpCommandLine()}, or start the processes with your own torchrun or srun`,
      },
    );
  const folder = mkdtempSync(join(tmpdir(), 'twgrpo-launch-'));
  const args = [
    ...['-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', String(nproc)],
    ...['--max-restarts', String(max_restarts), '--no-python'],
    ...[process.execPath, ...process.execArgv, process.argv[1]!, ...argv],
  ];
  const child = spawn(python, args, {
    env: {
      PYTHONWARNINGS: 'ignore',
      // torchrun would give each process one thread, and say so.
      OMP_NUM_THREADS: String(Math.max(1, Math.floor(availableParallelism() / nproc))),
      ...process.env,
      [LAUNCH_FOLDER]: folder,
    },
    stdio: ['ignore', 'inherit', 'pipe'],
    // A group of its own: Ctrl-C reaches this process alone, which passes it on to a rank and not to torchrun, who would kill all.
    detached: true,
  });
  const off = passSignals(child, folder);
  const own: string[] = [];
  const isTorchrun = torchrunLines();
  let rest = '';
  child.stderr!.setEncoding('utf8');
  child.stderr!.on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop()!;
    for (const line of lines) {
      if (isTorchrun(line)) own.push(line);
      else onLine(line);
    }
  });
  try {
    const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (...end) => resolve(end));
    });
    const final = join(folder, FINAL_CODE);
    if (existsSync(final)) return Number(readFileSync(final, 'utf8'));
    if (code === 0) return EXIT_CODES.done;
    if (code === null) throw new DistError(`torchrun was ended by ${signal}, and the ranks with it`);
    throw new DistError(
      max_restarts === 0
        ? 'a rank died'
        : `ranks died ${max_restarts + 1} times: more often than all were begun again (--max-restarts ${max_restarts})`,
      {
        hint: `the errors of the ranks stand above and in logs/ of the run, which goes on with --resume auto. torchrun says: ${causeOf(own)}`,
      },
    );
  } finally {
    off();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The root cause in torchrun's own report. */
function causeOf(lines: readonly string[]): string {
  const from = lines.findLastIndex((line) => line.startsWith('Root Cause'));
  const facts = lines.slice(from + 1).filter((line) => /^\s+(rank|exitcode)\s/.test(line));
  return from < 0
    ? lines.slice(-3).join(' | ')
    : facts.map((line) => line.replace(/\s+/g, ' ').trim()).join(', ');
}

/** Tells lines of torchrun, whose log begins with a letter and a date and whose report is a traceback, from those of the ranks. */
function torchrunLines(): (line: string) => boolean {
  let isReport = false;
  return (line) => {
    if (/^Traceback \(most recent call last\):/.test(line)) isReport = true;
    return isReport || /^[EWI]\d{4} .*torch\/distributed\//.test(line) || /^\[rank\d+\]:\[[EWI]/.test(line);
  };
}

function passSignals(child: ChildProcess, folder: string): () => void {
  let isStopping = false;
  const pass = (signal: NodeJS.Signals) => () => {
    if (isStopping) {
      // A group that has ended already needs no end.
      if (child.exitCode === null && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      return;
    }
    isStopping = true;
    const pids = readdirSync(folder).flatMap((name) => /^rank-0\.(\d+)$/.exec(name)?.[1] ?? []);
    const newest = Math.max(0, ...pids.map(Number));
    if (newest > 0 && isLiving(newest)) process.kill(newest, signal);
    else if (child.pid !== undefined) process.kill(-child.pid, signal);
  };
  const [onInt, onTerm] = [pass('SIGINT'), pass('SIGTERM')];
  process.on('SIGINT', onInt);
  process.on('SIGTERM', onTerm);
  return () => {
    process.off('SIGINT', onInt);
    process.off('SIGTERM', onTerm);
  };
}
