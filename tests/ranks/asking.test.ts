/** @file `eval` and `data filter` as several processes against one: files byte for byte, kills, signals, locks, errors. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkpointDir } from '../support/model-goldens.ts';
import { runRanks, startProcess, startRanks } from '../support/ranks.ts';
import { runCommand } from '../support/run-command.ts';
import { scratchFolder } from '../support/scratch-folder.ts';
import { rowsReached } from '../support/signal-after-rows.ts';

const scratch = scratchFolder();
const model = checkpointDir('qwen2-5-vl');
const clips = fileURLToPath(new URL('../goldens/video/', import.meta.url));
const data = join(scratch, 'questions.jsonl');
const IDS = Array.from({ length: 7 }, (_, i) => `q${i}`);

/** Small frames and short answers, and one clip that is not there. */
const ASKED = [
  ...['--model', model, '--video-root', clips, '--max-frames', '4', '--max-pixels', '12544'],
  ...['--batch-size', '2', '--max-completion-length', '32', '--num-threads', '1'],
];
const evaluating = (folder: string): string[] => [
  ...['eval', '--data', data, '--output-dir', join(scratch, folder), '--blind', '--temperature', '1'],
  ...ASKED,
];

const bytesOf = (...path: readonly string[]): string => readFileSync(join(scratch, ...path), 'utf8');
const idsOf = (folder: string): string[] =>
  bytesOf(folder, 'rows.jsonl')
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { id: string }).id);

beforeAll(async () => {
  const questions = IDS.map((id, i) => ({
    id,
    problem: `What happens in part ${i}?\nA. The ball falls\nB. The cube turns\nC. Nothing moves`,
    video: i === 4 ? 'missing.mp4' : ['h264.mp4', 'vp9.webm', 'ntsc.mp4'][i % 3],
    solution: `<answer>${['A', 'B', 'A,C'][i % 3]}</answer>`,
  }));
  writeFileSync(data, questions.map((question) => `${JSON.stringify(question)}\n`).join(''));
  expect(await runCommand(...evaluating('one'), '--quiet')).toMatchObject({ code: 0 });
});

describe('eval as several processes', { timeout: 240_000 }, () => {
  it('writes what one writes, byte for byte', async () => {
    const folder = 'of-2';
    const report = JSON.parse(await runRanks(2, [...evaluating(folder), '--json']));
    expect(report.coverage).toMatchObject({ questions: 7, answered: 6, missing: 1 });
    for (const path of ['rows.jsonl', 'settings.json', 'report.md', 'accuracy.svg', 'blind/rows.jsonl'])
      expect([path, bytesOf(folder, path)]).toEqual([path, bytesOf('one', path)]);
  });

  it('goes on after one was killed, with another number of processes, and keeps others out meanwhile', async () => {
    const argv = evaluating('killed');
    const [first, second] = await startRanks(2, [...argv, '--dist-timeout', '60']);
    await rowsReached(2, join(scratch, 'killed', 'rows.jsonl'), first!.child);
    second!.child.kill('SIGSTOP');
    const other = await startProcess(argv).ended;
    expect([other.code, other.stderr]).toEqual([2, expect.stringContaining('is at work in this folder')]);
    second!.child.kill('SIGKILL');
    const { code, stderr } = await first!.ended;
    expect([code, stderr]).toEqual([4, expect.stringMatching(/DistError: rank 0 lost rank 1/)]);
    await runRanks(3, argv);
    expect(idsOf('killed')).toEqual(IDS.filter((id) => id !== 'q4'));
    for (const path of ['rows.jsonl', 'blind/rows.jsonl'])
      expect(bytesOf('killed', path)).toBe(bytesOf('one', path));
  });

  it('stops all at the signal that one got, after whole batches, with its exit code', async () => {
    const ranks = await startRanks(2, [...evaluating('stopped'), '--json']);
    await rowsReached(2, join(scratch, 'stopped', 'rows.jsonl'), ranks[0]!.child);
    ranks[1]!.child.kill('SIGTERM');
    const ends = await Promise.all(ranks.map(({ ended }) => ended));
    expect(ends.map(({ code }) => code)).toEqual([143, 143]);
    expect(JSON.parse(ends[0]!.stdout)).toMatchObject({ is_complete: false });
  });

  it('says once what none of them can do', async () => {
    const argv = [...evaluating('one'), '--seed', '1'];
    const ends = await Promise.all((await startRanks(2, argv)).map(({ ended }) => ended));
    expect(ends.map(({ code }) => code)).toEqual([2, 2]);
    expect(ends[0]!.stderr).toContain('holds results made with other settings: seed was 0, now 1');
    expect(ends[1]!.stderr).toBe('');
  });
});

describe('data filter as several processes', { timeout: 240_000 }, () => {
  const filtering = (output: string): string[] => [
    ...[
      'data',
      'filter',
      data,
      '--output',
      join(scratch, output),
      '--blind',
      '--difficulty',
      '--samples',
      '2',
    ],
    ...['--keep-between', '0', '1', ...ASKED],
  ];

  it('writes with --nproc what one writes, byte for byte', async () => {
    expect(await runCommand(...filtering('one.jsonl'), '--quiet')).toMatchObject({ code: 0 });
    const { code, stdout, stderr } = await startProcess([...filtering('two.jsonl'), '--nproc', '2', '--json'])
      .ended;
    expect([code, stderr]).toEqual([0, expect.stringContaining('q4')]);
    expect(JSON.parse(stdout)).toMatchObject({ is_complete: true, num_records: 7 });
    for (const path of ['', '.answers/blind/rows.jsonl', '.answers/difficulty/rows.jsonl'])
      expect([path, bytesOf(`two.jsonl${path}`)]).toEqual([path, bytesOf(`one.jsonl${path}`)]);
  });

  it('refuses processes where no model is asked', async () => {
    const argv = ['data', 'filter', data, '--output', join(scratch, 'x.jsonl'), '--where', 'id=q1'];
    const { code, stderr } = await runCommand(...argv, '--nproc', '2');
    expect([code, stderr]).toEqual([2, expect.stringContaining('--nproc has nothing to do')]);
  });
});
