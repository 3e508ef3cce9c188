/** Our own form: one item of the common schema a line, as `data convert` and `world generate` write it. */
import { itemSchema } from '../item.ts';
import type { RowReader } from './reader.ts';

export const readItemRow: RowReader = (row, sink) => {
  const { id } = Object(row.value) as { readonly id?: unknown };
  const item = sink.parse(itemSchema, row.value, row.line, typeof id === 'string' ? id : undefined);
  if (item === undefined) return undefined;
  // Counted again by add: parse counts only failures.
  return sink.add(row.line, item);
};
