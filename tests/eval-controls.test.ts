/** @file `twgrpo eval --blind --single-frame`: the small model on videos it knows how to watch, and again with less to see. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { smallModel } from '../src/library/index.ts';
import { compareRuns, type EvaluationRow } from '../src/stats/index.ts';
import { generateWorld, LESSON } from '../src/world/index.ts';
import { runCommand } from './support/run-command.ts';
import { scratchFolder } from './support/scratch-folder.ts';
import { signalAfterRows } from './support/signal-after-rows.ts';

const scratch = scratchFolder();
const NUM_VIDEOS = 40;
const TEXT_ONLY = {
  id: 'text',
  problem: '2 + 2 = ?\nA. 3\nB. 4',
  data_type: 'text',
  solution: '<answer>B</answer>',
};

type Record = { readonly id: string; readonly video?: string };
let records: readonly Record[];
let asked: readonly string[];

const rowsOf = (...path: readonly string[]): EvaluationRow[] =>
  readFileSync(join(scratch, ...path, 'rows.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

function write(name: string, lines: readonly object[]): string {
  const file = join(scratch, name);
  writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  return file;
}

beforeAll(async () => {
  const world = await generateWorld({
    ...LESSON,
    kinds: ['present', 'enter'],
    output_dir: join(scratch, 'world'),
    num_videos: NUM_VIDEOS,
    seed: 5,
    first_index: 12_000_000,
  });
  records = readFileSync(world.jsonl_path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  asked = [
    ...['eval', '--model', smallModel, '--prompt-template', 'plain', '--text-after-vision', 'spatial'],
    ...['--video-root', world.video_root, '--max-frames', '8', '--max-pixels', '12544'],
    ...['--max-completion-length', '64', '--quiet'],
  ];
});

describe('an evaluation with its controls', { timeout: 300_000 }, () => {
  const folder = join(scratch, 'all');
  const run = (output: string) => [
    ...asked,
    ...['--data', join(scratch, 'all.jsonl'), '--blind', '--single-frame', '--output-dir', output],
  ];

  it('prints the scores side by side, with McNemar and the share that only the video makes right', async () => {
    write('all.jsonl', [...records, TEXT_ONLY]);
    const { code, stdout, stderr } = await runCommand(...run(folder));
    expect([code, stderr]).toEqual([0, '']);
    const [main, blind, single] = [rowsOf('all'), rowsOf('all', 'blind'), rowsOf('all', 'single-frame')];
    expect(main).toHaveLength(NUM_VIDEOS + 1);
    const seen = records.map(({ id }) => id);
    expect(blind.map(({ id }) => id)).toEqual(seen);
    expect(single.map(({ id }) => id)).toEqual(seen);
    const right = (rows: readonly EvaluationRow[]) =>
      rows.filter(({ score }) => score === 1).map(({ id }) => id);
    // The model watches: without the video it falls to the level of chance.
    expect(right(main).length).toBeGreaterThan(0.85 * NUM_VIDEOS);
    expect(right(blind).length).toBeLessThan(0.6 * NUM_VIDEOS);
    expect(right(single).length).toBeLessThan(right(main).length);

    const report = JSON.parse(readFileSync(join(folder, 'report.json'), 'utf8'));
    const onlyWithVideo = right(main).filter((id) => seen.includes(id) && !right(blind).includes(id)).length;
    expect(report.controls).toMatchObject([
      {
        control: 'blind',
        questions: NUM_VIDEOS,
        unchanged: 1,
        accuracy: { n: NUM_VIDEOS, correct: right(blind).length },
        right_only_with_video: onlyWithVideo / NUM_VIDEOS,
      },
      { control: 'single-frame', unchanged: 1, accuracy: { correct: right(single).length } },
    ]);
    const comparison = compareRuns({ name: '', rows: main }, { name: 'blind', rows: blind });
    expect(comparison).toMatchObject({ n: NUM_VIDEOS, only_first: onlyWithVideo });
    expect(report.comparisons).toContainEqual({ ...comparison, first: report.name });
    const share = `${((100 * onlyWithVideo) / NUM_VIDEOS).toFixed(2)} % of the questions are right with the video only`;
    const markdown = readFileSync(join(folder, 'report.md'), 'utf8');
    for (const text of [stdout, markdown]) expect(text).toContain(share);
    expect(stdout).toMatch(/\n {2}blind +40 +[\d.]+ % +[\d.]+–[\d.]+/);
    expect(stdout).toMatch(/compared with blind\n.*40 common items.*\n.*McNemar p = /);
    expect(markdown).toMatch(/\| blind \| 40 \|/);
    expect(JSON.parse(readFileSync(join(folder, 'blind', 'settings.json'), 'utf8'))).toMatchObject({
      control: 'blind',
      max_completion_length: 64,
    });
  });

  it('asks blind what a file of text alone asks', async () => {
    const texts = records.map(({ video: _, ...record }) => ({ ...record, data_type: 'text' }));
    const { code } = await runCommand(
      ...[...asked, '--data', write('texts.jsonl', texts), '--output-dir', join(scratch, 'texts')],
    );
    expect(code).toBe(0);
    const said = (rows: readonly EvaluationRow[]) => rows.map(({ id, completion }) => [id, completion]);
    expect(said(rowsOf('texts'))).toEqual(said(rowsOf('all', 'blind')));
  });

  it('goes on after a kill while it asked blind', async () => {
    const broken = join(scratch, 'broken');
    const rows = join(broken, 'blind', 'rows.jsonl');
    const argv = [...run(broken), '--batch-size', '4'];
    expect(await signalAfterRows(4, 'SIGKILL', rows, argv)).toEqual([null, 'SIGKILL']);
    expect(rowsOf('broken', 'blind').length).toBeLessThan(NUM_VIDEOS);
    expect((await runCommand(...argv)).code).toBe(0);
    for (const part of [[], ['blind'], ['single-frame']])
      expect(rowsOf('broken', ...part)).toEqual(rowsOf('all', ...part));
  });

  it('asks again only what was answered with its video, and refuses where no question shows one', async () => {
    const gone = records
      .slice(0, 3)
      .map((record, i) => (i === 1 ? { ...record, video: 'none.mp4' } : record));
    const data = write('gone.jsonl', gone);
    const some = await runCommand(
      ...[...asked, '--data', data, '--blind', '--output-dir', join(scratch, 'gone')],
    );
    expect([some.code, some.stdout]).toEqual([0, expect.stringContaining('1 without a readable video')]);
    expect(rowsOf('gone', 'blind').map(({ id }) => id)).toEqual([records[0]!.id, records[2]!.id]);
    const text = write('text.jsonl', [TEXT_ONLY]);
    const none = await runCommand(
      ...[...asked, '--data', text, '--blind', '--output-dir', join(scratch, 'none')],
    );
    expect([none.code, none.stderr]).toEqual([
      2,
      expect.stringContaining('--blind: none of the 1 questions shows a video'),
    ]);
  });
});
