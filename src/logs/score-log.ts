/**
 * Re-scores a results log and compares with the scores inside.
 *
 * The authors have two evaluators that read an answer differently: `eval_general_videor1.py` and `eval_clevrer.py` take what
 * stands in the answer tag (`authors_eval`), `eval_general_zeroshot.py` compares the whole text (`authors_raw`); their
 * training reward is a third rule (`authors`). A log does not name its rule, so all three are tried against the scores
 * and against `extracted_answer`, which holds what the evaluator compared; the one that repeats the most rows is used, and
 * the counts of all are reported. Rows that `twgrpo eval` wrote may have been read by our own rule too (`tolerant`).
 */

import { type AnswerParser, accuracyScore, formatAuthorsEval, parseAnswer } from '../answers/index.ts';
import { mean, tally } from '../base/index.ts';
import { type AccuracyTable, accuracyTable, type ScoredRow } from '../stats/index.ts';
import { type LogLayout, readLogFile } from './log-file.ts';
import { type LogRow, type RowProblem, readLogRow } from './log-row.ts';

export const SCORE_MODES = ['authors', 'tolerant'] as const;
export type ScoreMode = (typeof SCORE_MODES)[number];

/** The authors' rules, in the order in which a tie is decided. */
const RULES = ['authors_eval', 'authors_raw', 'authors'] as const satisfies readonly AnswerParser[];
export type AuthorsRule = (typeof RULES)[number];
export type LogRule = AuthorsRule | 'tolerant';

export interface Agreement {
  readonly agree: number;
  /** Rows that hold the value to compare with. */
  readonly of: number;
}

export interface RuleFinding {
  /** The rule taken as the log's own. */
  readonly rule: LogRule;
  /** `scores`: it repeats at least one score; `default`: the log holds no scores. */
  readonly found_by: 'scores' | 'default';
  /** Rule -> rows whose `accuracy_score` it repeats. */
  readonly accuracy: Readonly<Record<AuthorsRule, Agreement> & { tolerant?: Agreement }>;
  /** Rule -> rows whose `extracted_answer` it repeats; the training rule writes none. */
  readonly extracted: Readonly<Record<'authors_eval' | 'authors_raw', Agreement>>;
  /** Rows whose `format_score` is that of the evaluators' format check. */
  readonly format: Agreement;
}

/** A row whose score is another than the log's. */
export interface ScoreChange {
  readonly line: number;
  readonly id: string;
  readonly truth: readonly string[];
  /** End of what the model wrote, at most 120 characters. */
  readonly output: string;
  readonly from: number;
  readonly to: number;
  /** Reason why the two rules differ here. */
  readonly reason: string;
}

export interface Duplicate {
  readonly id: string;
  readonly lines: readonly number[];
  /** False when the rows hold different outputs or scores. */
  readonly is_identical: boolean;
}

export interface LogScore {
  readonly file: string;
  readonly layout: LogLayout;
  readonly mode: ScoreMode;
  /** Sound rows. */
  readonly rows: number;
  readonly unique_items: number;
  readonly duplicates: readonly Duplicate[];
  /** Records that are no JSON: cut off by a crash, or damaged. */
  readonly torn: readonly { readonly line: number; readonly message: string }[];
  /** Records that are JSON but no row of a log. */
  readonly invalid: readonly RowProblem[];
  /** Ids under which different questions stand; each question counts as an item of its own. */
  readonly id_clashes: readonly string[];
  readonly unknown_fields: Readonly<Record<string, number>>;
  readonly rule: RuleFinding;
  /** Mean of the log's own scores over all rows, duplicates included, as the authors' metrics file has it. */
  readonly as_logged: { readonly rows: number; readonly strict: number; readonly soft: number } | undefined;
  /** First row of every item, scored by the mode's rule. */
  readonly scores: AccuracyTable;
  /** Rows whose score under the mode's rule differs from the log's (from the rule's own where the log has none). */
  readonly changes: readonly ScoreChange[];
  /** The scored items, for comparing runs. */
  readonly scored: readonly ScoredRow[];
}

export interface ScoreLogOptions {
  /** @default 'authors' */
  readonly mode?: ScoreMode;
  /** Further fields of the item to break the accuracy down by. */
  readonly by?: readonly string[];
}

