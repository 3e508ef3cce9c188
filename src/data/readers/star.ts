/**
 * STAR (csbobby/STAR_Benchmark): situated questions about clips of Charades videos, four choices, the answer given as text.
 * The kind of question is the beginning of its id: Interaction, Sequence, Prediction, Feasibility.
 */
import { z } from 'zod';
import { LETTERS, text } from '../item.ts';
import type { RowReader } from './reader.ts';

const rowSchema = z.looseObject({
  question_id: text(200),
  video_id: text(200),
  start: z.number(),
  end: z.number(),
  question: text(),
  answer: text(20_000),
  choices: z
    .array(z.looseObject({ choice_id: z.int(), choice: text(20_000) }))
    .min(2)
    .max(26),
});

export const readStarRow: RowReader = (row, sink) => {
  const record = sink.parse(rowSchema, row.value, row.line);
  if (record === undefined) return undefined;
  const options = [...record.choices]
    .sort((a, b) => a.choice_id - b.choice_id)
    .map((choice) => choice.choice);
  const right = options.indexOf(record.answer);
  const id = record.question_id;
  if (right < 0) {
    return sink.reject(
      row.line,
      'answer_conflict',
      `the answer ${JSON.stringify(record.answer.slice(0, 100))} is none of the choices`,
      { item: id, field: 'answer' },
    );
  }
  const [type, template] = id.split('_');
  return sink.add(row.line, {
    id,
    media: [{ path: `${record.video_id}.mp4`, start: record.start, end: record.end }],
    question: record.question,
    options,
    answer: [LETTERS[right]!],
    dims: { type: type!, template: `${type}_${template ?? ''}` },
  });
};
