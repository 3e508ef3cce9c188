/** @file Rows as EasyR1, LLaMA-Factory, ms-swift, verl, TRL, Video-R1 and VideoChat-R1 write them. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { formatIssue } from '../issues.ts';
import { readItems, readItemsWithIssues } from '../read-items.ts';

const GOLDENS = 'tests/goldens/rows';
const folder = mkdtempSync(join(tmpdir(), 'twgrpo-rows-'));
afterAll(() => rmSync(folder, { recursive: true }));
let numFiles = 0;
function lines(...rows: readonly unknown[]): string {
  const path = join(folder, `${numFiles++}.jsonl`);
  writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return path;
}
const asked = 'Which objects move?\nA. cube\nB. ball';
const one = { type: 'video', path: 'a.mp4' };
const base = { media: [one], question: 'Which objects move?', options: ['cube', 'ball'], answer: ['B'] };

describe('rows of other trainers', () => {
  it.each([
    ['easyr1', { problem: `<video>${asked}`, answer: 'B', videos: ['a.mp4'] }],
    ['easyr1', { problem: `<video>\n${asked}`, answer: 'B', videos: ['a.mp4'], images: [] }],
    [
      'ms-swift',
      {
        messages: [{ role: 'user', content: `<video>${asked}` }],
        videos: ['a.mp4'],
        solution: '<answer>B</answer>',
      },
    ],
    [
      'llamafactory',
      {
        messages: [
          { role: 'user', content: `<video>${asked}` },
          { role: 'assistant', content: '<answer>B</answer>' },
        ],
        videos: ['a.mp4'],
      },
    ],
    [
      'llamafactory',
      {
        conversations: [
          { from: 'human', value: `<video>${asked}` },
          { from: 'gpt', value: 'B. ball' },
        ],
        videos: ['a.mp4'],
      },
    ],
    [
      'verl',
      {
        prompt: [{ role: 'user', content: `<video>${asked}` }],
        videos: [{ video: 'a.mp4' }],
        reward_model: { ground_truth: 'B', style: 'rule' },
        data_source: 'x',
      },
    ],
    [
      'trl',
      {
        prompt: [
          {
            role: 'user',
            content: [
              { type: 'video', video: 'a.mp4' },
              { type: 'text', text: asked },
            ],
          },
        ],
        solution: 'ball',
      },
    ],
    [
      'trl',
      {
        prompt: [{ role: 'user', content: [{ type: 'video' }, { type: 'text', text: asked }] }],
        videos: ['a.mp4'],
        answer: '(B)',
      },
    ],
    ['trl', { prompt: asked, video: ['a.mp4'], ground_truth: ['B'] }],
    ['authors', { problem: asked, video: 'a.mp4', solution: '<answer>ball</answer>' }],
    ['authors', { problem: `<video> ${asked}`, video: ['a.mp4'], solution: 'B' }],
  ] as const)('%s: %j', (format, row) => {
    const result = readItemsWithIssues(lines(row));
    expect([result.format, result.issues]).toEqual([format, []]);
    expect(result.items).toMatchObject([base]);
    expect(result.items[0]!.problem).toBe(asked);
  });

  it.each([
    ['llamafactory', { instruction: `<video>${asked}`, input: '', output: 'B', videos: ['a.mp4'] }],
    [
      'llamafactory',
      {
        instruction: '<video>Which objects move?',
        input: 'A. cube\nB. ball',
        output: '<answer>B</answer>',
        history: [],
        videos: ['a.mp4'],
      },
    ],
    ['ms-swift', { query: `<video>${asked}`, response: 'B', history: null, videos: ['a.mp4'] }],
    ['ms-swift', { query: asked, solution: 'B', videos: ['a.mp4'] }],
    ['trl', { prompt: asked, completion: 'B', video: 'a.mp4' }],
    [
      'trl',
      {
        prompt: [{ role: 'user', content: asked }],
        completion: [{ role: 'assistant', content: '<answer>B</answer>' }],
        video: 'a.mp4',
      },
    ],
  ] as const)('%s in columns: %j', (format, row) => {
    const result = readItemsWithIssues(lines(row));
    expect([result.format, result.issues]).toEqual([format, []]);
    expect(result.items).toMatchObject([{ ...base, problem: asked }]);
  });

  it('say which fields of a conversation are not read', () => {
    const messages = [
      { role: 'user', content: `<video>${asked}` },
      { role: 'assistant', content: 'B' },
    ];
    const row = { messages, rejected_response: 'A', tools: [], videos: ['a.mp4'] };
    const { issues, items } = readItemsWithIssues(lines({ ...row, id: 1 }, { ...row, id: 2 }));
    expect([items.length, issues.map(({ code, field, line }) => [code, field, line])]).toEqual([
      2,
      [['unread_field', 'rejected_response', 1]],
    ]);
  });

  it('keep the reasoning of an answer and the system turn', () => {
    const messages = [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: `<video>${asked}` },
      { role: 'assistant', content: '<think>the ball rolls</think><answer>B</answer>' },
    ];
    const { items } = readItems(lines({ messages, videos: ['a.mp4'] }));
    expect(items).toMatchObject([{ ...base, system: 'Be brief.', process: '<think>the ball rolls</think>' }]);
  });

  it('obey what qwen-vl-utils obeys, beside the question or inside a medium', () => {
    const row = {
      problem: asked,
      video: 'a.mp4',
      video_start: 1,
      video_end: 3,
      fps: 4,
      max_frames: 8,
      solution: 'B',
    };
    const settings = { start: 1, end: 3, fps: 4, max_frames: 8 };
    expect(readItems(lines(row)).items[0]!.media).toEqual([{ ...one, ...settings }]);
    const video = {
      type: 'video',
      video: 'a.mp4',
      video_start: 1,
      video_end: 3,
      nframes: 6,
      min_pixels: 3136,
      max_pixels: 50_176,
      total_pixels: 1e6,
      resized_height: 56,
      resized_width: 84,
    };
    const image = { type: 'image', image: 'b.png', max_pixels: 784 };
    const content = [video, { type: 'text', text: 'before ' }, image, { type: 'text', text: ` ${asked}` }];
    const [item] = readItems(lines({ messages: [{ role: 'user', content }], solution: 'B' })).items;
    const { type: _type, video: path, video_start: start, video_end: end, ...rest } = video;
    expect(item!.media).toEqual([
      { type: 'video', path, start, end, ...rest },
      { type: 'image', path: 'b.png', max_pixels: 784 },
    ]);
    expect(item!.problem).toBe(`\ufffcbefore \ufffc ${asked}`);
  });

  it('name media keys that nothing obeys, once a file', () => {
    const row = { problem: asked, video: { video: 'a.mp4', crop: 3 }, solution: 'B', sample_fps: 2 };
    const { issues, items } = readItemsWithIssues(lines({ ...row, id: 1 }, { ...row, id: 2 }));
    expect(items).toHaveLength(2);
    expect(issues.map(({ code, severity, field, line }) => [code, severity, field, line])).toEqual([
      ['unknown_media_key', 'warning', 'sample_fps', 1],
      ['unknown_media_key', 'warning', 'crop', 1],
    ]);
  });

  it('place several media where the text has them, in their order', () => {
    const row = {
      problem: 'Here <image>, there <video>, and <image>: which?\nA. x\nB. y',
      answer: 'A',
      images: ['1.png', '2.png'],
      videos: ['v.mp4'],
    };
    const [item] = readItems(lines(row)).items;
    expect(item!.media.map(({ path }) => path)).toEqual(['1.png', 'v.mp4', '2.png']);
    expect(item!.question).toBe('Here \ufffc, there \ufffc, and \ufffc: which?');
    const leading = { ...row, problem: `<image>\n<video><image>\n${asked}` };
    const [first] = readItems(lines(leading)).items;
    expect([first!.problem, first!.media.map(({ path }) => path)]).toEqual([
      asked,
      ['1.png', 'v.mp4', '2.png'],
    ]);
  });

  it('leave a question about the tag alone', () => {
    const problem = 'What does the <video> tag do?\nA. x\nB. y';
    expect(readItems(lines({ problem, video: 'a.mp4', solution: 'A' })).items[0]!.problem).toBe(problem);
  });

  it('may be of text alone', () => {
    const numerical = {
      problem: '2 + 2 = ?',
      answer: '4',
      images: [],
      videos: [],
      problem_type: 'numerical',
    };
    const chat = { messages: [{ role: 'user', content: asked }], solution: 'B' };
    const said = { problem: asked, data_type: 'text', solution: 'B' };
    for (const row of [numerical, chat, said]) expect(readItems(lines(row)).items[0]!.media).toEqual([]);
  });

  it('may be of any kind that can be scored', () => {
    const kinds = [
      ['numerical', '<answer>3</answer>', '3'],
      ['regression', '2.5', '2.5'],
      ['OCR', '<answer>STOP HERE</answer>', 'STOP HERE'],
      ['free-form', 'The ball leaves.', 'The ball leaves.'],
      ['temporal grounding', '<answer>2.0 to 3.5</answer>', '2.0 to 3.5'],
      ['open', 'It depends.', 'It depends.'],
    ] as const;
    for (const [problem_type, solution, text] of kinds) {
      const row = { problem: 'What?', video: 'a.mp4', problem_type, solution, options: [] };
      expect(readItems(lines(row)).items, problem_type).toMatchObject([
        { question: 'What?', options: [], answer: [], solution: text, type: problem_type },
      ]);
    }
    const bare = { problem: 'Describe the clip.', video: 'a.mp4', answer: 'A ball rolls.' };
    expect(readItems(lines(bare)).items[0]).toMatchObject({ type: 'open', solution: 'A ball rolls.' });
    const windows = {
      problem: 'When?',
      video: 'a.mp4',
      problem_type: 'temporal grounding',
      solution: [
        [0, 2],
        [5, 8],
      ],
    };
    expect(readItems(lines(windows)).items[0]!.solution).toBe('[[0,2],[5,8]]');
  });

  it("are VideoChat-R1's annotations for grounding", () => {
    const path = join(folder, 'charades.json');
    const value = {
      duration: 30.9,
      timestamps: [
        [24.3, 30.4],
        [0, 2],
      ],
      sentences: ['Person turns a light on.', 'x'],
    };
    writeFileSync(path, JSON.stringify({ '3MSZA': value }, null, 1));
    const { items, format } = readItems(path);
    expect([format, items.length]).toEqual(['videochat-r1', 2]);
    expect(items[0]).toMatchObject({
      id: '3MSZA/0',
      media: [{ path: '3MSZA.mp4' }],
      question:
        'To accurately pinpoint the event "person turns a light on" in the video, determine the precise time period of the event.',
      solution: '24.3 to 30.4',
      type: 'temporal grounding',
    });
  });

  it('of grounding tell the line of each video, whatever its name, and windows past its end', () => {
    const path = join(folder, 'grounding.json');
    const value = (end: number) => ({ duration: 9, timestamps: [[0, end]], sentences: ['x'] });
    // JSON.stringify would write names that are numbers first.
    const rows = { b: value(2), n7: value(20), n8: { ...value(1), duration: -1 } };
    writeFileSync(path, JSON.stringify(rows, null, 1).replaceAll('"n', '"'));
    const { issues, lines: at } = readItemsWithIssues(path);
    expect(issues.map(({ code, item, line }) => [code, item, line])).toEqual([
      ['window_outside', '7/0', 14],
      ['bad_field', '8', 26],
    ]);
    expect(at.get('b/0')).toBe(2);
  });

  it.each([
    [
      { problem: `<video>${asked}`, answer: 'B', videos: [] },
      /field "problem": 1 <video> in the text, but 0 videos/,
    ],
    [
      { problem: `<video>${asked}`, answer: 'B', videos: ['a.mp4', 'b.mp4'] },
      /1 <video> in the text, but 2 videos/,
    ],
    [{ problem: `<image>${asked}`, video: 'a.mp4', solution: 'B' }, /1 <image> in the text, but 0 images/],
    [
      {
        messages: [
          { role: 'user', content: 'a' },
          { role: 'assistant', content: 'b' },
          { role: 'user', content: 'c' },
        ],
      },
      /one question and its answer a row is read, got user assistant user/,
    ],
    [{ messages: [{ role: 'tool', content: 'a' }] }, /expected the roles system, user and assistant/],
    [
      { messages: [{ role: 'user', content: [{ type: 'audio', audio: 'a.wav' }] }] },
      /a part of type "audio" is not known/,
    ],
    [
      { messages: [{ role: 'user', content: [{ type: 'video' }] }] },
      /more video parts than videos beside the conversation/,
    ],
    [
      {
        messages: [
          {
            role: 'user',
            content: [
              { type: 'image', image: 'a.png' },
              { type: 'text', text: asked },
            ],
          },
        ],
        videos: ['a.mp4'],
        solution: 'A',
      },
      /1 media beside the conversation have no part in it/,
    ],
    [
      { prompt: [{ role: 'user', content: asked }], reward_model: {} },
      /expected the true answer in "solution" or "answer"/,
    ],
    [
      { problem: 'How many?', video: 'a.mp4', problem_type: 'numerical', solution: 'three' },
      /expected a number, as for every numerical question, got "three"/,
    ],
    [
      { problem: 'When?', video: 'a.mp4', problem_type: 'temporal grounding', solution: '5 to 2' },
      /expected begin and end in seconds/,
    ],
    [
      { problem: 'Say!', video: 'a.mp4', problem_type: 'OCR', solution: '<answer></answer>' },
      /expected a true answer, got none/,
    ],
    [
      { problem: asked, video: ['1.png', '2.png'], solution: 'A' },
      /a list of frames: put them into a folder/,
    ],
    [
      { problem: asked, video: 'a.mp4', fps: 'two', solution: 'A' },
      /field "fps": expected a number, got "two"/,
    ],
    [
      { problem: asked, image: 'a.png', data_type: 'image', resized_height: 56, solution: 'A' },
      /resized_height and resized_width belong together/,
    ],
    [{ problem: asked, video: 'a.mp4', fps: 2, nframes: 8, solution: 'A' }, /fps and nframes can not both/],
    [{ problem: asked, video: 'a.mp4', fps: 0, solution: 'A' }, /field "fps": .* to be >0, got 0/],
    [{ problem: asked, video: 'a.mp4', num_frames: 1, solution: 'A' }, /field "num_frames": .*>=2, got 1/],
    [{ problem: asked, video: 'a.mp4', max_frames: 1, solution: 'A' }, /field "max_frames": .*>=2, got 1/],
    [
      { problem: asked, video: 'a.mp4', video_start: 5, video_end: 2, solution: 'A' },
      /field "video_end": must be after start \(5\), got 2/,
    ],
    [
      { problem: asked, video: { video: 'a.mp4', min_frames: 8, max_frames: 4 }, solution: 'A' },
      /field "max_frames": must not be below min_frames \(8\), got 4/,
    ],
    [
      { problem: asked, image: 'a.png', image_min_pixels: 1e5, image_max_pixels: 1e3, solution: 'A' },
      /field "image_max_pixels": must not be below min_pixels \(100000\), got 1000/,
    ],
    [
      { problem: asked, video: 'a.mp4', resized_height: 1, resized_width: 1000, solution: 'A' },
      /field "resized_width": one side must not be over 200 times the other, got 1x1000/,
    ],
    [
      { problem: asked, video: 'a.mp4', data_type: 'audio', solution: 'A' },
      /field "data_type": expected one of video, image, frame, frames, text, got "audio"/,
    ],
    [
      { messages: [{ role: 'user', content: `<audio>${asked}` }], audios: ['a.wav'], solution: 'A' },
      /field "audios": expected videos and images, got sound/,
    ],
    [
      { query: asked, response: 'A', history: [['a', 'b']], videos: [] },
      /one question and its answer a row is read, got user assistant user assistant/,
    ],
    [
      {
        messages: [
          { role: 'user', content: asked },
          { role: 'assistant', content: '<think>it rolls</think><answer>B</answer>' },
        ],
        solution: 'A',
      },
      /field "messages": the conversation ends with the answer B, but solution says A/,
    ],
    [
      { question: 'Which?', choices: ['x', 'y'], answer: 1, video: 'a.mp4' },
      /field "problem": expected the question in "problem".*got the keys question, choices, answer, video/,
    ],
    [{ problem: asked, video: 'a.mp4', answer: { text: 'A' } }, /field "answer": expected the true answer/],
    [{ problem: 5, video: 'a.mp4', solution: 'A' }, /field "problem": .*expected string, received number/],
  ])('are refused by line and field: %j', (row, message) => {
    const path = lines({ problem: asked, video: 'a.mp4', solution: 'A' }, row);
    // The first row tells the form; each is read in its own here.
    const { issues } = readItemsWithIssues(lines(row));
    expect(issues.map((issue) => formatIssue(issue)).join('\n')).toMatch(message);
    expect(path).toMatch(/jsonl$/);
  });
});

describe('Parquet', () => {
  it.each(['none', 'snappy', 'gzip', 'zstd', 'brotli'])('verl, %s', (codec) => {
    const { items, format, warnings } = readItems(join(GOLDENS, `verl.${codec}.parquet`));
    expect([format, warnings, items.length]).toEqual(['verl', [], 5]);
    expect(items[3]).toMatchObject({
      ...base,
      id: '3',
      media: [{ path: '3.mp4', fps: 2, max_frames: 16 }],
      provenance: { data_source: 'clips' },
    });
    expect(items.map(({ answer }) => answer.join())).toEqual(['A', 'B', 'A', 'B', 'A']);
  });

  it('EasyR1: empty lists, several images, text alone, pages of version 2', () => {
    const { items, format } = readItems(join(GOLDENS, 'easyr1.parquet'));
    expect(format).toBe('easyr1');
    expect(items.map(({ media, type }) => [media.map(({ path }) => path), type])).toEqual([
      [['a.png', 'b.png'], 'multiple choice'],
      [['a.mp4'], 'numerical'],
      [[], 'numerical'],
    ]);
  });

  it('refuses pictures inside the file, by the field', () => {
    const { issues } = readItemsWithIssues(join(GOLDENS, 'bytes.parquet'));
    expect(formatIssue(issues[0]!)).toMatch(
      /:1: item #1: field "images": the picture stands inside the file as bytes/,
    );
  });

  it('names a compression that it does not read, and a file that is damaged', () => {
    expect(() => readItems(join(GOLDENS, 'verl.lz4.parquet'))).toThrow(
      /column data_source is compressed with LZ4_RAW, which is not read/,
    );
    const bytes = readFileSync(join(GOLDENS, 'verl.snappy.parquet'));
    const cut = join(folder, 'cut.parquet');
    writeFileSync(cut, bytes.subarray(0, bytes.length - 40));
    expect(() => readItems(cut)).toThrow(/no Parquet file that can be read/);
    const whole = join(folder, 'whole.bin');
    copyFileSync(join(GOLDENS, 'verl.zstd.parquet'), whole);
    expect(readItems(whole).items).toHaveLength(5);
  });
});
