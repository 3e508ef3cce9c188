/** Our own form: one item of the common schema a line, as `data convert` and `world generate` write it. */
import { itemSchema } from '../item.ts';
import type { RowReader } from './reader.ts';

export const readItemRow: RowReader = (row, sink) => {
  const value = row.value;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return sink.reject(
      row.line,
      'bad_record',
      `expected one JSON object a record, got ${JSON.stringify(value)?.slice(0, 60)}`,
    );
  }
  const item = sink.parse(itemSchema, value, row.line, 'id' in value ? String(value.id) : undefined);
  if (item === undefined) return undefined;
  // Counted again by add: parse counts only failures.
  return sink.add(row.line, item);
};
