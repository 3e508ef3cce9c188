/**
 * What readers and checks find wrong with data. An issue names file, line, item and field; a row with an `error` gives no
 * item, and by default the reader then throws. Nothing is dropped without an issue.
 */
import { DataError, tally } from '../base/index.ts';

export interface DataIssue {
  readonly severity: 'error' | 'warning';
  /** Stable short name, for counting: `missing_field`, `duplicate_id`, `answer_conflict` … */
  readonly code: string;
  readonly message: string;
  readonly file: string;
  /** 1-based line on which the record begins. */
  readonly line?: number | undefined;
  readonly item?: string | undefined;
  readonly field?: string | undefined;
}

/** `file:12: item 7: field "video": …` */
export function formatIssue(issue: DataIssue): string {
  const place = issue.line === undefined ? issue.file : `${issue.file}:${issue.line}`;
  const item = issue.item === undefined ? '' : ` item ${issue.item}:`;
  const field = issue.field === undefined ? '' : ` field "${issue.field}":`;
  return `${place}:${item}${field} ${issue.message}`;
}

const NUM_SHOWN = 5;

/** @throws DataError naming the first errors and their number, when there are any */
export function throwOnErrors(issues: readonly DataIssue[]): void {
  const errors = issues.filter((issue) => issue.severity === 'error');
  if (errors.length === 0) return;
  const shown = errors.slice(0, NUM_SHOWN).map(formatIssue);
  const more = errors.length > shown.length ? `\n… and ${errors.length - shown.length} more errors` : '';
  throw new DataError(`${shown.join('\n')}${more}`, {
    hint: 'correct the rows, or list everything that is wrong with `twgrpo data check`',
  });
}

/** Number of times each code occurs, most frequent first. */
export function countIssues(issues: readonly DataIssue[]): Record<string, number> {
  return tally(issues.map(({ code }) => code));
}
