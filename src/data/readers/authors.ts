/**
 * The authors' and Video-R1's records: `{problem, video, solution}`, with `options`, `problem_type`, `path` and more in the files for
 * evaluation. MMVU, MVBench and Video-MME come in this form too and add their own dimensions; EasyR1's rows have lists of `videos` and
 * `images`.
 * Source: longmalongma/TW-GRPO (data/evaluation, src/open_r1/grpo.py), tulerfeng/Video-R1, hiyouga/EasyR1 (verl/utils/dataset.py).
 */
import { z } from 'zod';
import { parseAnswer } from '../../answers/index.ts';
import { text } from '../item.ts';
import { mediaOf, type RecordPlace } from './media-fields.ts';
import { placeMedia } from './placeholders.ts';
import { questionOf, truthOf } from './question-fields.ts';
import type { ReadSink, RowReader } from './reader.ts';

const identifier = z.union([z.string().min(1).max(500), z.number()]);

const rowSchema = z.looseObject({
  id: identifier.optional(),
  problem_id: identifier.optional(),
  question_id: identifier.optional(),
  problem: text(),
  options: z.array(text(20_000)).nullish(),
  solution: z.unknown().optional(),
  answer: z.unknown().optional(),
  // Files for evaluation carry the field empty.
  process: z.union([z.literal(''), text()]).nullish(),
  // The authors' records for supervised training: reasoning and answer of another model.
  thinking: z.union([z.literal(''), text()]).nullish(),
  model_answer: z.union([z.literal(''), text(10_000)]).nullish(),
  data_type: z.string().nullish(),
  problem_type: z.string().nullish(),
  data_source: z.unknown().optional(),
  dims: z.record(z.string(), z.string()).optional(),
  provenance: z.record(z.string(), z.unknown()).optional(),
});
type AuthorsRow = z.output<typeof rowSchema>;

/** The fields and rules that one benchmark adds to this form. */
export interface AuthorsVariant {
  /** Field with the item's own id; else the first of id, question_id and problem_id that is there. */
  readonly idField?: string;
  readonly dims?: (row: AuthorsRow, path: string) => Record<string, string>;
  /** True where `answer` repeats the solution as letter or as the option's text, and is compared with it. */
  readonly checkAnswer?: boolean;
}

/** Makes a reader for one variant. */
export function authorsReader(variant: AuthorsVariant = {}): RowReader {
  return (row, sink, index) => {
    const { line } = row;
    const given = Object(row.value) as Record<string, unknown>;
    const id = idOf(given, variant, index);
    const place: RecordPlace = { line, item: id, sink };
    const keys = Object.keys(given);
    if (
      keys.length > 0 &&
      !Array.isArray(row.value) &&
      typeof row.value === 'object' &&
      given['problem'] === undefined
    )
      return sink.reject(
        line,
        'missing_field',
        `expected the question in "problem", or one of the forms in docs/data.md, got the keys ${keys.join(', ').slice(0, 120)}`,
        { item: id, field: 'problem' },
      );
    const record = sink.parse(rowSchema, row.value, line, id);
    if (record === undefined) return undefined;
    const media = mediaOf(given, place);
    if (media === undefined) return undefined;
    if (!media.isStated)
      return sink.reject(
        line,
        'missing_field',
        'expected a path in "video", "path" or "image"; a question of text alone says "data_type": "text"',
        { item: id, field: 'video' },
      );
    const isList = ['videos', 'images'].some((key) => Array.isArray(given[key]));
    const shown = placeMedia(record.problem, media, isList);
    if (shown.problem !== undefined)
      return sink.reject(line, 'bad_field', shown.problem, { item: id, field: 'problem' });
    const question = questionOf(
      {
        problem: shown.text,
        options: record.options ?? undefined,
        ...truthOf(given),
        type: record.problem_type ?? undefined,
      },
      place,
    );
    if (question === undefined) return undefined;
    const process = processOf(record, question.answer, line, sink, id);
    if (process === undefined) return undefined;
    sink.add(line, {
      id,
      media: [...shown.media],
      ...question,
      ...(process === '' ? {} : { process }),
      dims: { ...record.dims, ...variant.dims?.(record, shown.media[0]?.path ?? '') },
      provenance: { ...record.provenance, ...textFields(record, ['data_source']) },
    });
    if (variant.checkAnswer === true)
      compareAnswer(record, question.options, question.answer, line, sink, id);
    return undefined;
  };
}

