/** @file The command as several processes of this machine, as torchrun starts them, but without torchrun. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

export interface Rank {
  readonly child: ChildProcess;
  /** When it has ended. */
  readonly ended: Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** One process of the build (which starts much faster than the sources) with these variables; those of a launcher around the tests are taken away. */
export function startProcess(
  argv: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): Rank {
  const outer = Object.entries(process.env).filter(
    ([name]) => !/^(RANK|WORLD_SIZE|LOCAL_|MASTER_|SLURM_)/.test(name),
  );
  const child = spawn(process.execPath, [file('../../build/js/cli/main.js'), ...argv], {
    env: { ...Object.fromEntries(outer), OMP_NUM_THREADS: '1', ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout!.on('data', (chunk: Buffer) => (stdout += chunk));
  child.stderr!.on('data', (chunk: Buffer) => (stderr += chunk));
  const ended = new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) =>
    child.on('close', (code) => resolve({ code, stdout, stderr })),
  );
  return { child, ended };
}

/** What a launcher tells each of `count` ranks. */
export async function rankVariables(count: number): Promise<Record<string, string>[]> {
  const port = String(await freePort());
  return Array.from({ length: count }, (_, rank) => ({
    ...{ RANK: String(rank), WORLD_SIZE: String(count), MASTER_ADDR: '127.0.0.1', MASTER_PORT: port },
    ...{ LOCAL_RANK: String(rank), LOCAL_WORLD_SIZE: String(count) },
  }));
}

/** The same command line as `count` ranks. */
export async function startRanks(count: number, argv: readonly string[]): Promise<Rank[]> {
  return (await rankVariables(count)).map((variables) => startProcess(argv, variables));
}

/** Runs them to their end. @throws when one fails, with what it said */
export async function runRanks(count: number, argv: readonly string[]): Promise<string> {
  const ranks = await startRanks(count, argv);
  const ends = await Promise.all(ranks.map(({ ended }) => ended));
  const failed = ends.findIndex(({ code }) => code !== 0);
  if (failed >= 0)
    throw new Error(
      `rank ${failed} of ${count} ended with ${ends[failed]!.code}:\n${ends.map(({ stderr }) => stderr).join('\n')}`,
    );
  return ends[0]!.stdout;
}
