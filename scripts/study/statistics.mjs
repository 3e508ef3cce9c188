/** @file Means of a few runs and differences of pairs of runs, with how sure they are. */

/** Student's 97.5 % quantiles by degrees of freedom; beyond the table the normal one serves. */
const T = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131,
  2.12, 2.11, 2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
];
const NORMAL = 1.96;

/** @param {number[]} values @returns mean with Student's 95 % interval; the interval is the mean itself for fewer than two values */
export function meanInterval(values) {
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  if (n < 2) return { mean, low: mean, high: mean };
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1);
  const half = (T[n - 2] ?? NORMAL) * Math.sqrt(variance / n);
  return { mean, low: mean - half, high: mean + half };
}

/** Above this number of pairs signs are drawn instead of all being tried. */
const MOST_PAIRS = 16;
const NUM_DRAWS = 100_000;

/** Two-sided p of the sign-flip test: how often random signs give a mean as far from 0. @param {number[]} differences */
export function pairedTest(differences) {
  const n = differences.length;
  const found = Math.abs(differences.reduce((sum, value) => sum + value, 0)) - 1e-9;
  if (n <= MOST_PAIRS) {
    let extreme = 0;
    for (let signs = 0; signs < 2 ** n; signs++)
      if (
        Math.abs(differences.reduce((sum, value, i) => sum + ((signs >> i) & 1 ? -value : value), 0)) >= found
      )
        extreme++;
    return extreme / 2 ** n;
  }
  // A small generator of its own, so that the page is the same each time it is written.
  let state = 1;
  const bit = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 31;
  };
  let extreme = 1;
  for (let draw = 0; draw < NUM_DRAWS; draw++)
    if (Math.abs(differences.reduce((sum, value) => sum + (bit() === 1 ? -value : value), 0)) >= found)
      extreme++;
  return extreme / (NUM_DRAWS + 1);
}
