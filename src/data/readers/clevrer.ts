/**
 * CLEVRER's official question files: a list of scenes with their questions. Descriptive questions have one word as answer;
 * explanatory, predictive and counterfactual ones have choices of which none, some or all are right.
 * Source: data.csail.mit.edu/clevrer/README.txt.
 */
import { z } from 'zod';
import { type DataItemInput, LETTERS, lettersOf, text } from '../item.ts';
import type { Row } from '../rows.ts';
import type { ReadSink, RowReader } from './reader.ts';

export const CLEVRER_QUESTION_TYPES = ['descriptive', 'explanatory', 'predictive', 'counterfactual'] as const;

const choiceSchema = z.looseObject({
  choice_id: z.int(),
  choice: text(20_000),
  answer: z.enum(['correct', 'wrong']).optional(),
});

const questionSchema = z.looseObject({
  question_id: z.int(),
  question_type: z.enum(CLEVRER_QUESTION_TYPES),
  question_subtype: z.string().optional(),
  question: text(),
  answer: text(1000).optional(),
  choices: z.array(choiceSchema).min(1).max(26).optional(),
});

const sceneSchema = z.looseObject({
  scene_index: z.int(),
  video_filename: text(500),
  questions: z.array(z.unknown()),
});

/** Words a descriptive question can be answered with, by what they tell; they become the options. */
const DESCRIPTIVE_ANSWERS: readonly (readonly string[])[] = [
  ['yes', 'no'],
  ['0', '1', '2', '3', '4', '5'],
  ['blue', 'brown', 'cyan', 'gray', 'green', 'purple', 'red', 'yellow'],
  ['cube', 'cylinder', 'sphere'],
  ['metal', 'rubber'],
];

/**
 * `video_10000-11000/video_10009.mp4`, where the official archives put it. A name with folders, as other makers of this form
 * write it, is a path already.
 */
export function clevrerPath(sceneIndex: number, filename: string): string {
  if (filename.includes('/')) return filename;
  const first = Math.floor(sceneIndex / 1000) * 1000;
  const name = (index: number): string => String(index).padStart(5, '0');
  return `video_${name(first)}-${name(first + 1000)}/${filename}`;
}

/** A question whose answers are known; `answer` is empty when no choice is right. */
export interface ClevrerQuestion extends DataItemInput {
  readonly line: number;
}

/** The questions of one scene. What cannot be used is noted in the sink. */
export function clevrerQuestions(
  row: Row,
  sink: ReadSink,
  types: readonly string[] = CLEVRER_QUESTION_TYPES,
): ClevrerQuestion[] {
  const scene = sink.parse(sceneSchema, row.value, row.line);
  if (scene?.questions.length === 0)
    sink.warn(row.line, 'no_questions', `scene ${scene.scene_index} has no questions`, {
      field: 'questions',
    });
  return (scene?.questions ?? []).flatMap((value) => {
    const question = sink.parse(questionSchema, value, row.line, `scene ${scene!.scene_index}`);
    if (question === undefined || !types.includes(question.question_type)) return [];
    const id = `${scene!.scene_index}-${question.question_id}`;
    const choices = choicesOf(question, row.line, sink, id);
    if (choices === undefined) return [];
    const { question_type, question_subtype } = question;
    return {
      line: row.line,
      id,
      media: [{ path: clevrerPath(scene!.scene_index, scene!.video_filename) }],
      question: question.question,
      ...choices,
      dims: { question_type, ...(question_subtype ? { question_subtype } : {}) },
      provenance: { scene_index: scene!.scene_index, question_id: question.question_id },
    };
  });
}

/**
 * Makes a reader. Questions with choices of which none is right are rejected as `no_answer`: the authors leave them out, and
 * `convertClevrer` puts them in a file of their own.
 */
export function clevrerReader(types?: readonly string[]): RowReader {
  return (row, sink) => {
    for (const { line, ...item } of clevrerQuestions(row, sink, types)) {
      if (item.answer.length > 0) sink.add(line, item);
      else
        sink.reject(line, 'no_answer', 'none of the choices is right', { item: item.id, field: 'choices' });
    }
  };
}

function choicesOf(
  { choices, answer }: z.output<typeof questionSchema>,
  line: number,
  sink: ReadSink,
  item: string,
): { readonly options: string[]; readonly answer: string[] } | undefined {
  if (choices === undefined) {
    const words = DESCRIPTIVE_ANSWERS.find((list) => answer !== undefined && list.includes(answer));
    if (words !== undefined) return { options: [...words], answer: [LETTERS[words.indexOf(answer!)]!] };
    if (answer === undefined)
      sink.reject(line, 'no_answer', 'the question has no answer (test split?)', { item, field: 'answer' });
    else
      sink.reject(line, 'bad_answer', `unknown answer ${JSON.stringify(answer)}`, { item, field: 'answer' });
    return undefined;
  }
  const sorted = [...choices].sort((a, b) => a.choice_id - b.choice_id);
  if (sorted.some((choice) => choice.answer === undefined)) {
    sink.reject(line, 'no_answer', 'the choices have no answers (test split?)', { item, field: 'choices' });
    return undefined;
  }
  const right = sorted.flatMap((choice, index) => (choice.answer === 'correct' ? [index] : []));
  return { options: sorted.map((choice) => choice.choice), answer: lettersOf(right) };
}
