/** @file A file of every kind of question, checked, trained on and evaluated by the commands themselves. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTinyCheckpoint } from '../src/models/index.ts';
import { runCommand } from './support/run-command.ts';

const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'twgrpo-mixed-'));
afterAll(() => rmSync(folder, { recursive: true }));

const clip = file('goldens/video/h264.mp4');
const picture = file('goldens/media/gray.png');
const MIXED = [
  {
    problem_type: 'multiple choice',
    problem: 'Which moves?',
    options: ['A. cube', 'B. ball'],
    solution: '<answer>B</answer>',
    path: clip,
    data_source: 'x',
  },
  {
    problem_type: 'numerical',
    problem: 'How many balls?',
    solution: '<answer>3</answer>',
    path: clip,
    data_source: 'x',
  },
  {
    problem_type: 'OCR',
    problem: 'What is written?',
    solution: '<answer>STOP HERE</answer>',
    path: picture,
    data_type: 'image',
    data_source: 'y',
  },
  {
    problem_type: 'temporal grounding',
    problem: 'When does it leave?',
    solution: '2.0 to 3.5',
    video: clip,
    fps: 1,
    max_frames: 2,
    video_end: 1,
  },
  { problem_type: 'regression', problem: 'How large?', solution: '2.5', image: picture, max_pixels: 3136 },
  { problem_type: 'free-form', problem: 'What happens?', solution: 'The ball leaves.', videos: [clip, clip] },
  { problem: '2 + 2 = ?\nA. 3\nB. 4', data_type: 'text', solution: 'B' },
  {
    problem: 'Compare <image> with <video>: what does <|video_pad|> mean?\nA. x\nB. <|im_end|>',
    images: [picture],
    videos: [{ video: clip, nframes: 2 }],
    answer: 'A',
  },
].map((row, index) => ({ problem_id: index + 1, ...row }));
const KEYS = [
  'loss_type=tw_grpo',
  'video_root=/',
  'num_generations=2',
  'max_completion_length=4',
  'max_frames=2',
  'max_pixels=3136',
  'num_threads=1',
  'probe=true',
];

beforeAll(() => {
  createTinyCheckpoint(join(folder, 'model'), {
    ...{ vocab_size: 300, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 2 },
    vision: { depth: 2, hidden_size: 32, num_heads: 2 },
  });
  writeFileSync(join(folder, 'mixed.jsonl'), MIXED.map((row) => `${JSON.stringify(row)}\n`).join(''));
});

const train = (name: string, ...more: readonly string[]) =>
  runCommand(
    ...[
      'train',
      '--set',
      `model_name_or_path=${join(folder, 'model')}`,
      '--set',
      `jsonl_path=${join(folder, 'mixed.jsonl')}`,
    ],
    ...['--set', `output_dir=${join(folder, name)}`, ...[...KEYS, ...more].flatMap((key) => ['--set', key])],
  );

describe('a file of every kind of question', () => {
  it('is sound, and told by kind and by what it shows', async () => {
    const file = join(folder, 'mixed.jsonl');
    const where = ['--video-root', '/', '--model', join(folder, 'model')];
    const { code, stdout } = await runCommand('data', 'check', file, ...where);
    expect([code, stdout]).toEqual([0, expect.stringContaining('sound')]);
    expect(stdout).toMatch(
      /kinds +multiple choice: 3, OCR: 1, free-form: 1, numerical: 1, regression: 1, temporal grounding: 1/,
    );
    expect(stdout).toMatch(/shown +1 video: 3, 1 image: 2, 1 image and 1 video: 1, 2 videos: 1, text: 1/);
    expect(stdout).toMatch(/data_source +x: 2, y: 1/);
  });

  it('trains, with the reward of each kind and of each source in the metrics', async () => {
    const { code, stderr } = await train(
      'run',
      'reward_funcs=task,format',
      'gradient_accumulation_steps=8',
      'max_steps=2',
    );
    expect([code, stderr]).toEqual([0, expect.any(String)]);
    const rows = readFileSync(join(folder, 'run', 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, number>);
    const keys = ['multiple_choice', 'numerical', 'OCR', 'temporal_grounding', 'regression', 'free-form'];
    for (const key of keys
      .map((kind) => `rewards/task/${kind}/mean`)
      .concat('reward/source/x', 'reward/source/y'))
      expect(
        rows.some((row) => row[key]! >= 0 && row[key]! <= 2),
        key,
      ).toBe(true);
    const kept = readFileSync(join(folder, 'run', 'completions', 'step-000001.jsonl'), 'utf8');
    expect(kept).toContain('"solution":"<answer>2.0 to 3.5</answer>"');
  });

  it('is refused before the first step where no reward judges a kind', async () => {
    const { code, stderr } = await train('refused', 'reward_funcs=accuracy,format', 'max_steps=1');
    expect(code).toBe(3);
    expect(stderr).toMatch(
      /5 of 8 questions can not be judged by reward_funcs accuracy, format: 1 OCR, 1 free-form/,
    );
    expect(stderr).toMatch(/use reward_funcs: \[task, format\]/);
  });

  it('is evaluated, each kind by its own score', async () => {
    const output = join(folder, 'eval');
    const { code, stderr } = await runCommand(
      ...[
        'eval',
        '--model',
        join(folder, 'model'),
        '--data',
        join(folder, 'mixed.jsonl'),
        '--video-root',
        '/',
        '--output-dir',
        output,
      ],
      ...[
        '--max-completion-length',
        '4',
        '--max-frames',
        '2',
        '--max-pixels',
        '3136',
        '--protocol',
        'tw-grpo',
      ],
    );
    expect([code, stderr]).toEqual([0, expect.any(String)]);
    const rows = readFileSync(join(output, 'rows.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { dims: Record<string, string>; truth: string[] });
    expect(rows.map(({ dims }) => dims['problem_type'])).toEqual([
      'multiple choice',
      'numerical',
      'OCR',
      'temporal grounding',
      'regression',
      'free-form',
      'multiple choice',
      'multiple choice',
    ]);
    expect(rows[3]!.truth).toEqual(['2.0 to 3.5']);
  });
});
