/** @file Question files: JSON, JSON Lines and CSV of every form that is read, and Parquet. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Random } from '../../../src/base/index.ts';
import { DATA_FORMATS, readItemsWithIssues } from '../../../src/data/index.ts';
import { mutateBytes, mutateJson } from '../mutate.ts';
import type { FuzzTarget } from '../target.ts';

const answer = {
  problem: 'What falls?\nA. cube\nB. ball',
  solution: '<answer>B</answer>',
  data_type: 'video',
};
const messages = [
  { role: 'user', content: '<video>What falls?' },
  { role: 'assistant', content: 'the ball' },
];
const RECORDS: readonly object[] = [
  { ...answer, video: 'a.mp4', problem_id: 1, options: ['A. cube', 'B. ball'] },
  { id: '1', path: 'a.mp4', question: 'Which?', options: ['x', 'y'], answer: ['A'], start: 1, end: 2 },
  {
    id: '2',
    video: '1/2.mp4',
    question: 'why',
    options: ['(A) x', '(B) y'],
    glue: [[1, 2]],
    answer: '(B)',
    type: 'CW',
  },
  {
    question_id: 'I_1',
    video_id: 'A',
    choices: [{ choice_id: 0, choice: 'x' }],
    answer: 'x',
    question: 'Which?',
    start: 1,
  },
  {
    scene_index: 1,
    video_filename: 'a.mp4',
    questions: [{ question_id: 0, question_type: 'descriptive', question: 'How many?', answer: '3' }],
  },
  { problem: '<video>What?', answer: 'B', videos: ['a.mp4'], images: ['a.png'] },
  { prompt: messages, reward_model: { ground_truth: 'B' }, videos: [{ video: 'a.mp4', fps: 2 }] },
  { messages, videos: ['a.mp4'], solution: 'B' },
  {
    conversations: [
      { from: 'human', value: '<video>x' },
      { from: 'gpt', value: 'y' },
    ],
    videos: ['a.mp4'],
  },
  { instruction: 'What?', input: '', output: 'y', videos: ['a.mp4'] },
  { timestamps: [[0, 1]], sentences: ['x'], video: 'a.mp4' },
];
const WORDS = [
  '"',
  '\\u0000',
  '\\ud800',
  '[[',
  '{"a":',
  '\n',
  ',',
  'null',
  '1e999',
  '\ufeff',
  '"video":',
  '"__proto__":',
];
const KEYS = ['__proto__', 'constructor', ...RECORDS.flatMap((record) => Object.keys(record))];

/** The first byte says what the file is called and which format is named; the rest is its content. */
const content = (input: Uint8Array): Uint8Array => input.subarray(1);

function readFile(input: Uint8Array, folder: string): boolean {
  const kind = input[0] ?? 0;
  const file = join(folder, kind % 8 === 7 ? 'rows.csv' : 'rows.jsonl');
  writeFileSync(file, content(input));
  const format = kind < 128 ? 'auto' : DATA_FORMATS[kind % DATA_FORMATS.length]!;
  const { items, issues, numQuestions } = readItemsWithIssues(file, { format });
  const errors = issues.filter(({ severity }) => severity === 'error').length;
  // A question is read, or an error; only a file that is no list at all has an error without a question.
  if (items.length + errors < numQuestions)
    throw new Error(`${numQuestions} questions, ${items.length} and ${errors}`);
  return errors === 0;
}

const seed = (kind: number, text: string | Uint8Array): Uint8Array =>
  Buffer.concat([Uint8Array.of(kind), Buffer.from(text)]);

export const rows: FuzzTarget = {
  name: 'rows',
  wanted: 40_000,
  seeds: () => [
    ...RECORDS.map((record) => seed(0, `${JSON.stringify(record)}\n${JSON.stringify(record)}\n`)),
    seed(0, JSON.stringify(RECORDS)),
    seed(0, JSON.stringify({ a: RECORDS[0], b: RECORDS[1] }, null, 1)),
    seed(0, JSON.stringify({ 'a.mp4': { dim: [{ question: 'x?', answer: 'y' }] } })),
    seed(
      7,
      'video,frame_count,width,height,question,answer,qid,type,a0,a1\n1,2,3,4,"what, now?",0,1,CW,x,y\n',
    ),
  ],
  mutate: (random, input, others) => {
    const kind = random.below(3) === 0 ? random.below(256) : input[0]!;
    const made = random.below(2) === 0 ? restructured(random, content(input)) : undefined;
    return seed(kind, made ?? mutateBytes(random, content(input), others, WORDS, 1 << 18));
  },
  run: readFile,
};

/** One line or the whole of the text changed as JSON; undefined where it is none. */
function restructured(random: Random, bytes: Uint8Array): string | undefined {
  const lines = Buffer.from(bytes).toString('utf8').split('\n');
  const at = random.below(lines.length);
  try {
    return lines.with(at, JSON.stringify(mutateJson(random, JSON.parse(lines[at]!), KEYS)) ?? '').join('\n');
  } catch {
    return undefined;
  }
}

const GOLDENS = join(import.meta.dirname, '../../goldens/rows');

export const parquet: FuzzTarget = {
  name: 'parquet',
  wanted: 10_000,
  seeds: () =>
    readdirSync(GOLDENS)
      .filter((name) => name.endsWith('.parquet'))
      .map((name) => seed(0, readFileSync(join(GOLDENS, name)))),
  mutate: (random, input, others) =>
    seed(0, footed(random, mutateBytes(random, content(input), others, ['PAR1']))),
  run: readFile,
};

/** Mostly with the marks that make it a Parquet file, so that the reader goes on. */
function footed(random: Random, bytes: Uint8Array): Uint8Array {
  if (random.below(8) === 0 || bytes.length < 12) return bytes;
  const file = Buffer.from(bytes);
  file.write('PAR1', 0, 'latin1');
  file.write('PAR1', file.length - 4, 'latin1');
  return file;
}
