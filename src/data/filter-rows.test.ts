import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { scratchFolder } from '../../tests/support/scratch-folder.ts';
import { csvText } from './csv.ts';
import { filterRows } from './filter-rows.ts';
import { invertLikeAuthors } from './qai/index.ts';
import { readItems, readQuestionRecords } from './read-items.ts';

const scratch = scratchFolder();

const star = {
  problem_id: 7,
  problem: 'Which object did the person eat?',
  data_type: 'video',
  problem_type: 'multiple choice',
  options: ['A. The medicine.', 'B. The sandwich.'],
  solution: '<answer>A</answer>',
  path: './STAR/Charades_v1_480/6H78U.mp4',
  data_source: 'STAR',
};
const file = join(scratch, 'Video-R1-260k.json');
writeFileSync(
  file,
  JSON.stringify([
    star,
    { ...star, problem_id: 8, data_source: 'PerceptionTest' },
    { ...star, problem_id: 9, problem_type: 'OCR' },
  ]),
);

it('keeps the records whose fields have the values, as they stand', () => {
  const { records, num_records } = filterRows(file, [
    { field: 'data_source', value: 'STAR' },
    { field: 'problem_type', value: 'multiple choice' },
  ]);
  expect(records).toEqual([star]);
  expect(num_records).toBe(3);
  expect(filterRows(file, [{ field: 'problem_id', value: '8' }]).records).toHaveLength(1);
});

it('takes CSV as it takes the others, and what it keeps reads as it did', () => {
  const question = 'video_id,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4';
  const rows = [
    '4010069381,369,640,480,"how do the two men, ""play"" it",1,6,CH,roll,"tap, their feet",strum,hit,pat',
    '4010069381,369,640,480,why,0,7,CW,a,b,c,d,e',
  ];
  const csv = join(scratch, 'val.csv');
  writeFileSync(csv, `${[question, ...rows].join('\n')}\n`);
  const { records, num_records } = filterRows(csv, [{ field: 'type', value: 'CH' }]);
  expect({ kept: records.length, num_records }).toEqual({ kept: 1, num_records: 2 });
  expect(csvText(records)).toBe(`${question}\n${rows[0]}\n`);
  const kept = join(scratch, 'kept.csv');
  writeFileSync(kept, csvText(records));
  expect(readItems(kept).items).toEqual(readItems(csv).items.slice(0, 1));
  expect(readQuestionRecords(csv, { where: [{ field: 'type', value: 'CH' }] })).toMatchObject({
    num_picked: 1,
    num_records: 2,
    format: 'nextgqa-csv',
    records: [{ record: records[0], item: { question: 'how do the two men, "play" it' } }],
  });
});

it('says what is there instead of what is not', () => {
  const thrown = (field: string, value: string): unknown => {
    try {
      return filterRows(file, [{ field, value }]);
    } catch (error) {
      return error;
    }
  };
  expect(thrown('source', 'STAR')).toMatchObject({
    message: `${file}: no record has a field "source"`,
    hint: 'the first record has problem_id, problem, data_type, problem_type, options, solution, path, data_source',
  });
  expect(thrown('data_source', 'star')).toMatchObject({
    message: `${file}: no record has data_source=star among 3`,
    hint: 'it is STAR (2), PerceptionTest (1)',
  });
});

it("STAR records of Video-R1 are inverted in the authors' form", () => {
  const [record] = invertLikeAuthors([{ value: star, line: 1 }], { seed: 1, set: 'star' }).records;
  // random.seed(1): the first draw is 0.134, so the item is inverted.
  expect(record).toMatchObject({ id: '7', video: '/NExTQA/videos/6H78U.mp4', type: 'MC', is_negated: true });
  expect(record!.options).toHaveLength(2);
  // random.seed(2): 0.956, so it stays as it is.
  const [kept] = invertLikeAuthors([{ value: star, line: 1 }], { seed: 2, set: 'star' }).records;
  expect(kept).toMatchObject({
    is_negated: false,
    options: ['The medicine.', 'The sandwich.'],
    solution: '<answer>A</answer>',
  });
  expect(() =>
    invertLikeAuthors([{ value: { ...star, data_source: 'NeXT-QA' }, line: 4 }], { seed: 1, set: 'star' }),
  ).toThrow('records:4: data_source is "NeXT-QA", expected STAR');
});
