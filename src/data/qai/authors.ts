/**
 * Question-answer inversion as the authors' two scripts do it, defects included, with Python's random stream: for making their
 * training data again and for measuring what the defects cost. Use `invertItems` for anything else.
 *
 *   - a question is negated only where its second word (NExT-GQA), or its first words (STAR), are in a short list; elsewhere the
 *     answers are inverted under an unchanged question (counted as `unchanged` in the report);
 *   - negated questions become small letters, their blanks collapse; "why didn't …" presupposes the opposite event;
 *   - an inverted item shows its one wrong option and a random number of right ones, shuffled;
 *   - every video path becomes `/NExTQA/videos/<name>.mp4`, for STAR too.
 *
 * Source: longmalongma/TW-GRPO `data/question_answer_inverse/convert_nextgqa.py`, `convert_star.py`.
 * Differs in one place: their scripts never seed, here the stream begins at `seed` as after `random.seed(seed)`.
 */
import { z } from 'zod';
import { DataError } from '../../base/index.ts';
import { readRows } from '../rows.ts';
import { PythonRandom } from './python-random.ts';

export const AUTHORS_SETS = ['nextgqa', 'star'] as const;
export type AuthorsSet = (typeof AUTHORS_SETS)[number];

export interface AuthorsReport {
  readonly set: AuthorsSet;
  readonly seed: number;
  readonly items: number;
  readonly inverted: number;
  readonly original: number;
  /** Rule -> inverted items; `unchanged` stands for an inverted answer under an unchanged question. */
  readonly rules: Readonly<Record<string, number>>;
  /** Inverted answers under unchanged questions: the wrong labels. */
  readonly unchanged: number;
  /** "why …n't": right in form, but the wrong reasons are no reasons of the opposite event. */
  readonly negated_why: number;
  /** Number of right options -> items. */
  readonly answers: Readonly<Record<string, number>>;
}

/** A record of the scripts' output: the fields of the input, and the new ones. */
export type AuthorsRecord = Readonly<Record<string, unknown>> & {
  readonly question: string;
  readonly options: readonly string[];
  readonly problem: string;
  readonly solution: string;
  readonly is_negated: boolean;
};

const nextGqaSchema = z.looseObject({
  video: z.string(),
  question: z.string(),
  options: z.array(z.string()).min(2),
  answer: z.string().regex(/^.[A-Z]/s),
});
const starSchema = z.looseObject({
  video: z.string(),
  question: z.string(),
  options: z.array(z.string()).min(2),
  solution: z.string().regex(/^(?:<answer>)?[A-Z](?:<\/answer>)?$/),
});

/** Replaced words, in the order in which the STAR script tries them. */
const NEXTGQA_WORDS: Readonly<Record<string, string>> = {
  did: "didn't",
  does: "doesn't",
  do: "don't",
  is: "isn't",
  are: "aren't",
  was: "wasn't",
  were: "weren't",
};
const STAR_PHRASES: readonly (readonly [string, string])[] = [
  ['did', "didn't"],
  ['was', "wasn't"],
  ['able', 'unable'],
  ['would', "wouldn't"],
  ['what will', "what won't"],
  ['what happened', "what didn't happen"],
];

// biome-ignore lint/suspicious/noControlCharactersInRegex: Python splits at these
const PYTHON_BLANKS = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/;

/**
 * Runs the authors' script over a file of records.
 * @throws DataError for a record the script would fail on, with its line
 */
export function invertFileLikeAuthors(
  path: string,
  options: { readonly seed: number; readonly set: AuthorsSet },
): { readonly records: AuthorsRecord[]; readonly report: AuthorsReport } {
  const { rows, issues } = readRows(path);
  const [issue] = issues;
  if (issue !== undefined) throw new DataError(`${path}:${issue.line ?? 1}: ${issue.message}`);
  return invertLikeAuthors(rows, { ...options, file: path });
}

/** The same over records at hand; `line` and `file` only serve the error texts. */
export function invertLikeAuthors(
  rows: readonly { readonly value: unknown; readonly line: number }[],
  {
    seed,
    set,
    file = 'records',
  }: { readonly seed: number; readonly set: AuthorsSet; readonly file?: string },
): { readonly records: AuthorsRecord[]; readonly report: AuthorsReport } {
  const random = new PythonRandom(seed);
  const rules: Record<string, number> = {};
  const answers: Record<string, number> = {};
  let negatedWhy = 0;
  const records = rows.map(({ value: given, line }): AuthorsRecord => {
    const value = set === 'star' ? starForm(given, `${file}:${line}`) : given;
    const parsed = (set === 'nextgqa' ? nextGqaSchema : starSchema).safeParse(value);
    if (!parsed.success) {
      const problem = parsed.error.issues[0]!;
      throw new DataError(`${file}:${line}: field "${problem.path.join('.')}": ${problem.message}`, {
        hint: `the ${set} script reads video, question, options and ${set === 'nextgqa' ? 'answer "(C)"' : 'solution "<answer>C</answer>"'}`,
      });
    }
    const item = parsed.data;
    const video = `/NExTQA/videos/${item.video.split('/').at(-1)!.replaceAll('.mp4', '')}.mp4`;
    const isNegated = random.random() < 0.5;
    const made = isNegated ? inverted(item, set, random) : kept(item, set);
    if (made === undefined) {
      throw new DataError(
        `${file}:${line}: no right option is left after inversion; the ${set} script fails here`,
      );
    }
    const { rule, ...fields } = made;
    if (rule !== undefined) {
      rules[rule] = (rules[rule] ?? 0) + 1;
      if (rule !== 'unchanged' && fields.question.startsWith('why')) negatedWhy++;
    }
    const numRight = fields.solution.split(',').length;
    answers[numRight] = (answers[numRight] ?? 0) + 1;
    // From the record as it came: the check puts the known fields first.
    return { ...(value as object), video, ...fields, is_negated: isNegated };
  });
  const numInverted = records.filter((record) => record.is_negated).length;
  return {
    records,
    report: {
      set,
      seed,
      items: records.length,
      inverted: numInverted,
      original: records.length - numInverted,
      rules,
      unchanged: rules['unchanged'] ?? 0,
      negated_why: negatedWhy,
      answers,
    },
  };
}

