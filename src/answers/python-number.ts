/**
 * Numbers as Python reads and rounds them, since the rewards that compare numbers were defined in Python.
 * Source: CPython `Objects/floatobject.c` (`float(str)`, `round(x, 2)`).
 */
import { pythonStrip } from './answers.ts';

const NUMBER = /^[+-]?(?:(?:\d+(?:_\d+)*\.?(?:\d+(?:_\d+)*)?|\.\d+(?:_\d+)*)(?:e[+-]?\d+(?:_\d+)*)?)$/i;
const INFINITY = /^([+-]?)inf(?:inity)?$/i;
const NOT_A_NUMBER = /^[+-]?nan$/i;

/** Python's `float(text)`: blanks around, digits of any script, `1_000`, `1e5`, `inf`, `nan`; undefined where it raises. */
export function pythonFloat(text: string): number | undefined {
  const digits = pythonStrip(text).replace(/\p{Nd}/gu, (char) => String(digitValue(char)));
  const infinite = INFINITY.exec(digits);
  if (infinite !== null) return infinite[1] === '-' ? -Infinity : Infinity;
  if (NOT_A_NUMBER.test(digits)) return Number.NaN;
  return NUMBER.test(digits) ? Number(digits.replaceAll('_', '')) : undefined;
}

/** Decimal digits of a script stand in runs of ten that begin with zero. */
function digitValue(char: string): number {
  const code = char.codePointAt(0)!;
  let before = 0;
  while (/\p{Nd}/u.test(String.fromCodePoint(code - before - 1))) before++;
  return before % 10;
}

/** Python's `round(value, 2)`: by the exact binary value, and a true half goes to the even neighbour. */
export function roundToCents(value: number): number {
  const eighths = value * 8;
  // Among binary numbers only odd eighths lie exactly halfway between two hundredths.
  if (!Number.isInteger(eighths) || eighths % 2 === 0 || Math.abs(value) >= 2 ** 50)
    return Number(value.toFixed(2));
  const below = Math.floor(value * 100);
  return (below % 2 === 0 ? below : below + 1) / 100;
}
