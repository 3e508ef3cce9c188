import { describe, expect, it } from 'vitest';
import { DistError } from '../base/index.ts';
import { readRankEnvironment } from './environment.ts';

const TORCHRUN = {
  ...{
    RANK: '3',
    WORLD_SIZE: '4',
    LOCAL_RANK: '1',
    LOCAL_WORLD_SIZE: '2',
    MASTER_ADDR: 'head',
    MASTER_PORT: '29500',
  },
  ...{ TORCHELASTIC_USE_AGENT_STORE: 'True', TORCHELASTIC_RESTART_COUNT: '2' },
};
const SRUN = {
  ...{
    SLURM_PROCID: '5',
    SLURM_STEP_NUM_TASKS: '7',
    SLURM_LOCALID: '0',
    SLURM_NODEID: '2',
    SLURM_JOB_ID: '1234',
  },
  ...{ SLURM_STEP_TASKS_PER_NODE: '3,2(x2)', SLURM_STEP_NODELIST: 'gpu[03-04,9],other', SLURM_STEP_ID: '1' },
};

describe('the environment of a rank', () => {
  it('is none where nothing says so, also in a shell of Slurm and in a step of one task', () => {
    expect(readRankEnvironment({})).toBeUndefined();
    expect(readRankEnvironment({ SLURM_NTASKS: '4', SLURM_PROCID: '0', SLURM_JOB_ID: '1' })).toBeUndefined();
    expect(readRankEnvironment({ ...SRUN, SLURM_STEP_NUM_TASKS: '1' })).toBeUndefined();
  });

  it("is torchrun's", () => {
    expect(readRankEnvironment(TORCHRUN)).toEqual({
      ...{ rank: 3, world_size: 4, local_rank: 1, local_world_size: 2 },
      ...{ master_addr: 'head', master_port: 29500, hasAgentStore: true, restart_count: 2 },
    });
  });

  it('is one process a machine where a PyTorchJob names no local rank', () => {
    const { LOCAL_RANK: _, LOCAL_WORLD_SIZE: __, ...variables } = TORCHRUN;
    expect(readRankEnvironment(variables)).toMatchObject({ rank: 3, local_rank: 0, local_world_size: 1 });
  });

  it("is srun's: tasks of the node, the first host, a port of its own for each step", () => {
    expect(readRankEnvironment(SRUN)).toMatchObject({
      ...{ rank: 5, world_size: 7, local_rank: 0, local_world_size: 2, master_addr: 'gpu03' },
      ...{ master_port: 15_000 + 1234 * 16 + 1 - 0, hasAgentStore: false },
    });
    const other = readRankEnvironment({ ...SRUN, SLURM_STEP_ID: '2', SLURM_STEP_NODELIST: 'one' });
    expect(other).toMatchObject({ master_addr: 'one', master_port: 15_000 + 1234 * 16 + 2 });
  });

  it.each([
    [{ RANK: '0' }, /WORLD_SIZE, MASTER_ADDR, MASTER_PORT are missing/],
    [{ ...TORCHRUN, MASTER_PORT: '' }, /MASTER_PORT is missing/],
    [{ ...TORCHRUN, LOCAL_WORLD_SIZE: undefined }, /LOCAL_WORLD_SIZE is missing/],
    [{ MASTER_ADDR: 'head' }, /RANK, WORLD_SIZE, MASTER_PORT are missing/],
    [{ ...SRUN, SLURM_STEP_NODELIST: undefined }, /SLURM_STEP_NODELIST is missing/],
    [{ ...TORCHRUN, RANK: '4' }, /rank 4 of 4 processes/],
    [{ ...TORCHRUN, RANK: 'x' }, /RANK: expected a whole number from 0, got 'x'/],
    [{ ...TORCHRUN, LOCAL_RANK: '2' }, /local rank 2 of 2/],
    [{ ...TORCHRUN, MASTER_PORT: '70000' }, /MASTER_PORT: expected 1 to 65535/],
  ])('%j is an error that says what is wrong', (variables, message) => {
    expect(() => readRankEnvironment(variables)).toThrow(message);
    expect(() => readRankEnvironment(variables)).toThrow(DistError);
  });
});