function idOf(record: Record<string, unknown>, variant: AuthorsVariant, index: number): string {
  const names = variant.idField === undefined ? ['id', 'question_id', 'problem_id'] : [variant.idField];
  for (const name of names) {
    const value = record[name];
    if (typeof value === 'number' || (typeof value === 'string' && value !== '')) return String(value);
  }
  // Rows without an id are named by their place in the file.
  return `#${index + 1}`;
}

/** The written-out reasoning, from `process` or `thinking`; '' for none, undefined when the record is refused. */
function processOf(
  record: AuthorsRow,
  letters: readonly string[],
  line: number,
  sink: ReadSink,
  item: string,
): string | undefined {
  const { process, thinking, model_answer } = record;
  if (model_answer && letters.length > 0) {
    const given = parseAnswer(`<answer>${model_answer}</answer>`, { parser: 'tolerant' }).letters;
    if (given.join() !== letters.join()) {
      sink.reject(
        line,
        'model_answer',
        `the model_answer ${JSON.stringify(model_answer.slice(0, 60))} is not the solution ${letters.join(',')}, so its thinking leads elsewhere`,
        { item, field: 'model_answer' },
      );
      return undefined;
    }
  }
  if (process) return process;
  if (!thinking) return '';
  return thinking.includes('<think>') ? thinking : `<think>${thinking}</think>`;
}

function compareAnswer(
  record: AuthorsRow,
  options: readonly string[],
  letters: readonly string[],
  line: number,
  sink: ReadSink,
  item: string,
): void {
  const { answer } = record;
  if (typeof answer !== 'string' || answer === '' || letters.length !== 1) return;
  const option = options[letters[0]!.charCodeAt(0) - 65];
  if (answer === letters[0] || answer === option) return;
  const isSpacing = answer.trim() === option;
  sink.warn(
    line,
    isSpacing ? 'answer_spacing' : 'answer_conflict',
    isSpacing
      ? 'the answer differs from its option by blanks only'
      : `the solution names ${letters[0]} (${JSON.stringify(option)}), but the answer says ${JSON.stringify(answer.slice(0, 100))}; the solution is used`,
    { item, field: 'answer' },
  );
}

/** The folder of a path that tells the subset: what the first marker that fits has in its group. */
function folderOf(path: string, ...markers: readonly RegExp[]): string {
  return markers.map((marker) => marker.exec(path)?.[1]).find((name) => name !== undefined) ?? 'unknown';
}

const textFields = (record: AuthorsRow, names: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    names.filter((name) => typeof record[name] === 'string').map((name) => [name, record[name] as string]),
  );

export const AUTHORS_VARIANTS = {
  /** Training files of the authors, and Video-R1's. */
  authors: {},
  easyr1: {},
  /** `/MMVU/videos/Chemistry/0.mp4` */
  mmvu: { dims: (_, path) => ({ discipline: folderOf(path, /(?:^|\/)videos\/([^/]+)\//) }) },
  /** `/MVBench/clevrer/video_validation/video_12176.mp4`, or from the folder of the subset on */
  mvbench: {
    checkAnswer: true,
    dims: (_, path) => ({ task: folderOf(path, /(?:^|\/)MVBench\/([^/]+)\//, /^\/?([^/.]+)\//) }),
  },
  videomme: {
    idField: 'question_id',
    checkAnswer: true,
    dims: (record) => textFields(record, ['duration', 'domain', 'sub_category', 'task_type']),
  },
} as const satisfies Record<string, AuthorsVariant>;
