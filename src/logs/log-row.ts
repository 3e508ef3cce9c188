/**
 * One row of the authors' results log, checked: the item, what the model wrote, and the scores the evaluator gave.
 * Source: longmalongma/TW-GRPO `src/eval/eval_general_videor1.py`, `process_batch_results` and `save_results`.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { parseSolution } from '../answers/index.ts';
import { recordOf } from '../base/index.ts';
import { splitProblem } from '../data/index.ts';

const FIELDS = {
  question: z.union([z.string(), z.record(z.string(), z.unknown())]).optional(),
  ground_truth: z.string().optional(),
  model_output: z.string(),
  extracted_answer: z.string().optional(),
  think_content: z.string().optional(),
  accuracy_score: z.number().min(0).max(1).optional(),
  format_score: z.number().min(0).max(1).optional(),
  think_confidence: z.number().nullable().optional(),
  answer_confidence: z.number().nullable().optional(),
  total_tokens_generated: z.number().optional(),
};
const rowSchema = z.looseObject(FIELDS);

/** A row that `twgrpo eval` writes to rows.jsonl. */
const ownRowSchema = z.looseObject({
  id: z.string(),
  problem: z.string(),
  video: z.string(),
  truth: z.array(z.string()).min(1),
  chosen: z.array(z.string()),
  score: z.number().min(0).max(1),
  completion: z.string(),
  dims: z.record(z.string(), z.string()),
});

/** Fields of the item that tell kinds of items apart; `source` is the folder the video lies in. */
const DIMENSIONS = [
  'type',
  'task_type',
  'question_type',
  'original_question_type',
  'problem_type',
  'domain',
  'sub_category',
  'duration',
  'dim',
  'dimension',
  'split',
  'data_type',
] as const;

export interface LogRow {
  readonly line: number;
  /** Written by `twgrpo eval`, whose rules are one more than the authors'. */
  readonly is_own: boolean;
  /** The item's own id, or a hash of its content where it has none. */
  readonly id: string;
  /** Hash of video, question and answer: rows of equal id must agree in it. */
  readonly content: string;
  readonly truth: readonly string[];
  readonly options: readonly string[] | undefined;
  readonly model_output: string;
  readonly extracted_answer: string | undefined;
  readonly accuracy_score: number | undefined;
  readonly format_score: number | undefined;
  readonly dims: Readonly<Record<string, string>>;
  /** Fields no evaluator of theirs writes. */
  readonly unknown_fields: readonly string[];
}

/** The reason why a record is no row: the field, and what is wrong with it. */
export interface RowProblem {
  readonly line: number;
  readonly field: string;
  readonly message: string;
}

/**
 * Checks one record.
 * @param extraDimensions further fields of the item to take as dimensions
 */
export function readLogRow(
  value: unknown,
  line: number,
  extraDimensions: readonly string[] = [],
): LogRow | RowProblem {
  const own = ownRowSchema.safeParse(value);
  if (own.success) return fromOwnRow(own.data, line);
  const parsed = rowSchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    return { line, field: issue.path.map(String).join('.') || '(the record)', message: issue.message };
  }
  const row = parsed.data;
  const item = typeof row.question === 'object' ? row.question : {};
  const problem =
    typeof row.question === 'string' ? row.question : textOf(item['problem'] ?? item['question']);
  const hasTruth = row.ground_truth !== undefined;
  const solution = row.ground_truth ?? textOf(item['solution']);
  const field = hasTruth ? 'ground_truth' : 'question.solution';
  if (solution === undefined) return { line, field, message: 'expected the right answer, got nothing' };
  let truth: readonly string[];
  try {
    truth = parseSolution(solution);
  } catch (error) {
    return { line, field, message: (error as Error).message };
  }
  const content = contentOf([
    item['video'] ?? item['path'] ?? null,
    problem ?? null,
    item['start'] ?? null,
    solution,
  ]);
  return {
    line,
    is_own: false,
    id: idOf(item) ?? content,
    content,
    truth,
    options: optionsOf(item, problem),
    model_output: row.model_output,
    extracted_answer: row.extracted_answer,
    accuracy_score: row.accuracy_score,
    format_score: row.format_score,
    dims: dimensionsOf(item, extraDimensions),
    unknown_fields: Object.keys(row).filter((name) => !Object.hasOwn(FIELDS, name)),
  };
}

function fromOwnRow(row: z.output<typeof ownRowSchema>, line: number): LogRow {
  return {
    line,
    is_own: true,
    id: row.id,
    content: contentOf([row.video, row.problem, null, row.truth]),
    truth: row.truth,
    options: splitProblem(row.problem)?.options,
    model_output: row.completion,
    extracted_answer: undefined,
    accuracy_score: row.score,
    // Its `format` is the training rule, not that of an evaluator.
    format_score: undefined,
    dims: row.dims,
    unknown_fields: [],
  };
}

function contentOf(parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function idOf(item: Readonly<Record<string, unknown>>): string | undefined {
  const id = item['id'] ?? item['question_id'] ?? item['problem_id'];
  return typeof id === 'string' || typeof id === 'number' ? String(id) : undefined;
}

function optionsOf(
  item: Readonly<Record<string, unknown>>,
  problem: string | undefined,
): readonly string[] | undefined {
  const options = item['options'];
  if (Array.isArray(options) && options.length > 0 && options.every((option) => typeof option === 'string')) {
    return options;
  }
  return problem === undefined ? undefined : splitProblem(problem)?.options;
}

function dimensionsOf(
  item: Readonly<Record<string, unknown>>,
  extra: readonly string[],
): Record<string, string> {
  const dims = recordOf<string>([]);
  for (const name of DIMENSIONS) {
    const value = item[name];
    if (typeof value === 'string' && value !== '') dims[name] = value;
  }
  for (const name of extra) {
    const value = item[name];
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
      dims[name] = String(value);
  }
  const folder = textOf(item['video'] ?? item['path'])
    ?.split('/')
    .at(-2);
  if (folder !== undefined && folder !== '' && folder !== '.') dims['video_folder'] = folder;
  return dims;
}
