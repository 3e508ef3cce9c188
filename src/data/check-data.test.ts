import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { choice, descriptive, withChoices } from '../../tests/support/clevrer.ts';
import { scratchFolder } from '../../tests/support/scratch-folder.ts';
import { ConfigError, packageRoot } from '../base/index.ts';
import { encodeVideo } from '../video/index.ts';
import { checkData } from './check-data.ts';
import { convertClevrer } from './convert-clevrer.ts';
import { formatIssue, nextStep } from './issues.ts';
import { readItems } from './read-items.ts';

const folder = scratchFolder();

const problem = 'What falls?\nA. The cube\nB. The ball';
const write = (name: string, rows: readonly object[]): string => {
  const path = join(folder, name);
  writeFileSync(path, rows.map((row) => JSON.stringify(row)).join('\n'));
  return path;
};

describe('the data doctor', () => {
  beforeAll(async () => {
    const frame = new Uint8Array(32 * 32 * 3).fill(120);
    await encodeVideo(join(folder, 'root', 'x', 'a.mp4'), [frame, frame, frame, frame], {
      width: 32,
      height: 32,
      fps: 2,
    });
    mkdirSync(join(folder, 'root', 'y'));
    copyFileSync(join(folder, 'root', 'x', 'a.mp4'), join(folder, 'root', 'y', 'a.mp4'));
    writeFileSync(join(folder, 'root', 'broken.mp4'), 'not a video');
    writeFileSync(join(folder, 'root', 'other.webm'), 'x');
    mkdirSync(join(folder, 'root', 'frames'));
  });

  it('names the line of a row whose media are wrong, and a file that is nearly called so', async () => {
    const names = ['x/A.MP4', ' x/a.mp4', 'x/a%2Emp4', 'x/a.mp4?t=1', 'x/cafe\u0301.mp4', 'x/b\n.mp4'];
    const root = join(folder, 'near');
    mkdirSync(join(root, 'x'), { recursive: true });
    for (const name of ['a.mp4', 'caf\u00e9.mp4']) writeFileSync(join(root, 'x', name), 'x');
    const path = write(
      'near.jsonl',
      names.map((video) => ({ problem, solution: 'A', video })),
    );
    const { issues } = await checkData(path, { root: { video_root: root }, videos: 'exists' });
    const errors = issues.filter(({ severity }) => severity === 'error');
    expect(errors.map(({ code, line }) => [code, line])).toEqual([
      ['other_name', 1],
      ['missing_video', 2],
      ['other_name', 3],
      ['other_name', 4],
      ['other_name', 5],
      ['missing_video', 6],
    ]);
    expect(formatIssue(errors[3]!)).toBe(
      `${path}:4: item #4: field "path": "${root}/x/a.mp4?t=1" is not there, but "${root}/x/a.mp4" is`,
    );
    expect(formatIssue(errors[5]!)).toMatch(/b\\n\.mp4 is not there$/);
  });

  it('says the next step with the reason, where a path can not be one', async () => {
    const path = write('address.jsonl', [{ problem, solution: 'A', video: 's3://b/a.mp4' }]);
    const { issues } = await checkData(path, { root: { video_root: folder } });
    expect(issues.map(formatIssue)).toEqual([
      `${path}:1: item #1: field "path": expected a file, got the address s3://b/a.mp4; download the file, or write what the address holds to one, and give its path`,
    ]);
    expect(new Set(['bad_json', 'bad_path', 'bad_field'].map(nextStep)).size).toBe(3);
  });

  it('knows frames that a video does not have', async () => {
    const rows = [
      { nframes: 100 },
      { nframes: 4 },
      { video_start: 0.6, video_end: 0.7 },
      { video_start: 0.5 },
      { fps: 1e9 },
    ];
    const path = write(
      'frames.jsonl',
      rows.map((settings) => ({ problem, solution: 'A', video: 'x/a.mp4', ...settings })),
    );
    const { issues } = await checkData(path, { root: { video_root: join(folder, 'root') } });
    expect(issues.map(({ code, line }) => [code, line])).toEqual([
      ['bad_frames', 1],
      ['bad_frames', 3],
    ]);
    expect(issues[0]!.message).toMatch(/expected between 2 and 4 sampled frames, got 100/);
  });

  it('does not call a file without questions sound', async () => {
    const path = write('blank.jsonl', []);
    writeFileSync(path, '\n \n');
    const { is_sound, issues } = await checkData(path);
    expect([is_sound, issues.map(({ code }) => code)]).toEqual([false, ['no_questions']]);
  });

  it('finds what is wrong with records and with videos', async () => {
    const path = write('mixed.jsonl', [
      { problem, solution: 'A', video: 'x/a.mp4', dims: { task: 'good' } },
      { problem, solution: 'A,B', video: 'y/a.mp4', dims: { task: 'good' } },
      { problem, solution: 'A', video: 'x/a.mp4', start: 5, end: 6, dims: { task: 'late' } },
      { problem, solution: 'A', video: 'broken.mp4', dims: { task: 'bad' } },
      { problem, solution: 'B', video: 'nowhere.mp4', dims: { task: 'bad' } },
      { problem, solution: 'B', video: 'other.mp4', dims: { task: 'bad' } },
      { problem, solution: 'B', video: 'frames', data_type: 'frame', dims: { task: 'bad' } },
      { problem, solution: 'B', video: '../out.mp4', dims: { task: 'bad' } },
      { problem: 'What falls?\nA. it\nB. it', solution: 'B', video: 'x/a.mp4', dims: { task: 'good' } },
      { problem, solution: 'C', video: 'x/a.mp4' },
    ]);
    const seen: number[] = [];
    const facts = new Map<string, number | undefined>();
    const report = await checkData(path, {
      root: { video_root: join(folder, 'root') },
      jobs: 2,
      countTokens: (item, [video]) => {
        facts.set(item.media[0]!.path, video?.numFrames);
        return item.question.length + item.options.join('').length;
      },
      max_prompt_length: 24,
      onProgress: (done, total) => seen.push(done, total),
    });
    expect(report).toMatchObject({
      format: 'authors',
      num_questions: 10,
      num_usable: 9,
      num_single: 8,
      num_multiple: 1,
      options: { '2': 9 },
      best_constant: { answer: 'B', percent: (100 * 5) / 9 },
      chance_percent: 100 / 3,
      videos: { num_files: 7, num_missing: 3, num_unreadable: 2, is_checked: true },
      counts: {
        errors: {
          bad_field: 1,
          prompt_too_long: 8,
          clip_outside: 1,
          unreadable_video: 2,
          missing_video: 1,
          other_extension: 1,
          bad_path: 1,
        },
        warnings: { duplicate_options: 1, name_collision: 1 },
      },
      sources: {
        good: { num_questions: 3, num_covered: 3 },
        late: { num_questions: 1, num_covered: 1 },
        bad: { num_questions: 5, num_covered: 0 },
      },
      is_sound: false,
    });
    expect(seen.slice(-2)).toEqual([7, 7]);
    expect([facts.get('x/a.mp4'), facts.get('nowhere.mp4')]).toEqual([4, undefined]);
    const message = (code: string): string | undefined =>
      report.issues.find((issue) => issue.code === code)?.message;
    expect(message('other_extension')).toMatch(/other\.mp4 is not there, but .*other\.webm is/);
    expect(message('clip_outside')).toBe('the clip begins at 5 s, but the video ends at 2.00 s');
  });

  it('is content with sound data, and can leave the videos alone', async () => {
    const path = write('sound.jsonl', [{ problem, solution: 'A', video: 'x/a.mp4' }]);
    const report = await checkData(path, { root: { video_root: join(folder, 'root') } });
    expect([report.is_sound, report.issues]).toEqual([true, []]);
    const unseen = await checkData(write('unseen.jsonl', [{ problem, solution: 'A', video: 'gone.mp4' }]));
    expect([unseen.is_sound, unseen.videos.is_checked]).toEqual([true, false]);
  });

  it('decodes every frame when asked, and finds damage that the packets do not show', async () => {
    const frames = Array.from({ length: 24 }, (_, i) =>
      Uint8Array.from({ length: 64 * 64 * 3 }, (_, j) => (j * (i + 3) * 7919) % 256),
    );
    const video = join(folder, 'root', 'damaged.mp4');
    await encodeVideo(video, frames, { width: 64, height: 64, fps: 8 });
    const bytes = readFileSync(video);
    const start = bytes.indexOf('mdat') + 2000;
    writeFileSync(video, bytes.fill(0x55, start, start + 3000));
    const path = write('damaged.jsonl', [{ problem, solution: 'A', video: 'damaged.mp4' }]);
    const root = { video_root: join(folder, 'root') };
    expect((await checkData(path, { root, videos: 'exists' })).issues).toEqual([]);
    expect((await checkData(path, { root, videos: 'probe' })).issues).toEqual([]);
    const { issues } = await checkData(path, { root, videos: 'decode' });
    expect(issues.map(({ code }) => code)).toEqual([expect.stringMatching(/^(unreadable|damaged)_video$/)]);
  });

  const shared = join(process.env['TWGRPO_SHARED'] ?? join(packageRoot(), '..', 'shared'), 'data');
  it.skipIf(!existsSync(shared))('sees MVBench’s colliding names and repeated rows', async () => {
    const report = await checkData(join(shared, 'benchmarks', 'eval_mvbench_sample.json'));
    expect(report.counts.errors).toEqual({ duplicate_row: 24 });
    expect(report.counts.warnings['answer_spacing']).toBe(2);
    expect(report.videos.num_files).toBeGreaterThan(150);
  });
});

