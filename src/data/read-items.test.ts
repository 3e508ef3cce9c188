import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { choice, descriptive, withChoices } from '../../tests/support/clevrer.ts';
import { scratchFolder } from '../../tests/support/scratch-folder.ts';
import { DataError, packageRoot } from '../base/index.ts';
import { countIssues, formatIssue } from './issues.ts';
import { readItems, readItemsWithIssues } from './read-items.ts';

const folder = scratchFolder();
let numFiles = 0;
function file(content: string | Uint8Array, extension = 'json'): string {
  const path = join(folder, `${numFiles++}.${extension}`);
  writeFileSync(path, content);
  return path;
}
const json = (value: unknown): string => file(JSON.stringify(value));

const good = {
  problem: 'What falls?\nA. The cube\nB. The ball\nC. Both',
  video: 'a.mp4',
  solution: '<answer>A,C</answer>',
};

describe('the authors’ records', () => {
  it('keep the reasoning of another model where its answer is right, and are refused by name where it is not', () => {
    const rows = [
      { ...good, thinking: 'Both do.', model_answer: 'A, C' },
      { ...good, thinking: '<think>Both do.</think>', process: '' },
      { ...good, thinking: 'Only one.', model_answer: 'A' },
    ];
    const { items, issues } = readItemsWithIssues(json(rows));
    expect(items.map((item) => item.process)).toEqual(['<think>Both do.</think>', '<think>Both do.</think>']);
    expect(issues.map(({ code, field }) => [code, field])).toEqual([['model_answer', 'model_answer']]);
    expect(issues[0]!.message).toMatch(/the model_answer "A" is not the solution A,C/);
  });

  it('are read from a list, from pretty-printed JSON and from lines alike', () => {
    const rows = [good, { ...good, video: 'b.mp4' }];
    const texts = [
      JSON.stringify(rows),
      JSON.stringify(rows, null, 2),
      `\ufeff${rows.map((row) => JSON.stringify(row)).join('\r\n')}\n\n`,
    ];
    for (const text of texts) {
      const { items, warnings, dropped, format } = readItems(file(text));
      expect([warnings, dropped, format]).toEqual([[], {}, 'authors']);
      expect(items.map((item) => [item.id, item.media[0]!.path])).toEqual([
        ['#1', 'a.mp4'],
        ['#2', 'b.mp4'],
      ]);
      expect(items[0]).toMatchObject({
        media: [{ type: 'video', path: 'a.mp4' }],
        question: 'What falls?',
        options: ['The cube', 'The ball', 'Both'],
        answer: ['A', 'C'],
        problem: good.problem,
      });
    }
    // One record alone is a record, not a folder of records.
    expect(readItems(file(JSON.stringify(good), 'jsonl')).items).toHaveLength(1);
  });

  it('may carry options apart, a path, an image, a clip and their own id', () => {
    const row = {
      problem_id: 7,
      problem: 'What falls?',
      options: ['A. The cube', 'B. The ball'],
      solution: 'B',
      path: './Evaluation/x.mp4',
      data_type: 'video',
      problem_type: 'multiple choice',
      start: 1.5,
      end: 3,
    };
    const { items } = readItems(
      json([row, { problem: good.problem, solution: 'C', image: 'i.png', id: 'pic' }]),
    );
    expect(items[0]).toMatchObject({
      id: '7',
      media: [{ path: './Evaluation/x.mp4', start: 1.5, end: 3 }],
      options: ['The cube', 'The ball'],
    });
    expect(items[0]).not.toHaveProperty('problem');
    expect(items[1]).toMatchObject({ id: 'pic', media: [{ type: 'image', path: 'i.png' }] });
  });

  it.each([
    ['missing_field', { video: undefined }, /field "video": expected a path in "video", "path" or "image"/],
    ['missing_field', { problem: undefined }, /field "problem": /],
    ['bad_field', { video: 5 }, /field "video": expected a path, got 5/],
    ['bad_field', { problem: `a\0b` }, /field "problem": must not hold a NUL character/],
    ['bad_field', { problem: '\ud800 lone' }, /field "problem": must be well-formed Unicode/],
    ['bad_field', { problem: 'x'.repeat(200_000) }, /field "problem": Too big/],
    ['no_options', { problem: 'What falls?' }, /no lettered options/],
    ['no_answer', { solution: '<answer></answer>' }, /field "solution": solution must name/],
    ['bad_solution', { solution: '<answer>the cubes</answer>' }, /field "solution": solution must name/],
    [
      'bad_field',
      { solution: '<answer>D</answer>' },
      /field "answer.0": D names no option: there are 3 \(A to C\)/,
    ],
    ['bad_letters', { options: ['A. x', 'C. y'] }, /letters of the options do not run/],
    ['unsupported_type', { problem_type: 'riddle' }, /"riddle" is no kind that is known/],
    ['bad_field', { start: 4, end: 2 }, /field "end": must be after start \(4\), got 2/],
  ])('that are wrong are named: %s %o', (code, change, message) => {
    const path = file(
      `${JSON.stringify(good)}\n${JSON.stringify({ ...good, id: 'x', ...change })}\n`,
      'jsonl',
    );
    const result = readItemsWithIssues(path);
    expect(result.issues.map((issue) => issue.code)).toEqual([code]);
    const text = formatIssue(result.issues[0]!);
    expect(text).toMatch(message);
    expect(text.startsWith(`${path}:2: item x:`)).toBe(true);
    expect([result.items.length, result.numQuestions]).toEqual([1, 2]);
    expect(() => readItems(path)).toThrow(DataError);
    expect(readItems(path, { drop: [code] }).dropped).toEqual({ [code]: 1 });
  });

  it('that repeat an id are told from repeated rows', () => {
    const path = json([
      { ...good, id: 1 },
      { ...good, id: 1 },
      { ...good, id: 1, video: 'other.mp4' },
    ]);
    expect(countIssues(readItemsWithIssues(path).issues)).toEqual({ duplicate_id: 1, duplicate_row: 1 });
  });
});

