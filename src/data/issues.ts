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
  /** Next step, where the code's own (`nextStep`) would be too general. */
  readonly hint?: string | undefined;
}

const NEXT_STEPS: Readonly<Record<string, string>> = {
  bad_json:
    'write the file again with a JSON library; Python writes NaN and Infinity, which no JSON has, unless told allow_nan=False',
  bad_utf8: 'save the file as UTF-8',
  line_too_long: 'keep media in files of their own and name them by path',
  no_questions: 'check that this is the right file, and that it was written to its end',
  several_turns:
    'split the conversation into one question and its answer a row, or leave the earlier turns out',
  duplicate_id: 'give each question an id of its own',
  duplicate_row: 'remove one of the two',
  missing_video: 'check --video-root, the path in the row, and that the video was downloaded',
  other_name: 'rename the file, or correct the path in the rows',
  other_extension: 'correct the ending in the rows',
  bad_path: 'give a path below --video-root, an absolute path, or file:///…',
  unreadable_video: 'download the file again, or remove its questions',
  bad_frames: 'correct the settings of the row: they ask for frames that the video does not have',
  clip_outside: 'correct begin and end of the clip',
  prompt_too_long: 'lower max_frames or max_pixels, or raise max_prompt_length',
};

/** What to do about issues of a code. */
export function nextStep(code: string): string {
  return (
    NEXT_STEPS[code] ??
    'correct the field in these rows, or remove the rows (docs/data.md has what each form needs)'
  );
}

/** `file:12: item 7: field "video": …`, in one line. */
export function formatIssue(issue: DataIssue): string {
  const place = issue.line === undefined ? issue.file : `${issue.file}:${issue.line}`;
  const item = issue.item === undefined ? '' : ` item ${issue.item}:`;
  const field = issue.field === undefined ? '' : ` field "${issue.field}":`;
  const hint = issue.hint === undefined ? '' : `; ${issue.hint}`;
  return `${place}:${item}${field} ${issue.message}${hint}`.replace(/[\r\n]/g, (end) =>
    end === '\n' ? '\\n' : '\\r',
  );
}

const NUM_SHOWN = 5;

/** @throws DataError naming the first errors and their number, when there are any */
export function throwOnErrors(issues: readonly DataIssue[]): void {
  const errors = issues.filter((issue) => issue.severity === 'error');
  if (errors.length === 0) return;
  const shown = errors.slice(0, NUM_SHOWN).map(formatIssue);
  const more = errors.length > shown.length ? `\n… and ${errors.length - shown.length} more errors` : '';
  throw new DataError(`${shown.join('\n')}${more}`, {
    hint: `${nextStep(errors[0]!.code)}; \`twgrpo data check\` lists everything that is wrong`,
  });
}

/** Number of times each code occurs, most frequent first. */
export function countIssues(issues: readonly DataIssue[]): Record<string, number> {
  return tally(issues.map(({ code }) => code));
}
