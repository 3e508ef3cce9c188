/**
 * Which of several processes this one is, from the variables of whoever started it: torchrun and what imitates it (Kubeflow's
 * PyTorchJob, mpirun scripts), or Slurm's srun.
 *
 * Source: torch/distributed/run.py ("Environment Variables"), torch/distributed/rendezvous.py `_env_rendezvous_handler`;
 * slurm.schedmd.com/srun.html ("OUTPUT ENVIRONMENT VARIABLES").
 */
import { DistError } from '../base/index.ts';

export interface RankEnvironment {
  readonly rank: number;
  readonly world_size: number;
  /** Among the processes of this machine. */
  readonly local_rank: number;
  readonly local_world_size: number;
  readonly master_addr: string;
  readonly master_port: number;
  /** Whether the launcher keeps the store that the ranks meet at; else rank 0 does. */
  readonly hasAgentStore: boolean;
  /** How often the launcher has begun the ranks again. */
  readonly restart_count: number;
}

/** What names a rank, and what says where all meet. */
const NAMES = ['RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT'] as const;
const LOCAL_NAMES = ['LOCAL_RANK', 'LOCAL_WORLD_SIZE'] as const;

type Variables = Readonly<Record<string, string | undefined>>;

/**
 * @returns undefined where nothing says that this process is one of several
 * @throws DistError for half a set, naming what is missing, and for numbers that can not be
 */
export function readRankEnvironment(variables: Variables = process.env): RankEnvironment | undefined {
  const isSet = (name: string): boolean => (variables[name] ?? '') !== '';
  const standard = [...NAMES, ...LOCAL_NAMES].filter(isSet);
  const isSlurm = Number(variables['SLURM_STEP_NUM_TASKS'] ?? 1) > 1 && isSet('SLURM_PROCID');
  if (isSlurm && !isSet('RANK') && !isSet('WORLD_SIZE')) return ofSlurm(variables);
  if (standard.length === 0) return undefined;
  const missing: string[] = NAMES.filter((name) => !isSet(name));
  // One process a machine, as PyTorchJob starts them, needs no local names; with one of the two the other is missing.
  if (LOCAL_NAMES.some(isSet)) missing.push(...LOCAL_NAMES.filter((name) => !isSet(name)));
  if (missing.length > 0)
    throw new DistError(
      `the environment says that this is one of several processes (${standard.join(', ')}), but ${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} missing`,
      {
        hint: `start all with torchrun, srun or --nproc, which set them; for one process: unset ${standard.join(' ')}`,
      },
    );
  return checked({
    rank: wholeNumber(variables, 'RANK'),
    world_size: wholeNumber(variables, 'WORLD_SIZE'),
    local_rank: isSet('LOCAL_RANK') ? wholeNumber(variables, 'LOCAL_RANK') : 0,
    local_world_size: isSet('LOCAL_WORLD_SIZE') ? wholeNumber(variables, 'LOCAL_WORLD_SIZE') : 1,
    master_addr: variables['MASTER_ADDR']!,
    master_port: wholeNumber(variables, 'MASTER_PORT'),
    hasAgentStore: variables['TORCHELASTIC_USE_AGENT_STORE'] === 'True',
    restart_count: isSet('TORCHELASTIC_RESTART_COUNT')
      ? wholeNumber(variables, 'TORCHELASTIC_RESTART_COUNT')
      : 0,
  });
}

function ofSlurm(variables: Variables): RankEnvironment {
  const needed = ['SLURM_PROCID', 'SLURM_LOCALID', 'SLURM_STEP_TASKS_PER_NODE', 'SLURM_NODEID'];
  if ((variables['MASTER_ADDR'] ?? '') === '') needed.push('SLURM_STEP_NODELIST');
  if ((variables['MASTER_PORT'] ?? '') === '') needed.push('SLURM_JOB_ID');
  const missing = needed.filter((name) => (variables[name] ?? '') === '');
  if (missing.length > 0)
    throw new DistError(
      `srun started ${variables['SLURM_STEP_NUM_TASKS']} tasks, but ${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} missing`,
      { hint: 'start it with srun, or set MASTER_ADDR and MASTER_PORT' },
    );
  const tasks = tasksPerNode(variables['SLURM_STEP_TASKS_PER_NODE']!);
  const job = (variables['MASTER_PORT'] ?? '') === '' ? wholeNumber(variables, 'SLURM_JOB_ID') : 0;
  const step = Number(variables['SLURM_STEP_ID'] ?? 0);
  return checked({
    rank: wholeNumber(variables, 'SLURM_PROCID'),
    world_size: wholeNumber(variables, 'SLURM_STEP_NUM_TASKS'),
    local_rank: wholeNumber(variables, 'SLURM_LOCALID'),
    local_world_size: tasks[wholeNumber(variables, 'SLURM_NODEID')] ?? 0,
    master_addr: variables['MASTER_ADDR'] || firstHost(variables['SLURM_STEP_NODELIST']!),
    // Two steps of one machine must not meet each other.
    master_port: job > 0 ? 15_000 + ((job * 16 + step) % 20_000) : wholeNumber(variables, 'MASTER_PORT'),
    hasAgentStore: false,
    restart_count: Number(variables['SLURM_RESTART_COUNT'] ?? 0),
  });
}

/** `2(x3),1`: three machines with two tasks and one with one. */
function tasksPerNode(text: string): number[] {
  return text.split(',').flatMap((part) => {
    const [, tasks, repeats = '1'] = /^(\d+)(?:\(x(\d+)\))?$/.exec(part) ?? [];
    return tasks === undefined ? [] : Array.from({ length: Number(repeats) }, () => Number(tasks));
  });
}

/** `gpu[03-05,9],head` -> `gpu03` */
function firstHost(list: string): string {
  const [, prefix = '', first = '', suffix = ''] =
    /^([^,[]+)(?:\[([^\],-]+)[^\]]*\]([^,]*))?/.exec(list) ?? [];
  return prefix + first + suffix;
}

function wholeNumber(variables: Variables, name: string): number {
  const number = Number(variables[name]);
  if (!Number.isInteger(number) || number < 0)
    throw new DistError(`${name}: expected a whole number from 0, got '${variables[name]}'`);
  return number;
}

function checked(environment: RankEnvironment): RankEnvironment {
  const { rank, world_size, local_rank, local_world_size, master_port } = environment;
  if (rank >= world_size)
    throw new DistError(`rank ${rank} of ${world_size} processes: ranks count from 0 to ${world_size - 1}`);
  if (local_rank >= local_world_size || local_world_size > world_size)
    throw new DistError(
      `local rank ${local_rank} of ${local_world_size} processes on this machine, ${world_size} in all: can not be`,
    );
  if (master_port < 1 || master_port > 65_535)
    throw new DistError(`MASTER_PORT: expected 1 to 65535, got ${master_port}`);
  return environment;
}
