/** `--nproc`: the options of commands that can run as several processes, and the start of those. */
import type { Command } from 'commander';
import { ConfigError, type Output } from '../base/index.ts';
import { inProcessGroup, launchRanks, type RankContext, readRankEnvironment } from '../dist/index.ts';
import { finiteNumber, wholeNumber } from './numbers.ts';

export interface LaunchChoice {
  readonly nproc?: number;
  readonly maxRestarts?: number;
}

/** A command without a configuration says itself how long a process waits for another. */
export interface SharingChoice extends LaunchChoice {
  readonly distTimeout: number;
}

/** How often ranks are begun again by default. */
const MAX_RESTARTS = 3;

export function launchOptions(command: Command): Command {
  return command
    .option(
      '--nproc <n>',
      'processes on this machine, started by the torchrun of the engine; on GPUs each takes its own',
      wholeNumber(1),
    )
    .option(
      '--max-restarts <n>',
      `with --nproc: how often all begin again after one died (default: ${MAX_RESTARTS})`,
      wholeNumber(0),
    );
}

export function sharingOptions(command: Command): Command {
  return launchOptions(command).option(
    '--dist-timeout <seconds>',
    'several processes: how long one waits for another before all end with an error',
    finiteNumber,
    600,
  );
}

/**
 * Runs a command that shares its work as the processes of `--nproc`, as one that a launcher started, or alone.
 * @param body runs on each
 * @returns the exit code
 * @throws ConfigError for a `--dist-timeout` that is no time; what `launchCommand`, `inProcessGroup` and `body` throw
 */
export async function runShared(
  given: SharingChoice & { readonly device: string },
  out: Output,
  body: (context: RankContext) => Promise<number>,
): Promise<number> {
  const { nproc = 1, distTimeout: dist_timeout, device } = given;
  if (dist_timeout <= 0) throw new ConfigError(`--dist-timeout ${dist_timeout}: expected a time above 0`);
  if (nproc > 1) return await launchCommand({ ...given, nproc }, out);
  return await inProcessGroup({ device, dist_timeout }, body);
}

/**
 * Starts this same command line as several processes.
 * @returns its exit code
 * @throws ConfigError inside a launcher, and what `launchRanks` throws
 */
export async function launchCommand(
  { nproc, maxRestarts = MAX_RESTARTS }: LaunchChoice & { readonly nproc: number },
  out: Output,
): Promise<number> {
  if (readRankEnvironment() !== undefined)
    throw new ConfigError(`--nproc ${nproc}: this process was started as one of several already`, {
      hint: 'leave --nproc out under torchrun, srun or a PyTorchJob',
    });
  return await launchRanks({
    nproc,
    max_restarts: maxRestarts,
    argv: withoutLaunch(process.argv.slice(2)),
    onLine: (line) => out.line(line),
  });
}

/** The command line without the options of the launch. */
function withoutLaunch(argv: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i]!.replaceAll('_', '-');
    if (/^--(nproc|max-restarts)$/.test(word)) i += 1;
    else if (!/^--(nproc|max-restarts)=/.test(word)) kept.push(argv[i]!);
  }
  return kept;
}
