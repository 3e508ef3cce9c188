import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { scratchFolder } from '../../tests/support/scratch-folder.ts';
import { packageRoot } from '../base/index.ts';
import { BENCHMARK_NAMES, type BenchmarkName, benchmarkOf, readQuestionSet } from './benchmarks.ts';

const folder = scratchFolder();
let numFiles = 0;
function file(value: unknown): string {
  const path = join(folder, `${numFiles++}.json`);
  writeFileSync(path, JSON.stringify(value));
  return path;
}

const asked = { problem: 'What falls?', options: ['A. cube', 'B. ball'], solution: 'A', problem_id: 1 };
const choices = [
  { choice_id: 0, choice: 'it falls', answer: 'correct' },
  { choice_id: 1, choice: 'it stands', answer: 'wrong' },
];
const scene = {
  scene_index: 10_000,
  video_filename: 'video_10000.mp4',
  questions: [
    { question_id: 0, question_type: 'descriptive', question: 'How many?', answer: '3' },
    { question_id: 1, question_type: 'counterfactual', question: 'What if?', choices },
    { question_id: 2, question_type: 'counterfactual', question: 'What else?', choices: choices.slice(1) },
  ],
};

/** A file in the benchmark's own form; where its one question is found below the video root. */
const FILES: Readonly<
  Record<BenchmarkName, readonly [value: unknown, path: string, prefix: string | undefined]>
> = {
  'clevrer-counterfactual': [[scene], 'video_10000-11000/video_10000.mp4', undefined],
  nextgqa: [
    [
      {
        id: '1',
        video: '1/2.mp4',
        question: 'why',
        options: ['(A) x', '(B) y'],
        glue: [],
        type: 'CW',
        answer: '(B)',
      },
    ],
    '1/2.mp4',
    undefined,
  ],
  mmvu: [[{ ...asked, video: '/MMVU/videos/Art/0.mp4' }], '/MMVU/videos/Art/0.mp4', '/MMVU'],
  mvbench: [[{ ...asked, ori_video: 'a', video: '/MVBench/sta/a.mp4' }], '/MVBench/sta/a.mp4', '/MVBench'],
  tempcompass: [{ v1: { action: [{ question: 'What?\nA. x\nB. y', answer: 'A. x' }] } }, 'v1.mp4', undefined],
  videomme: [
    [{ ...asked, question_id: '1-1', videoID: 'a', task_type: 't', video: '/videoMME/data/a.mp4' }],
    '/videoMME/data/a.mp4',
    '/videoMME',
  ],
  star: [
    [
      {
        question_id: 'Interaction_T1_1',
        video_id: 'A',
        start: 0,
        end: 1,
        question: 'Which?',
        answer: 'it falls',
        choices,
      },
    ],
    'A.mp4',
    undefined,
  ],
  world: [
    [
      {
        id: 'w',
        problem: 'What?\nA. x\nB. y',
        video: 'videos/test/000001.mp4',
        solution: '<answer>A</answer>',
        dims: { kind: 'k' },
      },
    ],
    'videos/test/000001.mp4',
    undefined,
  ],
};

describe('the registry', () => {
  it.each(BENCHMARK_NAMES)('%s: read in its own form', (name) => {
    const [value, path, prefix] = FILES[name];
    const benchmark = benchmarkOf(name);
    const set = readQuestionSet([file(value)], { benchmark });
    expect(set.items.map((item) => item.media.map(({ path }) => path))).toEqual([[path]]);
    expect([set.video_prefix, set.part]).toEqual([prefix, undefined]);
    expect(benchmark.formats).toContain(set.formats[0]);
    expect(set.dropped).toEqual(name === 'clevrer-counterfactual' ? { no_answer: 1 } : {});
  });

  it('knows no other names, not even those that every object has', () => {
    for (const name of ['x', 'toString', '__proto__'])
      expect(() => benchmarkOf(name)).toThrow(/benchmark must be one of clevrer-counterfactual, nextgqa/);
  });

  it('refuses a file of another form, and an id that two files share', () => {
    const [world] = FILES.world;
    const [star] = FILES.star;
    expect(() => readQuestionSet([file(star)], { benchmark: benchmarkOf('mmvu') })).toThrow(
      /reads as star, but MMVU.* comes as mmvu, authors, items/,
    );
    expect(() => readQuestionSet([file(world), file(world)])).toThrow(/the id w is also in/);
  });

  const mmvu = join(
    process.env['TWGRPO_SHARED'] ?? join(packageRoot(), '..', 'shared'),
    'data/benchmarks/eval_mmvu.json',
  );
  it.skipIf(!existsSync(mmvu))('knows a part that is complete', () => {
    const set = readQuestionSet([mmvu], { benchmark: benchmarkOf('mmvu') });
    expect([set.items.length, set.part, set.video_prefix]).toEqual([625, 'validation', '/MMVU']);
  });
});