const videoR1Schema = z.looseObject({
  problem_id: z.union([z.string(), z.number()]),
  problem: z.string(),
  options: z.array(z.string()),
  solution: z.string(),
  path: z.string(),
  data_source: z.string(),
});

/** A STAR record of Video-R1-260k in the form the script reads (their `convert_star_format`); any other as it is. */
function starForm(value: unknown, place: string): unknown {
  const parsed = videoR1Schema.safeParse(value);
  if (!parsed.success || Object.hasOwn(parsed.data, 'question')) return value;
  const { problem_id, problem, options, solution, path, data_source } = parsed.data;
  if (data_source !== 'STAR')
    throw new DataError(`${place}: data_source is ${JSON.stringify(data_source)}, expected STAR`, {
      hint: 'twgrpo data filter FILE --where data_source=STAR --output star.jsonl takes them out',
    });
  return {
    id: String(problem_id),
    video: `/STAR/${path.split('/').at(-1)}`,
    question: problem,
    // Theirs keeps what stands between the first and the second ". ".
    options: options.map((option) => option.split('. ')[1] ?? option),
    problem: [problem, ...options].join('\n'),
    solution,
    type: 'MC',
  };
}

interface Fields {
  readonly problem: string;
  readonly solution: string;
  readonly question: string;
  readonly options: readonly string[];
  readonly answer?: string;
  /** Rule of an inverted item. */
  readonly rule?: string;
}

type SourceItem = z.output<typeof nextGqaSchema> | z.output<typeof starSchema>;

function kept(item: SourceItem, set: AuthorsSet): Fields {
  const { question, options } = item;
  const solution =
    set === 'nextgqa'
      ? `<answer>${String(item['answer']).split(',').map(secondCharacter).join(',')}</answer>`
      : String(item['solution']);
  return { problem: problemOf(question, options), solution, question, options };
}

function inverted(item: SourceItem, set: AuthorsSet, random: PythonRandom): Fields | undefined {
  const { question, rule } = set === 'nextgqa' ? negateNextGqa(item.question) : negateStar(item.question);
  const letter =
    set === 'nextgqa'
      ? secondCharacter(String(item['answer']))
      : String(item['solution']).replaceAll('<answer>', '').replaceAll('</answer>', '');
  const rightIndex = letter.charCodeAt(0) - 65;
  const right = item.options[rightIndex];
  if (right === undefined) return undefined;
  const wrong = item.options.filter((_, index) => index !== rightIndex);
  const numKept = random.randint(1, wrong.length);
  const shown = [right, ...random.sample(wrong, numKept)];
  random.shuffle(shown);
  // The NExT-GQA script takes the letter off to compare, the STAR script compares as it stands.
  const contentOf = set === 'nextgqa' ? unlabelled : (option: string) => option;
  const letters = shown.flatMap((option, index) =>
    contentOf(option) === contentOf(right) ? [] : [String.fromCharCode(65 + index)],
  );
  if (letters.length === 0) return undefined;
  const options =
    set === 'nextgqa'
      ? shown.map((option, index) => `(${String.fromCharCode(65 + index)}) ${unlabelled(option)}`)
      : shown;
  return {
    problem: problemOf(question, options),
    solution: `<answer>${letters.join(',')}</answer>`,
    question,
    options,
    ...(set === 'nextgqa' ? { answer: letters.map((letter) => `(${letter})`).join(',') } : {}),
    rule,
  };
}

function negateNextGqa(text: string): { question: string; rule: string } {
  const question = text.toLowerCase();
  const words = pythonSplit(question);
  const second = words[1] ?? '';
  const negative = Object.hasOwn(NEXTGQA_WORDS, second) ? NEXTGQA_WORDS[second] : undefined;
  if (negative === undefined) return { question, rule: 'unchanged' };
  return { question: words.with(1, negative).join(' '), rule: `second-word:${second}` };
}

function negateStar(text: string): { question: string; rule: string } {
  const question = text.toLowerCase();
  for (const [phrase, negative] of STAR_PHRASES) {
    if (question.startsWith(phrase)) {
      return { question: negative + question.slice(phrase.length), rule: `begins:${phrase}` };
    }
  }
  const words = pythonSplit(question);
  const found = STAR_PHRASES.find(([phrase]) => phrase === words[1]);
  if (found === undefined) return { question, rule: 'unchanged' };
  return { question: words.with(1, found[1]).join(' '), rule: `second-word:${found[0]}` };
}

/** Python's `str.split()`. */
function pythonSplit(text: string): string[] {
  return text.split(PYTHON_BLANKS).filter((word) => word !== '');
}

function problemOf(question: string, options: readonly string[]): string {
  const lines = options.map((option, index) => `${String.fromCharCode(65 + index)} ${unlabelled(option)}`);
  return [question, ...lines].join('\n');
}

/** The scripts cut four characters where an option begins with a bracket. */
function unlabelled(option: string): string {
  return option.startsWith('(') ? [...option].slice(4).join('') : option;
}

function secondCharacter(text: string): string {
  return [...text][1] ?? '';
}