describe('damaged files', () => {
  it('are named with their line, and the sound rows are still read', () => {
    const lines = [
      JSON.stringify(good),
      '{"problem": "x", "problem": "y"}',
      '{"problem": ',
      '[1, 2]',
      'null',
      `{"a":${'['.repeat(500)}${']'.repeat(500)}}`,
      JSON.stringify({ ...good, note: 'y'.repeat(3000) }),
      JSON.stringify({ ...good, video: 'z.mp4' }),
    ];
    const path = file(lines.join('\n'), 'jsonl');
    const result = readItemsWithIssues(path);
    expect(result.items.map((item) => item.media[0]!.path)).toEqual(['a.mp4', 'a.mp4', 'z.mp4']);
    expect(result.issues.map((issue) => `${issue.line} ${issue.code}`)).toEqual([
      '2 bad_json',
      '3 bad_json',
      '6 bad_json',
      '4 bad_record',
      '5 bad_record',
    ]);
    expect(result.numQuestions).toBe(8);
    const bytes = Buffer.concat([
      Buffer.from(`${JSON.stringify(good)}\n{"a":"`),
      Buffer.from([0xff, 0xfe]),
      Buffer.from('"}\n'),
    ]);
    expect(readItemsWithIssues(file(bytes, 'jsonl')).issues[0]).toMatchObject({ code: 'bad_utf8', line: 2 });
  });

  it('as a whole are errors', () => {
    expect(() => readItems(join(folder, 'none.json'))).toThrow(/no such data file/);
    expect(() => readItems(folder)).toThrow(/it is a folder/);
    expect(() => readItems(file(''))).toThrow(/the data file is empty/);
    expect(() => readItems(file('[]'))).toThrow(/no usable question/);
    expect(() => readItems(file('[{"problem": "x"'))).toThrow(/:1: the JSON ends before it is complete/);
    expect(() => readItems(file('\n\n[1,\n2 3]'))).toThrow(/:4: expected "," or "\]"/);
    expect(() => readItems(file('plain text'))).toThrow(/:1: expected a JSON value, got "plain text"/);
  });
});

