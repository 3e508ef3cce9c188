/** @file `twgrpo data filter --difficulty --blind` as a user runs it, with the small model on videos it knows how to watch. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import type { SampledRow } from '../src/eval/sampled-answers.ts';
import { smallModel } from '../src/library/index.ts';
import { liveTensors } from '../src/tensor/index.ts';
import { generateWorld, LESSON } from '../src/world/index.ts';
import { runCommand } from './support/run-command.ts';
import { scratchFolder } from './support/scratch-folder.ts';
import { signalAfterRows } from './support/signal-after-rows.ts';

const scratch = scratchFolder();
const NUM_VIDEOS = 14;
const SAMPLES = 4;

let lines: readonly string[];
let data: string;
let shown: readonly string[];

const textOf = (...path: readonly string[]): string => readFileSync(join(scratch, ...path), 'utf8');
const rowsOf = (output: string, filter: string): SampledRow[] =>
  textOf(`${output}.answers`, filter, 'rows.jsonl')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
const idOf = (line: string): string => JSON.parse(line).id;

/** The command line; the model answers in its own form, in few tokens. */
const filtering = (file: string, output: string, ...more: readonly string[]): string[] => [
  ...['data', 'filter', file, '--output', join(scratch, output), '--model', smallModel, ...shown],
  ...['--samples', String(SAMPLES), '--max-completion-length', '64', ...more],
];

beforeAll(async () => {
  const world = await generateWorld({
    ...LESSON,
    kinds: ['present', 'direction'],
    output_dir: join(scratch, 'world'),
    num_videos: NUM_VIDEOS,
    seed: 7,
    first_index: 12_000_000,
  });
  shown = [
    ...['--video-root', world.video_root, '--max-frames', '8', '--max-pixels', '12544'],
    ...['--prompt-template', 'plain', '--text-after-vision', 'spatial', '--quiet'],
  ];
  lines = readFileSync(world.jsonl_path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line, i) =>
      JSON.stringify({ ...JSON.parse(line), data_source: i % 3 === 0 ? 'third' : 'rest', own: [i] }),
    );
  data = join(scratch, 'data.jsonl');
  writeFileSync(data, lines.map((line) => `${line}\n`).join(''));
});