describe('converting CLEVRER', () => {
  const scenes = [
    {
      scene_index: 10_000,
      video_filename: 'video_10000.mp4',
      questions: [
        descriptive(0, 'How many?', '2'),
        withChoices(1, 'counterfactual', 'What if?', [choice(1, 'wrong'), choice(0, 'correct')]),
        withChoices(2, 'counterfactual', 'What if not?', [
          choice(0, 'correct'),
          choice(1, 'wrong'),
          choice(2, 'correct'),
        ]),
        withChoices(3, 'counterfactual', 'And now?', [choice(0, 'wrong'), choice(1, 'wrong')]),
        withChoices(4, 'predictive', 'Next?', [choice(0, 'correct'), choice(1, 'wrong')]),
      ],
    },
  ];

  it('makes the authors’ form, with answerless questions in a file of their own', () => {
    const questions_path = join(folder, 'validation.json');
    writeFileSync(questions_path, JSON.stringify(scenes));
    const output_path = join(folder, 'out', 'counterfactual.jsonl');
    const done = convertClevrer({ questions_path, output_path, split: 'validation' });
    expect(done).toEqual({
      output_path,
      answerless_path: join(folder, 'out', 'counterfactual.answerless.jsonl'),
      num_single: 1,
      num_multiple: 1,
      num_answerless: 1,
      dropped: [],
    });
    const lines = readFileSync(output_path, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    expect(lines[1]).toEqual({
      id: '10000-2',
      problem: 'What if not?\nA. event 0\nB. event 1\nC. event 2',
      video: 'video_10000-11000/video_10000.mp4',
      solution: '<answer>A,C</answer>',
      dims: { question_type: 'counterfactual' },
      provenance: { source: 'clevrer', split: 'validation', scene_index: 10_000, question_id: 2 },
    });
    expect(readFileSync(done.answerless_path, 'utf8')).toContain('"solution":"<answer></answer>"');
    const { items } = readItems(output_path);
    expect(items.map((item) => [item.answer.join(), item.provenance['question_id']])).toEqual([
      ['A', 1],
      ['A,C', 2],
    ]);
    const all = convertClevrer({
      questions_path,
      output_path,
      question_types: ['descriptive', 'predictive'],
    });
    expect([all.num_single, all.num_multiple]).toEqual([2, 0]);
  });

  it('refuses broken questions and unknown types', () => {
    const questions_path = join(folder, 'broken.json');
    const output_path = join(folder, 'out', 'x.jsonl');
    const broken = {
      ...scenes[0],
      questions: [...scenes[0]!.questions, { question_id: 9, question_type: 'counterfactual', question: '' }],
    };
    writeFileSync(questions_path, JSON.stringify([broken]));
    expect(() => convertClevrer({ questions_path, output_path })).toThrow(
      /broken\.json:1: item scene 10000: field "question"/,
    );
    expect(convertClevrer({ questions_path, output_path, drop: ['bad_field'] }).dropped).toHaveLength(1);
    expect(() => convertClevrer({ questions_path, output_path, question_types: ['causal'] })).toThrow(
      ConfigError,
    );
  });
});