/** Scores closer than this are equal: the log holds them as decimal texts. */
const SCORE_TOLERANCE = 1e-9;
const SHOWN_OUTPUT = 120;

interface Reading {
  readonly row: LogRow;
  readonly byRule: Readonly<Record<LogRule, number>>;
  readonly tolerant: ReturnType<typeof parseAnswer>;
}

/**
 * @throws DataError when the file is missing or empty, or holds no row at all
 */
export function scoreLog(file: string, options: ScoreLogOptions = {}): LogScore | RefusedLog {
  const mode = options.mode ?? 'authors';
  const readings: Reading[] = [];
  const torn: { line: number; message: string }[] = [];
  const invalid: RowProblem[] = [];
  const unknown: string[] = [];
  const { layout, isComplete } = readLogFile(file, ({ line, value, problem }) => {
    if (problem !== undefined) return void torn.push(problem);
    const row = readLogRow(value, line, options.by);
    if ('field' in row) return void invalid.push(row);
    unknown.push(...row.unknown_fields);
    readings.push(read(row));
  });
  if (layout === 'list' && !isComplete && torn.length === 0) {
    torn.push({ line: 1, message: 'the list that begins here is never closed' });
  }
  if (readings.length === 0) return { file, torn, invalid };

  const rule = findRule(readings);
  const { items, duplicates, clashes } = byItem(readings);
  const scoreOf = (reading: Reading): number => reading.byRule[mode === 'tolerant' ? 'tolerant' : rule.rule];
  const scored = items.map(({ id, reading }): ScoredRow => {
    const answer =
      mode === 'tolerant' || rule.rule === 'tolerant'
        ? reading.tolerant
        : parseAnswer(reading.row.model_output, { parser: rule.rule });
    return {
      id,
      truth: reading.row.truth,
      chosen: answer.failed ? [] : answer.letters,
      failed: answer.failed,
      score: scoreOf(reading),
      dims: reading.row.dims,
    };
  });
  const changes = readings.flatMap((reading): ScoreChange[] => {
    const from = reading.row.accuracy_score ?? reading.byRule[rule.rule];
    const to = scoreOf(reading);
    if (isEqual(from, to)) return [];
    const { line, id, truth, model_output } = reading.row;
    const output = model_output.slice(-SHOWN_OUTPUT);
    return [{ line, id, truth, output, from, to, reason: explain(reading, rule.rule, mode) }];
  });
  const logged = readings.flatMap(({ row }) => row.accuracy_score ?? []);
  return {
    file,
    layout,
    mode,
    rows: readings.length,
    unique_items: items.length,
    duplicates,
    torn,
    invalid,
    id_clashes: clashes,
    unknown_fields: tally(unknown),
    rule,
    as_logged:
      logged.length === 0
        ? undefined
        : {
            rows: logged.length,
            strict: logged.filter((score) => score === 1).length / logged.length,
            soft: mean(logged),
          },
    scores: accuracyTable(scored),
    changes,
    scored,
  };
}

/** A file in which nothing can be scored. */
export interface RefusedLog {
  readonly file: string;
  readonly scores?: undefined;
  readonly torn: LogScore['torn'];
  readonly invalid: LogScore['invalid'];
}

function read(row: LogRow): Reading {
  const scores = RULES.map((parser) => {
    const { letters } = parseAnswer(row.model_output, { parser });
    return [parser, accuracyScore(letters, row.truth, 'soft')] as const;
  });
  const tolerant = parseAnswer(
    row.model_output,
    row.options === undefined ? { parser: 'tolerant' } : { parser: 'tolerant', options: row.options },
  );
  const byRule = Object.fromEntries([
    ...scores,
    ['tolerant', accuracyScore(tolerant.letters, row.truth, 'soft')],
  ]) as Record<LogRule, number>;
  return { row, byRule, tolerant };
}