describe('filtering by what a model answers', { timeout: 300_000 }, () => {
  it('keeps what is right at times and not answered blind, each record as it stands', async () => {
    const before = liveTensors();
    const { code, stdout, stderr } = await runCommand(
      ...filtering(data, 'whole.jsonl', '--blind', '--difficulty', '--json'),
    );
    expect([code, stderr, liveTensors()]).toEqual([0, '', before]);
    const report = JSON.parse(stdout);
    const [blind, difficulty] = [rowsOf('whole.jsonl', 'blind'), rowsOf('whole.jsonl', 'difficulty')];
    for (const { right, scores } of [...blind, ...difficulty]) {
      expect(scores).toHaveLength(SAMPLES);
      expect(right).toBe(scores.filter((score) => score === 1).length);
    }
    expect(blind.map(({ id }) => id)).toEqual(lines.map(idOf));
    const guessed = blind.filter(({ right }) => right >= SAMPLES / 2).map(({ id }) => id);
    expect(difficulty.map(({ id }) => id)).toEqual(lines.map(idOf).filter((id) => !guessed.includes(id)));
    const kept = difficulty.filter(({ right }) => right > 0 && right < SAMPLES).map(({ id }) => id);
    // There is something to keep, and something to leave out for each reason that is tested.
    expect([guessed.length, kept.length, difficulty.length - kept.length].every((count) => count > 0)).toBe(
      true,
    );
    expect(textOf('whole.jsonl')).toBe(
      lines
        .filter((line) => kept.includes(idOf(line)))
        .map((line) => `${line}\n`)
        .join(''),
    );
    const histogram = Array.from(
      { length: SAMPLES + 1 },
      (_, right) => difficulty.filter((row) => row.right === right).length,
    );
    expect(report).toMatchObject({
      is_complete: true,
      num_records: NUM_VIDEOS,
      num_kept: kept.length,
      filters: { blind: { questions: NUM_VIDEOS, unchanged: 0 }, difficulty: { histogram } },
    });
    const reasons = Object.values(report.left_out);
    expect(reasons.filter((reason) => reason === 'blind')).toHaveLength(guessed.length);
    expect(reasons).toHaveLength(NUM_VIDEOS - kept.length);
    const sources = Object.values(report.by.data_source) as { questions: number; kept: number }[];
    expect(sources.reduce((sum, one) => sum + one.questions, 0)).toBe(NUM_VIDEOS);
    expect(sources.reduce((sum, one) => sum + one.kept, 0)).toBe(kept.length);
  });

  it('draws the same whatever the batches, and after a kill', async () => {
    const argv = filtering(data, 'broken.jsonl', '--blind', '--difficulty', '--batch-size', '1');
    for (const [filter, numRows] of [
      ['blind', 3],
      ['difficulty', 2],
    ] as const) {
      const file = join(scratch, 'broken.jsonl.answers', filter, 'rows.jsonl');
      expect(await signalAfterRows(numRows, 'SIGKILL', file, argv)).toEqual([null, 'SIGKILL']);
      expect(existsSync(join(scratch, 'broken.jsonl'))).toBe(false);
    }
    expect((await runCommand(...argv)).code).toBe(0);
    expect(textOf('broken.jsonl')).toBe(textOf('whole.jsonl'));
    for (const filter of ['blind', 'difficulty'])
      expect(rowsOf('broken.jsonl', filter)).toEqual(rowsOf('whole.jsonl', filter));
  });

  it('asks nothing anew for another choice of shares, and only what --where picks', async () => {
    const difficulty = rowsOf('whole.jsonl', 'difficulty');
    const answers = textOf('whole.jsonl.answers', 'difficulty', 'rows.jsonl');
    const shares = ['--keep-between', '0.5', '1', '--blind', '--difficulty'];
    const run = await runCommand(...filtering(data, 'whole.jsonl', ...shares, '--where', 'data_source=rest'));
    expect([run.code, run.stderr]).toEqual([0, '']);
    expect(textOf('whole.jsonl.answers', 'difficulty', 'rows.jsonl')).toBe(answers);
    const rest = new Set(lines.filter((line) => JSON.parse(line).data_source === 'rest').map(idOf));
    const kept = difficulty
      .filter(({ id, right }) => rest.has(id) && right >= SAMPLES / 2)
      .map(({ id }) => id);
    expect(textOf('whole.jsonl').trimEnd().split('\n').map(idOf)).toEqual(kept);
    expect(run.stdout).toContain(`${kept.length} of ${NUM_VIDEOS} records`);
    expect(run.stdout).toContain('answered without the video');
  });

  it('refuses answers of other settings, naming them', async () => {
    const { code, stderr } = await runCommand(
      ...filtering(data, 'whole.jsonl', '--blind', '--samples', '5', '--seed', '3'),
    );
    expect([code, stderr]).toEqual([2, expect.stringContaining('samples was 4, now 5')]);
    expect(stderr).toContain('seed was 0, now 3');
  });

  it('names what it leaves out without an answer, and asks text and images as they are', async () => {
    const picture = fileURLToPath(new URL('goldens/media/gray.png', import.meta.url));
    const one = JSON.parse(lines[1]!);
    const records = [
      { id: 'gone', problem: one.problem, video: 'none.mp4', solution: one.solution },
      { id: 'open', problem: 'What is it like?', video: one.video },
      { id: 'text', problem: '2 + 2 = ?\nA. 3\nB. 4', data_type: 'text', solution: 'B' },
      { id: 'image', problem_type: 'numerical', problem: 'How many?', image: picture, solution: '3' },
      { id: 'bad', problem: 'Which?\nA. x\nB. y', video: one.video, solution: 'Q' },
    ];
    const file = join(scratch, 'mixed.jsonl');
    writeFileSync(file, records.map((record) => JSON.stringify(record)).join('\n'));
    const argv = filtering(file, 'mixed-kept.jsonl', '--blind', '--difficulty', '--keep-between', '0', '1');
    const refused = await runCommand(...argv);
    expect([refused.code, refused.stderr]).toEqual([3, expect.stringContaining('item bad')]);
    const { code, stdout, stderr } = await runCommand(...argv, '--drop', 'bad_field', '--json');
    expect([code, stderr]).toEqual([0, expect.stringContaining('their video can not be read: gone')]);
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({
      num_picked: 5,
      dropped: { bad_field: 1 },
      missing: [{ id: 'gone', reason: expect.stringContaining('none.mp4') }],
      // Blind asks the missing video's question and the image's; text has nothing to take away.
      filters: { blind: { questions: 2, unchanged: 1 } },
      by: { type: { numerical: { questions: 1 } } },
    });
    expect(report.left_out).toMatchObject({ gone: 'no_video', open: 'open' });
    expect(textOf('mixed-kept.jsonl')).toContain('"id":"text"');
    expect(textOf('mixed-kept.jsonl')).not.toMatch(/"id":"(?:gone|open|bad)"/);
  });

  it('names what is wrong with a command line', async () => {
    const wrong = async (...more: string[]) => {
      const { code, stderr } = await runCommand(
        'data',
        'filter',
        data,
        '-o',
        join(scratch, 'no.jsonl'),
        ...more,
      );
      expect(existsSync(join(scratch, 'no.jsonl'))).toBe(false);
      return [code, stderr] as const;
    };
    expect(await wrong()).toEqual([2, expect.stringContaining('nothing says which records to keep')]);
    expect(await wrong('--difficulty')).toEqual([2, expect.stringContaining('--difficulty needs --model')]);
    expect(await wrong('--where', 'data_source=rest', '--model', smallModel)).toEqual([
      2,
      expect.stringContaining('--model has nothing to do without --difficulty or --blind'),
    ]);
    expect(await wrong('--blind', '--model', smallModel, '--keep-between', '0', '1')).toEqual([
      2,
      expect.stringContaining('--keep-between needs --difficulty'),
    ]);
    for (const shares of [['0.8', '0.2'], ['0.2'], ['0', '2']])
      expect(await wrong('--difficulty', '--model', smallModel, '--keep-between', ...shares)).toEqual([
        2,
        expect.stringContaining(`both from 0 to 1, got ${shares.join(' ')}`),
      ]);
  });
});
