/** A run as one of the processes that its environment names, on the device of its rank, or alone. */
import { ConfigError, DistError, exitCodeOf, ToldError, TwgrpoError } from '../base/index.ts';
import { engineInfo } from '../tensor/index.ts';
import { type RankEnvironment, readRankEnvironment } from './environment.ts';
import { type Processes, ProcessGroup, SINGLE_PROCESS } from './process-group.ts';

/**
 * The device of a rank.
 * @param device what the configuration says
 * @throws ConfigError for more ranks than GPUs, and for one GPU that several ranks would share
 */
function deviceOfRank(
  device: string,
  { local_rank, local_world_size }: Pick<RankEnvironment, 'local_rank' | 'local_world_size'>,
): string {
  const { cuda_available, cuda_device_count } = engineInfo();
  const hasGpu = cuda_available && cuda_device_count > 0;
  if (device === 'auto' && !hasGpu) return 'cpu';
  if (device !== 'auto' && device !== 'cuda') {
    if (/^cuda:\d+$/.test(device) && local_world_size > 1)
      throw new ConfigError(`device ${device}: ${local_world_size} processes would share one GPU`, {
        hint: 'leave device out: each process takes the GPU of its local rank',
      });
    return device;
  }
  if (local_world_size > cuda_device_count)
    throw new ConfigError(
      `${local_world_size} processes on a machine that offers ${cuda_device_count} CUDA devices`,
      { hint: `start at most ${cuda_device_count} a machine, or set device: cpu` },
    );
  return `cuda:${local_rank}`;
}

/** A place of a configuration's device and patience, for the length of `body`. */
export interface RankOptions {
  readonly device: string;
  readonly dist_timeout: number;
}

/** What `body` is told. */
export interface RankContext {
  readonly processes: Processes;
  /** The device of this rank. */
  readonly device: string;
}

/**
 * Runs `body` as one of the processes that the environment names, or alone.
 * @throws DistError when a peer is lost, naming it; ConfigError for a device that can not be
 */
export async function inProcessGroup<T>(
  { device, dist_timeout }: RankOptions,
  body: (context: RankContext) => Promise<T>,
): Promise<T> {
  const environment = readRankEnvironment();
  if (environment === undefined || environment.world_size === 1)
    return await body({ processes: SINGLE_PROCESS, device });
  const own = deviceOfRank(device, environment);
  const group = await ProcessGroup.open(environment, { dist_timeout, device: own });
  try {
    const result = await body({ processes: group, device: own });
    await group.close();
    return result;
  } catch (error) {
    throw await group.explain(error);
  }
}

/**
 * Runs `body` on every rank; where it fails on one, it fails on all.
 * @throws its own error; a ToldError where a rank before has the same; a DistError naming the rank where another failed
 */
export async function together<T>(
  processes: Pick<Processes, 'gather' | 'rank'>,
  what: string,
  body: () => Promise<T> | T,
): Promise<T> {
  let own: unknown;
  let result: T | undefined;
  try {
    result = await body();
  } catch (error) {
    own = error;
  }
  const told = own === undefined ? undefined : own instanceof Error ? own.message : String(own);
  const all = await processes.gather(told, what);
  const first = all.findIndex((text) => text !== undefined);
  if (first < 0) return result as T;
  if (own === undefined) throw new DistError(`rank ${first} can not go on: ${all[first]}`);
  if (own instanceof TwgrpoError && all.indexOf(told) < processes.rank)
    throw new ToldError(own.message, own.exitCode);
  throw own;
}

/**
 * Runs `body` on the first rank and tells all what it gives.
 * @param body gives what can be told: no class, no function
 * @throws its error on the first rank, a ToldError on the others
 */
export async function onMain<T>(processes: Processes, what: string, body: () => Promise<T> | T): Promise<T> {
  let own: unknown;
  let told: { readonly result: T } | { readonly message: string; readonly exitCode: number } | undefined;
  if (processes.is_main_process) {
    try {
      told = { result: await body() };
    } catch (error) {
      own = error;
      told = { message: error instanceof Error ? error.message : String(error), exitCode: exitCodeOf(error) };
    }
  }
  const [first] = await processes.gather(told, what);
  if (own !== undefined) throw own;
  if ('message' in first!) throw new ToldError(first.message, first.exitCode);
  return first!.result;
}

/**
 * Runs `body` on the first rank, for what the others can not have.
 * @returns what it gives, on the first rank; undefined on the others
 * @throws as `onMain`
 */
export async function onlyMain<T>(
  processes: Processes,
  what: string,
  body: () => Promise<T> | T,
): Promise<T | undefined> {
  let result: T | undefined;
  await onMain(processes, what, async () => {
    result = await body();
  });
  return result;
}