describe('the forms of the benchmarks', () => {
  it('CLEVRER: letters by choice_id, answerless questions apart, descriptive words as options', () => {
    const path = json([
      {
        scene_index: 10_009,
        video_filename: 'video_10009.mp4',
        questions: [
          { ...descriptive(0, 'How many?', '3'), question_subtype: 'count' },
          descriptive(1, 'Color?', 'cyan'),
          withChoices(2, 'counterfactual', 'What if?', [
            choice(2, 'correct'),
            choice(0, 'correct'),
            choice(1, 'wrong'),
          ]),
          withChoices(3, 'predictive', 'Next?', [choice(0, 'wrong'), choice(1, 'wrong')]),
          withChoices(4, 'explanatory', 'Why?', [{ choice_id: 0, choice: 'x', program: [] }]),
          descriptive(5, 'Sound?', 'loud'),
        ],
      },
    ]);
    const result = readItemsWithIssues(path, { split: 'validation' });
    expect(result.format).toBe('clevrer');
    expect(result.items.map((item) => [item.id, item.options.length, item.answer.join()])).toEqual([
      ['10009-0', 6, 'D'],
      ['10009-1', 8, 'C'],
      ['10009-2', 3, 'A,C'],
    ]);
    expect(result.items[2]).toMatchObject({
      media: [{ type: 'video', path: 'video_10000-11000/video_10009.mp4' }],
      options: ['event 0', 'event 1', 'event 2'],
      dims: { question_type: 'counterfactual' },
      split: 'validation',
      provenance: { scene_index: 10_009, question_id: 2 },
    });
    expect(countIssues(result.issues)).toEqual({ no_answer: 2, bad_answer: 1 });
    expect(result.numQuestions).toBe(6);
    expect(readItemsWithIssues(path, { question_types: ['counterfactual'] }).numQuestions).toBe(1);
  });

  it('STAR: answer text to letter, clip by start and end', () => {
    const row = {
      question_id: 'Interaction_T1_4',
      video_id: 'TJZ0P',
      start: 7.7,
      end: 15.7,
      question: 'Which object was eaten by the person?',
      answer: 'The sandwich.',
      choices: [
        { choice_id: 1, choice: 'The sandwich.' },
        { choice_id: 0, choice: 'The medicine.' },
      ],
    };
    const { items, format } = readItems(json([row]));
    expect(format).toBe('star');
    expect(items[0]).toMatchObject({
      media: [{ path: 'TJZ0P.mp4', start: 7.7, end: 15.7 }],
      answer: ['B'],
      dims: { type: 'Interaction', template: 'Interaction_T1' },
    });
    expect(countIssues(readItemsWithIssues(json([{ ...row, answer: 'The bag.' }])).issues)).toEqual({
      answer_conflict: 1,
    });
  });

  it('NExT-GQA: the official CSV with quotes, and the older form with numbers', () => {
    const header = 'video_id,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4';
    const csv = file(
      `${header}\n1,9,6,4,"why, ""so""",b,1,CW,a,b,c,d,e\n2,9,6,4,how,3,2,CH,a,b,c,d,e\n3,9,6,4,when,x,2,TN,a,b,c,d,e\n4,9,6,4,short,b\n`,
      'csv',
    );
    const result = readItemsWithIssues(csv);
    expect(result.items.map((item) => [item.id, item.question, item.answer.join()])).toEqual([
      ['1_1', 'why, "so"', 'B'],
      ['2_2', 'how', 'D'],
    ]);
    expect(result.issues.map((issue) => [issue.line, issue.code])).toEqual([
      [5, 'bad_csv'],
      [4, 'answer_conflict'],
    ]);
    expect(result.numQuestions).toBe(4);
  });

  it('TempCompass: all four official files', () => {
    const read = (question: string, answer: string): ReturnType<typeof readItemsWithIssues> =>
      readItemsWithIssues(json({ '103_reverse': { direction: [{ question, answer }] } }), {
        format: 'tempcompass',
      });
    expect(read('What is the man doing?\nA. dunking\nB. running', 'B. running').items[0]).toMatchObject({
      id: 'multi-choice/103_reverse/direction/0',
      media: [{ path: '103_reverse.mp4' }],
      options: ['dunking', 'running'],
      answer: ['B'],
      dims: { task: 'multi-choice', dim: 'direction' },
    });
    expect(read('Is the man dunking?', 'no').items[0]).toMatchObject({
      options: ['yes', 'no'],
      answer: ['B'],
    });
    expect(
      read('Which is better?\nOption 1: He runs.\nOption 2: He sits.', 'Option 2: He sits.').items[0],
    ).toMatchObject({
      question: 'Which is better?',
      options: ['He runs.', 'He sits.'],
      answer: ['B'],
      dims: { task: 'caption_matching' },
    });
    expect(
      read(
        "Caption it.\nInformation A: {'s': 'man', 'd': 'left'}\nInformation B: {'s': 'man', 'd': 'right'}\nGenerated Caption:",
        'B. right',
      ).items[0],
    ).toMatchObject({
      question: 'Caption it.\nGenerated Caption:',
      answer: ['B'],
      dims: { task: 'captioning' },
    });
    expect(countIssues(read('What?\nA. x\nB. y', 'B. x').issues)).toEqual({ answer_conflict: 1 });
    expect(countIssues(readItemsWithIssues(json({ v1: { speed: [] } })).issues)).toEqual({ no_questions: 1 });
    expect(read('What?\nA. x\nB. y', 'C. z').items).toHaveLength(0);
    const auto = readItemsWithIssues(json({ v1: { speed: [{ question: 'Is it fast?', answer: 'yes' }] } }));
    expect([auto.format, auto.items.length]).toEqual(['tempcompass', 1]);
  });

  it('MMVU and MVBench: the subset by the folder, in the paths of Video-R1 too', () => {
    const paths = ['/MMVU/videos/Art/0.mp4', './Evaluation/MMVU/videos/Art/0.mp4'];
    for (const path of paths) {
      const { items, format } = readItems(json([{ ...good, video: undefined, path }]));
      expect([format, items[0]?.dims]).toEqual(['mmvu', { discipline: 'Art' }]);
    }
    for (const video of ['/MVBench/sta/x/1.mp4', './Evaluation/MVBench/sta/x/1.mp4', 'sta/x/1.mp4'])
      expect(readItems(json([{ ...good, video, ori_video: '1.mp4' }])).items[0]?.dims).toEqual({
        task: 'sta',
      });
  });

  it('MVBench: an answer text that is not that of the letter, and questions with one option', () => {
    const row = { ...good, ori_video: '1.mp4', video: '/MVBench/sta/1.mp4' };
    const rows = [
      { ...row, problem_id: 1, solution: 'A', answer: 'The ball' },
      { ...row, problem_id: 2, solution: 'B', answer: 'The ball' },
      { ...row, problem_id: 3, problem: 'Which?', options: ['A. one'], solution: 'A', answer: 'one' },
    ];
    const { issues, items } = readItemsWithIssues(json(rows));
    expect(issues.map(({ code, item }) => [code, item])).toEqual([
      ['answer_conflict', '1'],
      ['single_option', '3'],
    ]);
    // The solution is what the published scores were made with.
    expect(items[0]?.answer).toEqual(['A']);
  });

  it('CLEVRER: a name with folders is a path already, and a scene without questions is told', () => {
    const question = { question_id: 0, question_type: 'descriptive', question: 'How many?', answer: '3' };
    const scene = { scene_index: 7, video_filename: 'videos/train/000007.mp4', questions: [question] };
    const { items, issues } = readItemsWithIssues(json([scene, { ...scene, scene_index: 8, questions: [] }]));
    expect(items.map(({ media }) => media[0]!.path)).toEqual(['videos/train/000007.mp4']);
    expect(issues).toMatchObject([{ code: 'no_questions', severity: 'warning', field: 'questions' }]);
  });

  it('our own items come back as they were written', () => {
    const { items } = readItems(json([good, { ...good, id: 'second', start: 1, end: 2 }]));
    const again = readItems(file(items.map((item) => JSON.stringify(item)).join('\n'), 'jsonl'));
    expect([again.format, again.items]).toEqual(['items', items]);
    expect(again.fingerprint).toBe(
      readItems(json([good, { ...good, id: 'second', start: 1, end: 2 }])).fingerprint,
    );
  });
});

