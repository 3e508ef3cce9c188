/** Items as this program writes them, one a line; those of versions before 1.1, with the one `path` beside the question, are read too. */
import { itemSchema } from '../item.ts';
import type { RowReader } from './reader.ts';

export const readItemRow: RowReader = (row, sink) => {
  const given = Object(row.value) as Readonly<Record<string, unknown>>;
  const { id } = given;
  const value = typeof given['path'] === 'string' ? withMediaList(given) : row.value;
  const item = sink.parse(itemSchema, value, row.line, typeof id === 'string' ? id : undefined);
  if (item === undefined) return undefined;
  // Counted again by add: parse counts only failures.
  return sink.add(row.line, item);
};

function withMediaList(given: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { media: type, path, start, end, fps, ...rest } = given;
  return { ...rest, media: [{ type, path, start, end, fps }] };
}
