/** @file The table "Function by function" of docs/reproduce.md as data: what the authors' repository holds and which tests show that it is repeated. */
import { DataError } from '../../src/base/index.ts';

export interface FunctionRow {
  readonly theirs: string;
  readonly ours: string;
  /** Parts of the paths of test files, as `vitest run` takes them; empty where nothing is repeated. */
  readonly shown_by: readonly string[];
  readonly status: string;
}

const [BEGIN, END] = ['<!-- functions: begin -->\n', '\n<!-- functions: end -->'] as const;

/**
 * @param page text of docs/reproduce.md
 * @throws DataError for a page without the table, or a row that has not four cells
 */
export function functionRows(page: string): FunctionRow[] {
  const table = page.split(BEGIN)[1]?.split(END)[0];
  if (table === undefined)
    throw new DataError(`docs/reproduce.md: no table between ${BEGIN.trim()} and ${END.trim()}`);
  return table
    .split('\n')
    .slice(2)
    .map((line) => {
      const cells = line
        .slice(1, -1)
        .split(' | ')
        .map((cell) => cell.trim());
      const [theirs, ours, shownBy, status] = cells;
      if (cells.length !== 4 || status === undefined)
        throw new DataError(`docs/reproduce.md: expected four cells, found ${cells.length}: ${line}`);
      const paths = /^`([^`]+)`$/.exec(shownBy!)?.[1]?.split(' ') ?? [];
      return { theirs: theirs!, ours: ours!, shown_by: paths, status };
    });
}