const benchmarks = join(
  process.env['TWGRPO_SHARED'] ?? join(packageRoot(), '..', 'shared'),
  'data',
  'benchmarks',
);

describe.skipIf(!existsSync(benchmarks))('real benchmark files', () => {
  const count = (values: readonly (string | undefined)[]): Record<string, number> => {
    const counts: Record<string, number> = {};
    for (const value of values) counts[value ?? ''] = (counts[value ?? ''] ?? 0) + 1;
    return counts;
  };

  it('NExT-GQA validation: 3358 questions by type', () => {
    const result = readItemsWithIssues(join(benchmarks, 'nextgqa_val.json'));
    expect([result.format, result.items.length, result.numQuestions]).toEqual(['nextgqa', 3358, 3358]);
    expect(count(result.items.map((item) => item.dims['type']))).toEqual({
      CW: 1474,
      TN: 879,
      CH: 481,
      TC: 472,
      TP: 52,
    });
    expect(countIssues(result.issues)).toEqual({ duplicate_options: 1 });
    expect(result.items.every((item) => item.options.length === 5)).toBe(true);
  });

  it('MMVU: 625 questions with five options', () => {
    const result = readItemsWithIssues(join(benchmarks, 'eval_mmvu.json'));
    expect([result.format, result.items.length, result.issues]).toEqual(['mmvu', 625, []]);
    expect(result.items.every((item) => item.options.length === 5)).toBe(true);
    expect(result.items.find((item) => item.id === '146')?.dims['discipline']).toBe('Mechanics');
  });

  it('MVBench sample: frame folders, clips, repeated rows and blanks in answers', () => {
    const result = readItemsWithIssues(join(benchmarks, 'eval_mvbench_sample.json'));
    expect([result.format, result.numQuestions, result.items.length]).toEqual(['mvbench', 252, 228]);
    expect(countIssues(result.issues)).toEqual({ duplicate_row: 24, answer_spacing: 2 });
    expect(count(result.items.map((item) => item.media[0]!.type))).toEqual({ video: 216, frames: 12 });
    expect(result.items.filter((item) => item.media[0]!.start !== undefined).length).toBe(36);
    expect(count(result.items.map((item) => item.dims['task']))['clevrer']).toBeGreaterThan(0);
  });

  it('Video-MME sample: dimensions kept', () => {
    const result = readItemsWithIssues(join(benchmarks, 'eval_videomme_sample.json'));
    expect([result.format, result.items.length, result.issues]).toEqual(['videomme', 60, []]);
    expect(count(result.items.map((item) => item.dims['duration']))).toEqual({ short: 60 });
    expect(count(result.items.map((item) => item.dims['task_type']))['Counting Problem']).toBe(8);
  });
});
