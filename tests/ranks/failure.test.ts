/** @file What becomes of the other ranks when one is stopped, dies, hangs, or can not start. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src/base/index.ts';
import { quickKeys, rowsOf, writeModel, writeQuestions } from '../../src/train/test-support.ts';
import { type Rank, startProcess, startRanks } from '../support/ranks.ts';
import { scratchFolder } from '../support/scratch-folder.ts';

const folder = scratchFolder();
writeModel(folder);
writeQuestions(folder, 7);

function command(name: string, keys: JsonObject): { readonly argv: string[]; readonly output_dir: string } {
  const output_dir = join(folder, name);
  const config = join(folder, `${name}.yaml`);
  writeFileSync(config, JSON.stringify({ ...quickKeys(folder), max_steps: 400, ...keys, output_dir }));
  return { argv: ['train', '--config', config, '--quiet', '--json'], output_dir };
}

const numRows = (run: string): number => (existsSync(join(run, 'metrics.jsonl')) ? rowsOf(run).length : 0);

/** Two ranks, once the run has two rows; `act` then does something to the second. */
async function disturbed(name: string, keys: JsonObject, act: (rank: Rank) => void) {
  const { argv, output_dir } = command(name, keys);
  const ranks = await startRanks(2, argv);
  while (numRows(output_dir) < 2 && ranks[0]!.child.exitCode === null) await sleep(50);
  act(ranks[1]!);
  return { ranks, output_dir };
}

describe('two ranks', { timeout: 240_000 }, () => {
  it('end together with 143 when one gets SIGTERM: the step is finished and saved', async () => {
    const { ranks, output_dir } = await disturbed('term', {}, ({ child }) => child.kill('SIGTERM'));
    const ends = await Promise.all(ranks.map(({ ended }) => ended));
    expect(ends.map(({ code }) => code)).toEqual([143, 143]);
    const result = JSON.parse(ends[0]!.stdout) as { step: number; stopped: boolean };
    expect(result).toMatchObject({ step: numRows(output_dir), stopped: true, stopped_by: 'SIGTERM' });
    expect(ends[1]!.stdout).toBe('');
    const state = join(output_dir, `checkpoint-${result.step}`, 'training_state');
    expect(readdirSync(state)).toHaveLength(3);
  });

  it('when one dies the other names it, the collective and the step, and ends with 4', async () => {
    const { ranks } = await disturbed('kill', {}, ({ child }) => child.kill('SIGKILL'));
    const { code, stderr } = await ranks[0]!.ended;
    expect(code).toBe(4);
    expect(stderr).toMatch(/DistError: rank 0 lost rank 1 in step \d+, in [a-z]/);
  });

  it('when one hangs the other ends within dist_timeout, with the same names', async () => {
    const { ranks } = await disturbed('stop', { dist_timeout: 4 }, ({ child }) => child.kill('SIGSTOP'));
    const { code, stderr } = await ranks[0]!.ended;
    ranks[1]!.child.kill('SIGKILL');
    expect(code).toBe(4);
    expect(stderr).toMatch(/DistError: rank 0 waited 4 s for rank 1 in step \d+, in [a-z]/);
  });

  it('do not start where there are fewer prompts a step, which is said once', async () => {
    const { argv, output_dir } = command('few', { prompts_per_micro_batch: 1 });
    const ends = await Promise.all((await startRanks(2, argv)).map(({ ended }) => ended));
    expect(ends.map(({ code }) => code)).toEqual([2, 2]);
    expect(ends[0]!.stderr).toContain('2 processes share 1 prompts or packs a step');
    expect(ends[1]!.stderr).toBe('');
    expect(existsSync(join(output_dir, 'run.json'))).toBe(false);
  });
});

describe('a rank alone', { timeout: 120_000 }, () => {
  const VARIABLES = {
    RANK: '0',
    WORLD_SIZE: '2',
    LOCAL_RANK: '0',
    LOCAL_WORLD_SIZE: '2',
    MASTER_ADDR: '127.0.0.1',
  };

  it('says which port is taken, and which rank did not come', async () => {
    const { argv } = command('alone', { dist_timeout: 3 });
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, resolve));
    const { port } = server.address() as { port: number };
    const taken = await startProcess(argv, { ...VARIABLES, MASTER_PORT: String(port) }).ended;
    expect([taken.code, taken.stderr]).toEqual([4, expect.stringContaining(`MASTER_PORT ${port} is in use`)]);
    await new Promise((resolve) => server.close(resolve));
    const alone = await startProcess(argv, { ...VARIABLES, MASTER_PORT: String(port) }).ended;
    expect([alone.code, alone.stderr]).toEqual([
      4,
      expect.stringContaining('waited 3 s for rank 1 of 2 to start'),
    ]);
  });
});

describe('--nproc', { timeout: 240_000 }, () => {
  it('starts torchrun: the result of one run on stdout, a log for each rank, its exit code', async () => {
    const { argv, output_dir } = command('nproc', { max_steps: 2 });
    const { code, stdout, stderr } = await startProcess([...argv, '--nproc', '2']).ended;
    expect([code, stderr]).toEqual([0, expect.not.stringContaining('Traceback')]);
    expect(JSON.parse(stdout)).toMatchObject({ step: 2, output_dir });
    expect(readdirSync(join(output_dir, 'logs')).sort()).toEqual(['rank-0.jsonl', 'rank-1.jsonl']);
  });

  it('begins all again after one was killed, from the last checkpoint, with no row twice', async () => {
    const { argv, output_dir } = command('again', { max_steps: 12, save_steps: 2 });
    const run = startProcess([...argv, '--nproc', '2']);
    while (numRows(output_dir) < 4) await sleep(50);
    const log = readFileSync(join(output_dir, 'logs', 'rank-1.jsonl'), 'utf8');
    process.kill(Number(/"pid":(\d+)/.exec(log)![1]), 'SIGKILL');
    expect(await run.ended).toMatchObject({ code: 0 });
    expect(rowsOf(output_dir).map(({ step }) => step)).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));
    const { resumes } = JSON.parse(readFileSync(join(output_dir, 'run.json'), 'utf8')) as {
      resumes: object[];
    };
    expect(resumes).toHaveLength(1);
  });
});