function findRule(readings: readonly Reading[]): RuleFinding {
  const count = (agrees: (reading: Reading) => boolean | undefined): Agreement => {
    const answers = readings.map(agrees).filter((answer) => answer !== undefined);
    return { agree: answers.filter(Boolean).length, of: answers.length };
  };
  const rules: readonly LogRule[] = readings.some(({ row }) => row.is_own) ? [...RULES, 'tolerant'] : RULES;
  const byScore = (rule: LogRule): Agreement =>
    count(({ row, byRule }) =>
      row.accuracy_score === undefined ? undefined : isEqual(row.accuracy_score, byRule[rule]),
    );
  const byText = (rule: 'authors_eval' | 'authors_raw'): Agreement =>
    count(({ row }) =>
      row.extracted_answer === undefined
        ? undefined
        : parseAnswer(row.model_output, { parser: rule }).text.trim() === row.extracted_answer.trim(),
    );
  const accuracy = Object.fromEntries(rules.map((rule) => [rule, byScore(rule)])) as RuleFinding['accuracy'];
  const extracted = { authors_eval: byText('authors_eval'), authors_raw: byText('authors_raw') };
  const weight = (rule: LogRule): readonly [number, number] => [
    accuracy[rule]?.agree ?? 0,
    rule === 'authors' || rule === 'tolerant' ? 0 : extracted[rule].agree,
  ];
  let best: LogRule = RULES[0];
  for (const rule of rules) {
    const [score, text] = weight(rule);
    const [bestScore, bestText] = weight(best);
    if (score > bestScore || (score === bestScore && text > bestText)) best = rule;
  }
  return {
    rule: best,
    found_by: (accuracy[best]?.of ?? 0) > 0 ? 'scores' : 'default',
    accuracy,
    extracted,
    format: count(({ row }) =>
      row.format_score === undefined ? undefined : row.format_score === formatAuthorsEval(row.model_output),
    ),
  };
}

function byItem(readings: readonly Reading[]): {
  items: { id: string; reading: Reading }[];
  duplicates: Duplicate[];
  clashes: string[];
} {
  const contents = new Map<string, Set<string>>();
  const groups = new Map<string, Reading[]>();
  for (const reading of readings) {
    const { id, content } = reading.row;
    contents.set(id, (contents.get(id) ?? new Set()).add(content));
    const key = `${id}\n${content}`;
    groups.set(key, [...(groups.get(key) ?? []), reading]);
  }
  const clashes = [...contents].filter(([, found]) => found.size > 1).map(([id]) => id);
  const nameOf = ({ row }: Reading): string =>
    (contents.get(row.id)?.size ?? 0) > 1 ? `${row.id}#${row.content}` : row.id;
  const items = [...groups.values()].map((group) => ({ id: nameOf(group[0]!), reading: group[0]! }));
  const duplicates = [...groups.values()]
    .filter((group) => group.length > 1)
    .map((group) => {
      const [first, ...others] = group as [Reading, ...Reading[]];
      const isSame = ({ row }: Reading): boolean =>
        row.model_output === first.row.model_output && row.accuracy_score === first.row.accuracy_score;
      return {
        id: nameOf(first),
        lines: group.map(({ row }) => row.line),
        is_identical: others.every(isSame),
      };
    });
  return { items, duplicates, clashes };
}

const FORM_TEXT = {
  letters: 'as letters',
  labelled: 'as options with their letters',
  option_text: 'as the words of an option',
  none: 'not at all',
} as const;

const SOURCE_TEXT = {
  tag: 'in the answer tag',
  unclosed_tag: 'behind an answer tag that is not closed',
  unopened_tag: 'before the end of an answer tag that was never opened',
  after_think: 'behind the reasoning',
  phrase: 'behind the words "answer is" or "answer:"',
  whole_text: 'in the whole text',
  nowhere: 'nowhere',
} as const;

function explain(reading: Reading, rule: LogRule, mode: ScoreMode): string {
  const own = parseAnswer(reading.row.model_output, { parser: rule });
  const ownText = `${rule} compares ${JSON.stringify(own.letters.join(',').slice(0, 60))}`;
  if (mode === 'authors') return `${ownText}, which does not give the score in the log`;
  const { letters, failed, source, form } = reading.tolerant;
  return failed
    ? `${ownText}; the tolerant rule finds no answer ${SOURCE_TEXT[source]}`
    : `${ownText}; the tolerant rule reads ${letters.join(',')} ${SOURCE_TEXT[source]}, ${FORM_TEXT[form]}`;
}

function isEqual(a: number, b: number): boolean {
  return Math.abs(a - b) < SCORE_TOLERANCE;
}
