/** Plain tables for people: columns as wide as their cells, numbers to the right, two blanks between. */

/**
 * @param rows cells as text; rows may differ in length
 * @param header shown first, with a line of dashes below
 * @returns lines without trailing blanks
 */
export function tableLines(
  header: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): string[] {
  const cells = [header, ...rows.map((row) => row.map(String))];
  const widths = header.map((_, column) => Math.max(...cells.map((row) => (row[column] ?? '').length)));
  // A column of numbers (with a unit, an interval, a dash for none) reads from the right.
  const isNumeric = header.map((_, column) =>
    rows.every((row) => /^(?:[-\d.,+%– ]*|p = .*)$/.test(String(row[column] ?? ''))),
  );
  const line = (row: readonly string[]): string =>
    widths
      .map((width, column) => {
        const cell = row[column] ?? '';
        return isNumeric[column] ? cell.padStart(width) : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd();
  return [line(header), widths.map((width) => '-'.repeat(width)).join('  '), ...cells.slice(1).map(line)];
}
