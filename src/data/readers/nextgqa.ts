/**
 * NExT-GQA: the JSON form with options "(A) …" and answer "(C)" (VideoChat-R1's annotations), and the official CSV
 * (doc-doc/NExT-GQA datasets/nextgqa/{val,test}.csv: video_id, question, answer, qid, type, a0 … a4).
 */
import { z } from 'zod';
import { text } from '../item.ts';
import { splitLabel, unlabel } from '../options.ts';
import type { RowReader } from './reader.ts';

const jsonSchema = z.looseObject({
  id: text(500),
  video: text(4096),
  question: text(),
  options: z.array(text(20_000)).min(1),
  answer: text(20_000),
  type: z.string(),
  duration: z.number().optional(),
  glue: z.array(z.array(z.number()).length(2)).optional(),
});

export const readNextGqaRow: RowReader = (row, sink) => {
  const record = sink.parse(jsonSchema, row.value, row.line);
  if (record === undefined) return undefined;
  const options = unlabel(record.options);
  if (options === undefined) {
    return sink.reject(row.line, 'bad_letters', 'the letters of the options do not run A, B, C …', {
      item: record.id,
      field: 'options',
    });
  }
  const letter = splitLabel(`${record.answer} `).letter ?? record.answer.trim();
  return sink.add(row.line, {
    id: record.id,
    media: [{ path: record.video }],
    question: record.question,
    options,
    answer: [letter],
    dims: { type: record.type },
    // Where the answer can be seen, in seconds; not the clip to show.
    provenance: {
      ...(record.duration === undefined ? {} : { duration: record.duration }),
      ...(record.glue === undefined ? {} : { glue: record.glue }),
    },
  });
};

const csvSchema = z.looseObject({
  video_id: text(200),
  question: text(),
  answer: text(20_000),
  qid: text(50),
  type: text(50),
  a0: text(20_000),
  a1: text(20_000),
  a2: text(20_000),
  a3: text(20_000),
  a4: text(20_000),
});

export const readNextGqaCsvRow: RowReader = (row, sink) => {
  const record = sink.parse(csvSchema, row.value, row.line);
  if (record === undefined) return undefined;
  const id = `${record.video_id}_${record.qid}`;
  const options = [record.a0, record.a1, record.a2, record.a3, record.a4];
  // NExT-QA gives the number of the right option, NExT-GQA its text.
  const byText = options.flatMap((option, index) => (option === record.answer ? [index] : []));
  const number = /^[0-4]$/.test(record.answer) && byText.length === 0 ? Number(record.answer) : byText[0];
  if (number === undefined) {
    return sink.reject(
      row.line,
      'answer_conflict',
      `the answer ${JSON.stringify(record.answer.slice(0, 100))} is none of the options`,
      { item: id, field: 'answer' },
    );
  }
  if (byText.length > 1) {
    sink.warn(
      row.line,
      'ambiguous_answer',
      `the answer is the text of ${byText.length} options; the first is used`,
      { item: id, field: 'answer' },
    );
  }
  return sink.add(row.line, {
    id,
    media: [{ path: `${record.video_id}.mp4` }],
    question: record.question,
    options,
    answer: ['ABCDE'[number]!],
    dims: { type: record.type },
  });
};
