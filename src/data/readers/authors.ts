/**
 * The authors' and Video-R1's records: `{problem, video, solution}`, with `options`, `problem_type`, `path` and more in the files for
 * evaluation. MMVU, MVBench and Video-MME come in this form too and add their own dimensions.
 * Source: longmalongma/TW-GRPO (data/evaluation, src/open_r1/grpo.py), tulerfeng/Video-R1.
 */
import { z } from 'zod';
import { parseAnswer, parseSolution } from '../../answers/index.ts';
import { type DataItemInput, text } from '../item.ts';
import { splitProblem, unlabel } from '../options.ts';
import type { ReadSink, RowReader } from './reader.ts';

const identifier = z.union([z.string().min(1).max(500), z.number()]);

const rowSchema = z.looseObject({
  id: identifier.optional(),
  problem_id: identifier.optional(),
  question_id: identifier.optional(),
  problem: text(),
  options: z.array(text(20_000)).optional(),
  solution: text(10_000),
  answer: z.unknown().optional(),
  // Files for evaluation carry the field empty.
  process: z.union([z.literal(''), text()]).nullish(),
  // The authors' records for supervised training: reasoning and answer of another model.
  thinking: z.union([z.literal(''), text()]).nullish(),
  model_answer: z.union([z.literal(''), text(10_000)]).nullish(),
  video: text(4096).optional(),
  path: text(4096).optional(),
  image: text(4096).optional(),
  data_type: z.string().optional(),
  problem_type: z.string().optional(),
  data_source: z.unknown().optional(),
  start: z.number().optional(),
  end: z.number().optional(),
  fps: z.number().optional(),
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

const MULTIPLE_CHOICE = new Set(['multiple choice', 'mc', 'MC', '']);

/** Makes a reader for one variant. */
export function authorsReader(variant: AuthorsVariant = {}): RowReader {
  return (row, sink, index) => {
    const { line } = row;
    const id = idOf(Object(row.value) as Record<string, unknown>, variant, index);
    const record = sink.parse(rowSchema, row.value, line, id);
    if (record === undefined) return undefined;
    const type = record.problem_type ?? '';
    if (!MULTIPLE_CHOICE.has(type)) {
      return sink.reject(
        line,
        'unsupported_type',
        `only multiple choice is read, this is ${JSON.stringify(type.slice(0, 60))}`,
        { item: id, field: 'problem_type' },
      );
    }
    const media = mediaOf(record, line, sink, id);
    const choices = media && choicesOf(record, line, sink, id);
    const answer = choices && answerOf(record, line, sink, id);
    if (media === undefined || choices === undefined || answer === undefined) return undefined;
    const process = processOf(record, answer, line, sink, id);
    if (process === undefined) return undefined;
    sink.add(line, {
      id,
      ...media,
      ...(record.start === undefined ? {} : { start: record.start }),
      ...(record.end === undefined ? {} : { end: record.end }),
      ...(record.fps === undefined || media.media !== 'frames' ? {} : { fps: record.fps }),
      ...choices,
      answer,
      ...(process === '' ? {} : { process }),
      type: type === '' ? 'multiple choice' : type,
      dims: { ...record.dims, ...variant.dims?.(record, media.path) },
      provenance: { ...record.provenance, ...textFields(record, ['data_source']) },
    });
    if (variant.checkAnswer === true) compareAnswer(record, choices.options, answer, line, sink, id);
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

function mediaOf(
  record: AuthorsRow,
  line: number,
  sink: ReadSink,
  item: string,
): { readonly media: 'video' | 'frames' | 'image'; readonly path: string } | undefined {
  const path = record.video ?? record.path ?? record.image;
  if (path === undefined) {
    sink.reject(line, 'missing_field', 'expected a path in "video", "path" or "image"', {
      item,
      field: 'video',
    });
    return undefined;
  }
  const isImage = record.data_type === 'image' || (record.video === undefined && record.path === undefined);
  return { media: isImage ? 'image' : record.data_type === 'frame' ? 'frames' : 'video', path };
}

/** Question and options: from the `options` field, else out of the problem's text, which is then kept to the letter. */
function choicesOf(
  record: AuthorsRow,
  line: number,
  sink: ReadSink,
  item: string,
): Pick<DataItemInput, 'question' | 'options' | 'problem'> | undefined {
  const { problem, options } = record;
  const inside = splitProblem(problem);
  if (options !== undefined && options.length > 0) {
    const plain = unlabel(options);
    if (plain === undefined) {
      sink.reject(line, 'bad_letters', 'the letters of the options do not run A, B, C …', {
        item,
        field: 'options',
      });
      return undefined;
    }
    // Some files repeat the options inside the problem text.
    const isRepeated = inside !== undefined && inside.options.length === plain.length;
    return isRepeated
      ? { question: inside.question, options: plain, problem }
      : { question: problem, options: plain };
  }
  if (inside === undefined) {
    sink.reject(line, 'no_options', 'no "options", and no lettered options (A. …) inside the problem', {
      item,
      field: 'problem',
    });
    return undefined;
  }
  return { ...inside, problem };
}

function answerOf(record: AuthorsRow, line: number, sink: ReadSink, item: string): string[] | undefined {
  try {
    return [...parseSolution(record.solution)];
  } catch (error) {
    const isEmpty = /^\s*(?:<answer>\s*<\/answer>)?\s*$/.test(record.solution);
    sink.reject(line, isEmpty ? 'no_answer' : 'bad_solution', (error as Error).message, {
      item,
      field: 'solution',
    });
    return undefined;
  }
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
  if (model_answer) {
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
