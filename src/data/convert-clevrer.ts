/**
 * CLEVRER's official question file turned into the authors' training form: one `{problem, video, solution}` a line, options
 * lettered by choice_id, all right letters in the solution. The authors keep counterfactual questions with at least one
 * right choice (3945 with one and 5293 with several on the validation split); questions without a right choice go to a
 * file of their own instead of being lost.
 */
import { extname } from 'node:path';
import { ConfigError, DataError, writeFileAtomic } from '../base/index.ts';
import { type DataIssue, throwOnErrors } from './issues.ts';
import { problemText, solutionText } from './item.ts';
import { CLEVRER_QUESTION_TYPES, type ClevrerQuestion, clevrerQuestions } from './readers/clevrer.ts';
import { ReadSink } from './readers/reader.ts';
import { readRows } from './rows.ts';

export interface ConvertClevrerOptions {
  /** Official `train.json` or `validation.json`. */
  readonly questions_path: string;
  /** JSONL file to write; the side file gets `.answerless` before its ending. */
  readonly output_path: string;
  /** @default ['counterfactual'] */
  readonly question_types?: readonly string[];
  readonly split?: string;
  /** Codes of broken questions that may be left out and counted. @default none */
  readonly drop?: readonly string[];
}

export interface ConvertClevrerResult {
  readonly output_path: string;
  readonly answerless_path: string;
  readonly num_single: number;
  readonly num_multiple: number;
  readonly num_answerless: number;
  readonly dropped: readonly DataIssue[];
}

/**
 * Converts one file.
 * @throws ConfigError for an unknown question type; DataError when a question is broken or none is left
 */
export function convertClevrer(options: ConvertClevrerOptions): ConvertClevrerResult {
  const types = options.question_types ?? ['counterfactual'];
  const unknown = types.find((type) => !CLEVRER_QUESTION_TYPES.some((known) => known === type));
  if (unknown !== undefined || types.length === 0) {
    throw new ConfigError(
      `question_types must be some of ${CLEVRER_QUESTION_TYPES.join(', ')}, got ${JSON.stringify(types)}`,
    );
  }
  const rows = readRows(options.questions_path);
  const sink = new ReadSink(options.questions_path, 'clevrer', options.split ?? '');
  const questions = rows.rows.flatMap((row) => clevrerQuestions(row, sink, types));
  const usable = questions.filter((question) => question.answer.length > 0);
  for (const { line, ...item } of usable) sink.add(line, item);
  const { issues } = sink.result(rows);
  const isDropped = (issue: DataIssue): boolean => options.drop?.includes(issue.code) === true;
  throwOnErrors(issues.filter((issue) => !isDropped(issue)));
  if (sink.items.length === 0) {
    throw new DataError(
      `${options.questions_path}: no ${types.join(' or ')} question with a right choice in it`,
      { hint: `another kind is chosen by --question-type: ${CLEVRER_QUESTION_TYPES.join(', ')}` },
    );
  }
  const answerless = questions.filter((question) => question.answer.length === 0);
  const extension = extname(options.output_path);
  const answerless_path = `${options.output_path.slice(0, options.output_path.length - extension.length)}.answerless${extension}`;
  const kept = new Set(sink.items.map((item) => item.id));
  writeLines(
    options.output_path,
    usable.filter((question) => kept.has(question.id)),
    options.split,
  );
  writeLines(answerless_path, answerless, options.split);
  const num_multiple = sink.items.filter((item) => item.answer.length > 1).length;
  return {
    output_path: options.output_path,
    answerless_path,
    num_single: sink.items.length - num_multiple,
    num_multiple,
    num_answerless: answerless.length,
    dropped: issues.filter((issue) => issue.severity === 'error'),
  };
}

function writeLines(path: string, questions: readonly ClevrerQuestion[], split: string | undefined): void {
  const lines = questions.map((question) =>
    JSON.stringify({
      id: question.id,
      problem: problemText({ question: question.question, options: question.options }),
      video: question.media?.[0]?.path,
      solution: solutionText(question.answer),
      dims: question.dims,
      provenance: { source: 'clevrer', ...(split === undefined ? {} : { split }), ...question.provenance },
    }),
  );
  writeFileAtomic(path, lines.map((line) => `${line}\n`).join(''));
}
