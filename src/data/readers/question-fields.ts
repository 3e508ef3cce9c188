/** The question, its options and its true answer, as the readers of rows for training share them. */
import { parseAnswer, parseSolution, solutionProblem, taskOf } from '../../answers/index.ts';
import type { DataItemInput } from '../item.ts';
import { splitProblem, unlabel } from '../options.ts';
import type { RecordPlace } from './media-fields.ts';
import { shorten } from './reader.ts';

export interface RawQuestion {
  /** The question, with or without its options. */
  readonly problem: string;
  readonly options?: readonly string[] | undefined;
  /** The true answer: letters, a tag around them, an option's text, a number, a text; undefined where there is none. */
  readonly truth: string | undefined;
  /** Field that the true answer stands in. */
  readonly field: string;
  /** `problem_type`; absent or empty: multiple choice where there are options, else open. */
  readonly type?: string | undefined;
}

export type QuestionFields = Pick<
  DataItemInput,
  'question' | 'options' | 'problem' | 'answer' | 'solution' | 'type'
>;

/** Fields of an item; undefined when the record was refused. */
export function questionOf(raw: RawQuestion, place: RecordPlace): QuestionFields | undefined {
  const { line, item, sink } = place;
  const { problem, options = [], truth, field } = raw;
  const type = raw.type ?? '';
  const task = type === '' ? undefined : taskOf(type);
  const refuse = (code: string, message: string, where: string): undefined => {
    sink.reject(line, code, message, { item, field: where });
    return undefined;
  };
  if (type !== '' && task === undefined)
    return refuse(
      'unsupported_type',
      `${JSON.stringify(type.slice(0, 60))} is no kind that is known; "open" is for a reward module of your own`,
      'problem_type',
    );
  const inner = truth === undefined ? undefined : withoutTag(truth);
  if (task === undefined || task === 'multiple choice') {
    const choices = choicesOf(problem, options, place);
    if (choices === undefined) return undefined;
    if (choices !== 'none') {
      if (truth === undefined) return refuse('missing_field', NO_TRUTH, field);
      const letters = lettersIn(truth, choices.options);
      if (Array.isArray(letters))
        return { ...choices, answer: letters, type: type === '' ? 'multiple choice' : type };
      return refuse(inner === '' ? 'no_answer' : 'bad_solution', shorten(letters.message), field);
    }
    const isLetters = inner !== undefined && /^(?:[A-Z](?:\s*,\s*[A-Z])*)?$/.test(inner);
    if (task === 'multiple choice' || isLetters)
      return refuse(
        'no_options',
        'no "options", and no lettered options (A. …) inside the problem',
        'problem',
      );
  }
  const kind = task ?? 'open';
  if (inner === undefined && kind !== 'open') return refuse('missing_field', NO_TRUTH, field);
  const wrong = inner === undefined ? undefined : solutionProblem(kind, inner);
  if (wrong !== undefined) return refuse(inner === '' ? 'no_answer' : 'bad_solution', wrong, field);
  if (options.length > 0)
    sink.warn(line, 'options_ignored', `the options of a ${kind} question are not shown`, {
      item,
      field: 'options',
    });
  return {
    question: problem,
    options: [],
    answer: [],
    ...(inner === undefined ? {} : { solution: inner }),
    type: type === '' ? 'open' : type,
  };
}

const NO_TRUTH = 'expected the true answer in "solution" or "answer"';

function withoutTag(truth: string): string {
  return (/<answer>(.*?)<\/answer>/s.exec(truth)?.[1] ?? truth).trim();
}

/** Right letters, by the authors' rule or as a careful reader would; else what is wrong. */
function lettersIn(truth: string, options: readonly string[]): string[] | Error {
  try {
    return [...parseSolution(truth)];
  } catch (error) {
    const { letters, failed } = parseAnswer(`<answer>${withoutTag(truth)}</answer>`, {
      parser: 'tolerant',
      options,
    });
    return failed ? (error as Error) : [...letters];
  }
}

/** Question and options: from the `options` field, else out of the problem's text, which is then kept to the letter. */
function choicesOf(
  problem: string,
  options: readonly string[],
  { line, item, sink }: RecordPlace,
): Pick<QuestionFields, 'question' | 'options' | 'problem'> | 'none' | undefined {
  const inside = splitProblem(problem);
  if (options.length === 0) return inside === undefined ? 'none' : { ...inside, problem };
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

/** Fields with the true answer, the first that is there counts. */
const TRUTH_FIELDS = ['solution', 'answer', 'ground_truth'] as const;

/** The true answer of a record and its field; numbers and one-element lists count as texts. */
export function truthOf(record: Readonly<Record<string, unknown>>): {
  readonly truth: string | undefined;
  readonly field: string;
} {
  const inner = (key: string): Readonly<Record<string, unknown>> => Object(record[key]);
  const places: (readonly [string, unknown])[] = [
    ...TRUTH_FIELDS.map((field) => [field, record[field]] as const),
    ['reward_model.ground_truth', inner('reward_model')['ground_truth']],
    ['extra_info.answer', inner('extra_info')['answer']],
  ];
  for (const [field, value] of places) {
    const truth = textOf(value);
    if (truth !== undefined) return { truth, field };
  }
  // What is there but can not be read is named.
  const [field] = places.find(
    ([, value]) => (typeof value === 'object' && value !== null) || typeof value === 'boolean',
  ) ?? ['solution'];
  return { truth: undefined, field };
}

function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return String(value);
  if (!Array.isArray(value) || value.length === 0) return undefined;
  if (value.every((one) => typeof one === 'string' && /^[A-Z]$/.test(one))) return value.join(',');
  // Windows of time, or one text.
  return value.length === 1 && typeof value[0] === 'string' ? value[0] : JSON.stringify(value);
}
