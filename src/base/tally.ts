/**
 * Records whose keys come from data. They have no prototype, so that a value named "constructor" or "__proto__" is a key
 * like any other, both when it is written and when another record's keys are looked up.
 */

/** Like `Object.fromEntries`, for any keys. Whole numbers as keys come first and ascend, as JavaScript orders them. */
export function recordOf<T>(entries: Iterable<readonly [string, T]>): Record<string, T> {
  const record = Object.create(null) as Record<string, T>;
  for (const [key, value] of entries) record[key] = value;
  return record;
}

/** Number of times each text occurs, most frequent first, then by text. */
export function tally(values: Iterable<string>): Record<string, number> {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return recordOf([...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)));
}
