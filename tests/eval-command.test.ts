/**
 * @file `twgrpo eval` as a user runs it: killed at any moment and continued, stopped, with videos that are not there, with other
 * settings, against another run. The real clips and questions are used where they lie beside the checkout.
 */
import { appendFileSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import type { EvaluationRow } from '../src/stats/index.ts';
import { liveTensors } from '../src/tensor/index.ts';
import { checkpointDir } from './support/model-goldens.ts';
import { runCommand } from './support/run-command.ts';
import { scratchFolder } from './support/scratch-folder.ts';
import { realBenchmarks, realClips } from './support/shared-data.ts';
import { signalAfterRows } from './support/signal-after-rows.ts';

const model = checkpointDir('qwen2-5-vl');
const clips = fileURLToPath(new URL('goldens/video/', import.meta.url));
const scratch = scratchFolder();

/** Small frames and short answers: what is tested here is the bookkeeping. */
const SMALL = ['--max-frames', '4', '--max-pixels', '12544', '--batch-size', '1'];
const LENGTH = ['--max-completion-length', '48'];

const rowsOf = (folder: string): EvaluationRow[] =>
  readFileSync(join(folder, 'rows.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

/** Sends the signal once so many rows are written. @returns exit code and signal */
const signalAfter = (numRows: number, signal: NodeJS.Signals, folder: string, argv: readonly string[]) =>
  signalAfterRows(numRows, signal, join(folder, 'rows.jsonl'), [...argv, '--output-dir', folder]);

/** Kills the run after one row and again after another, tears a row, finishes it, and holds it against an unbroken run. */
async function survives(name: string, argv: readonly string[], ids: readonly string[]): Promise<void> {
  const [broken, whole] = [join(scratch, `${name}-broken`), join(scratch, `${name}-whole`)];
  for (const numRows of [1, 2]) {
    expect(await signalAfter(numRows, 'SIGKILL', broken, argv)).toEqual([null, 'SIGKILL']);
    const done = rowsOf(broken).map(({ id }) => id);
    expect(done).toEqual(ids.slice(0, done.length));
    expect(done.length).toBeGreaterThanOrEqual(numRows);
    expect(done.length).toBeLessThan(ids.length);
  }
  const numDone = rowsOf(broken).length;
  appendFileSync(join(broken, 'rows.jsonl'), '{"id":"torn","problem":"What ha');
  const before = liveTensors();
  const rest = await runCommand(...argv, '--output-dir', broken, '--json', '--quiet');
  expect([rest.code, rest.stderr]).toEqual([0, '']);
  expect(liveTensors()).toBe(before);
  const report = JSON.parse(rest.stdout);
  expect(report).toMatchObject({ is_complete: true, num_resumed: numDone });
  expect(report.coverage).toMatchObject({ questions: ids.length, answered: ids.length, waiting: 0 });
  expect(rowsOf(broken).map(({ id }) => id)).toEqual(ids);
  const unbroken = await runCommand(...argv, '--output-dir', whole, '--quiet');
  expect([unbroken.code, unbroken.stderr]).toEqual([0, '']);
  expect(rowsOf(broken)).toEqual(rowsOf(whole));
}

const QUESTIONS = ['A', 'B', 'A,C', 'B', 'C', 'A'].map((right, i) => ({
  id: `q${i}`,
  problem: `What happens in part ${i}?\nA. The ball falls\nB. The cube turns\nC. Nothing moves`,
  video: ['h264.mp4', 'vp9.webm', 'ntsc.mp4'][i % 3],
  solution: `<answer>${right}</answer>`,
  dims: { kind: i < 3 ? 'first' : 'second' },
}));
const data = join(scratch, 'questions.jsonl');
const asked = ['eval', '--model', model, '--data', data, '--video-root', clips, ...SMALL];

beforeAll(() => writeFileSync(data, QUESTIONS.map((question) => `${JSON.stringify(question)}\n`).join('')));

describe('a killed evaluation', { timeout: 300_000 }, () => {
  it('continues: no item twice, none lost, every answer as without the kill', async () => {
    await survives(
      'clips',
      [...asked, ...LENGTH],
      QUESTIONS.map(({ id }) => id),
    );
  });

  const shared = [realClips(), realBenchmarks()];
  it.skipIf(shared.includes(undefined))('continues on the real clips with their real questions', async () => {
    const [videos, benchmarks] = shared as [string, string];
    const root = join(scratch, 'root');
    const files = {
      'MVBench/clevrer/video_validation/video_12176.mp4': 'clevrer_video_12176.mp4',
      'MMVU/videos/Mechanics/8.mp4': 'mmvu_mechanics_8.mp4',
    };
    for (const [path, file] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      copyFileSync(join(videos, file), join(root, path));
    }
    // Item 2998 of MVBench (in the form of Video-R1-eval), about the clip from CLEVRER's validation split.
    const item = {
      ori_video: 'video_12176.mp4',
      question: 'Are there any stationary red objects when the video ends?',
      options: ['A. not sure', 'B. no', 'C. yes'],
      answer: 'yes',
      problem: 'Are there any stationary red objects when the video ends?',
      data_type: 'video',
      problem_type: 'multiple choice',
      solution: '<answer>C</answer>',
      video: '/MVBench/clevrer/video_validation/video_12176.mp4',
      problem_id: 2998,
    };
    const [mvbench, ids] = [join(scratch, 'mvbench.json'), join(scratch, 'ids.txt')];
    writeFileSync(mvbench, JSON.stringify([item]));
    writeFileSync(ids, '2998\n146\n147\n');
    const questions = ['--data', mvbench, '--data', join(benchmarks, 'eval_mmvu.json'), '--ids', ids];
    const where = ['--video-root', root, '--video-prefix', '/'];
    await survives(
      'real',
      ['eval', '--model', model, ...questions, ...where, ...SMALL, '--max-completion-length', '96'],
      ['2998', '146', '147'],
    );
    expect(rowsOf(join(scratch, 'real-whole')).map(({ truth }) => truth)).toEqual([['C'], ['A'], ['C']]);
  });
});

describe('a stopped evaluation', { timeout: 300_000 }, () => {
  it('ends after the batch, says what is left, and continues', async () => {
    const folder = join(scratch, 'stopped');
    expect(await signalAfter(1, 'SIGTERM', folder, [...asked, ...LENGTH])).toEqual([143, null]);
    const done = rowsOf(folder).length;
    expect(done).toBeLessThan(QUESTIONS.length);
    const waiting = QUESTIONS.length - done;
    expect(readFileSync(join(folder, 'report.md'), 'utf8')).toContain(`${waiting} still to be answered`);
    const { code, stderr } = await runCommand(...asked, ...LENGTH, '--output-dir', folder);
    expect(code).toBe(0);
    expect(stderr).toContain(`${done} questions are answered already`);
    expect(readFileSync(join(folder, 'report.md'), 'utf8')).toContain('6 of 6 questions answered');
  });
});

describe('an evaluation', () => {
  const short = ['--max-completion-length', '4'];
  const folder = join(scratch, 'short');

  it('refuses results made with other settings, naming them', async () => {
    expect((await runCommand(...asked, ...short, '--output-dir', folder, '--quiet')).code).toBe(0);
    const other = [...asked, '--max-completion-length', '5', '--temperature', '1', '--output-dir', folder];
    const { code, stderr } = await runCommand(...other);
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /holds results made with other settings: .*max_completion_length was 4, now 5.*\n.*next step: choose another output folder/s,
    );
    expect(stderr).toMatch(/sampling was \{"greedy":true\}, now \{"greedy":false,"temperature":1\}/);
  });

  it('is compared with another run: on the terminal, in the report and in the plot', async () => {
    const drawn = ['--temperature', '1.5', '--output-dir', join(scratch, 'drawn'), '--compare', folder];
    const { code, stdout } = await runCommand(...asked, ...short, ...drawn, '--quiet');
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /all questions: 6 common items, strict [\d.]+ % here, [\d.]+ % there\n.*McNemar p = /,
    );
    const { comparisons, settings } = JSON.parse(readFileSync(join(scratch, 'drawn', 'report.json'), 'utf8'));
    expect(comparisons.map(({ n }: { n: number }) => n)).toEqual([6, 5, 1]);
    expect(settings).toMatchObject({
      protocol: 'tw-grpo with own temperature, max_completion_length, max_frames, max_pixels',
    });
    expect(readFileSync(join(scratch, 'drawn', 'report.md'), 'utf8')).toContain('## Comparisons');
    expect(readFileSync(join(scratch, 'drawn', 'accuracy.svg'), 'utf8')).toContain('#D55E00');
  });

  it('reports a video it can not read as missing, never as wrong', async () => {
    const file = join(scratch, 'missing.jsonl');
    const gone = QUESTIONS.map((question, i) =>
      i % 2 === 0 ? { ...question, video: 'none.mp4' } : question,
    );
    writeFileSync(file, gone.map((question) => JSON.stringify(question)).join('\n'));
    const argv = ['eval', '--model', model, '--data', file, '--video-root', clips, ...SMALL, ...short];
    const some = await runCommand(...argv, '--output-dir', join(scratch, 'some'), '--json');
    expect(some.code).toBe(0);
    const { coverage, accuracy, missing } = JSON.parse(some.stdout);
    expect(coverage).toMatchObject({ questions: 6, answered: 3, missing: 3, waiting: 0, share: 0.5 });
    expect([accuracy.overall.n, missing.map(({ id }: { id: string }) => id)]).toEqual([
      3,
      ['q0', 'q2', 'q4'],
    ]);
    // Once the video is there, the same command asks what is missing.
    const none = await runCommand(...argv, '--ids', ids(['q0', 'q2']), '--output-dir', join(scratch, 'none'));
    expect([none.code, none.stderr]).toEqual([3, expect.stringContaining('no question could be answered')]);
    expect(readFileSync(join(scratch, 'none', 'report.md'), 'utf8')).toContain('There is nothing to score.');
  });

  it('names what is wrong with a command line', async () => {
    const wrong = async (...argv: string[]) => {
      const { code, stdout, stderr } = await runCommand(...argv);
      expect(stdout).toBe('');
      return [code, stderr] as const;
    };
    expect(await wrong('eval', '--model', model)).toEqual([2, expect.stringContaining('--data')]);
    expect(await wrong(...asked, '--protcol', 'x')).toEqual([2, expect.stringContaining('--protocol')]);
    expect(await wrong('eval', '--model', model, '--data', 'none.jsonl')).toEqual([
      3,
      expect.stringContaining('none.jsonl: no such data file'),
    ]);
    expect(await wrong('eval', '--model', 'none', '--data', data)).toEqual([
      3,
      expect.stringContaining('none'),
    ]);
    expect(await wrong(...asked, '--ids', ids(['q0', 'q99']))).toEqual([
      2,
      expect.stringContaining('the first is "q99"'),
    ]);
    expect(await wrong(...asked, '--compare', join(scratch, 'nothing'))).toEqual([
      3,
      expect.stringContaining('no such folder or file'),
    ]);
  });

  function ids(names: readonly string[]): string {
    const file = join(scratch, `${names.join('-')}.txt`);
    writeFileSync(file, names.join('\n'));
    return file;
  }
});
