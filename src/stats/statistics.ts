/**
 * How sure a share or a difference is: Wilson intervals, McNemar's test between two runs on the same items, bootstrap
 * intervals of a mean, Student's interval and the sign-flip test for a few runs. All are checked against SciPy and
 * statsmodels' formulas in tests/goldens/eval.
 *
 * Sources: E. B. Wilson (1927), "Probable inference"; Q. McNemar (1947); Fagerland, Lydersen and Laake (2013) for the mid-p
 * variant; B. Efron (1979) for the bootstrap.
 */
import { ConfigError, mean, Random, variance } from '../base/index.ts';

/** A confidence interval; both ends in the unit of the estimate. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** Confidence levels on offer, with the standard normal quantile of (1 + level) / 2. */
const QUANTILES = {
  0.9: 1.6448536269514722,
  0.95: 1.959963984540054,
  0.99: 2.5758293035489004,
} as const;

export type ConfidenceLevel = keyof typeof QUANTILES;

/**
 * Wilson's score interval for a share: close to its promise also near 0 and 1 and for few items.
 * @param successes whole number, 0 … n
 * @param n number of items, at least 1
 * @returns shares in [0, 1]
 * @throws ConfigError when the counts are impossible
 */
export function wilsonInterval(successes: number, n: number, level: ConfidenceLevel = 0.95): Interval {
  const isPossible =
    Number.isInteger(successes) && Number.isInteger(n) && n > 0 && successes >= 0 && successes <= n;
  if (!isPossible) throw new ConfigError(`expected 0 <= successes <= n and n >= 1, got ${successes} of ${n}`);
  const z = QUANTILES[level];
  const share = successes / n;
  const shrink = 1 + z ** 2 / n;
  const centre = (share + z ** 2 / (2 * n)) / shrink;
  const half = (z * Math.sqrt((share * (1 - share)) / n + z ** 2 / (4 * n ** 2))) / shrink;
  return {
    low: successes === 0 ? 0 : Math.max(0, centre - half),
    high: successes === n ? 1 : Math.min(1, centre + half),
  };
}

/** McNemar's test on the items that exactly one of two runs has right. */
export interface McNemar {
  /** Items both runs answered. */
  readonly n: number;
  /** Right in the first run only. */
  readonly only_first: number;
  /** Right in the second run only. */
  readonly only_second: number;
  /** Two-sided exact (binomial) p: never too small, rather too large. */
  readonly p_exact: number;
  /** Two-sided mid-p: nearer to the nominal level; the one to quote. */
  readonly p_mid: number;
}

/**
 * Do two runs on the same items differ in accuracy? Only the items matter on which they disagree: without a difference
 * each of those is as likely to favour the one as the other.
 * @param pairs for each common item: right in the first run, right in the second
 */
export function mcnemar(pairs: Iterable<readonly [boolean, boolean]>): McNemar {
  let n = 0;
  let onlyFirst = 0;
  let onlySecond = 0;
  for (const [first, second] of pairs) {
    n++;
    if (first && !second) onlyFirst++;
    if (second && !first) onlySecond++;
  }
  return { n, only_first: onlyFirst, only_second: onlySecond, ...binomialTest(onlyFirst, onlySecond) };
}

/** Two-sided tests of b against c under Binomial(b + c, 1/2). */
function binomialTest(b: number, c: number): { p_exact: number; p_mid: number } {
  const total = b + c;
  if (total === 0) return { p_exact: 1, p_mid: 1 };
  const few = Math.min(b, c);
  // In logarithms, since 0.5^total is 0 in double precision beyond about a thousand items.
  let logTerm = total * Math.log(0.5);
  const logTerms = [logTerm];
  for (let k = 0; k < few; k++) {
    logTerm += Math.log((total - k) / (k + 1));
    logTerms.push(logTerm);
  }
  const atFew = Math.exp(logTerm);
  const tail = logTerms.reduceRight((sum, term) => sum + Math.exp(term), 0);
  return { p_exact: Math.min(1, 2 * tail), p_mid: Math.min(1, 2 * tail - atFew) };
}

export interface BootstrapOptions {
  readonly seed: number;
  /** @default 2000 */
  readonly num_resamples?: number;
  readonly level?: ConfidenceLevel;
}

/**
 * Percentile bootstrap interval of a mean: for scores between 0 and 1 (the soft accuracy), where no binomial holds.
 * Equal seed and values give equal ends.
 * @param values at least one finite number
 * @throws ConfigError when there are no values
 */
export function bootstrapMean(values: readonly number[], options: BootstrapOptions): Interval {
  const { seed, num_resamples: numResamples = 2000, level = 0.95 } = options;
  if (values.length === 0) throw new ConfigError('a bootstrap needs at least one value, got none');
  const random = Random.stream(seed, 'bootstrap');
  const means = new Float64Array(numResamples);
  for (let resample = 0; resample < numResamples; resample++) {
    let sum = 0;
    for (let draw = 0; draw < values.length; draw++) sum += values[random.below(values.length)]!;
    means[resample] = sum / values.length;
  }
  means.sort();
  return { low: quantile(means, (1 - level) / 2), high: quantile(means, (1 + level) / 2) };
}

/** Linear interpolation between order statistics, as numpy.quantile does by default. */
function quantile(sorted: Float64Array, q: number): number {
  const position = q * (sorted.length - 1);
  const below = Math.floor(position);
  const low = sorted[below]!;
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return low + (high - low) * (position - below);
}

/** 97.5 % quantiles of Student's distribution for 1 … 30 degrees of freedom. */
const STUDENT = [
  12.70620474, 4.30265273, 3.182446305, 2.776445105, 2.570581836, 2.446911851, 2.364624252, 2.306004135,
  2.262157163, 2.228138852, 2.20098516, 2.17881283, 2.160368656, 2.144786688, 2.131449546, 2.119905299,
  2.109815578, 2.10092204, 2.093024054, 2.085963447, 2.079613845, 2.073873068, 2.06865761, 2.063898562,
  2.059538553, 2.055529439, 2.051830516, 2.048407142, 2.045229642, 2.042272456,
];

/** Beyond the table: the expansion of Cornish and Fisher, exact to 1e-6 there. */
function studentQuantile(freedom: number): number {
  const known = STUDENT[freedom - 1];
  if (known !== undefined) return known;
  const z = QUANTILES[0.95];
  return (
    z +
    (z ** 3 + z) / (4 * freedom) +
    (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * freedom ** 2) +
    (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / (384 * freedom ** 3)
  );
}

/**
 * Student's 95 % interval of a mean, for a few runs with different seeds.
 * @param values at least one; a single one has no interval but itself
 * @throws ConfigError when there are no values
 */
export function studentMean(values: readonly number[]): Interval & { readonly mean: number } {
  const n = values.length;
  if (n === 0) throw new ConfigError('a mean needs at least one value, got none');
  const centre = mean(values);
  if (n === 1) return { mean: centre, low: centre, high: centre };
  const half = studentQuantile(n - 1) * Math.sqrt(variance(values, 1) / n);
  return { mean: centre, low: centre - half, high: centre + half };
}

/** Above this number of pairs signs are drawn instead of all being tried. */
const MOST_TRIED = 16;
const NUM_DRAWS = 100_000;

/**
 * Two-sided p of the sign-flip (paired permutation) test that a mean difference is 0: the share of sign patterns whose mean is as far
 * from 0. Exact for up to 16 differences; beyond, 100,000 seeded draws.
 * @param differences at least one
 * @throws ConfigError when there are none
 */
export function signFlipTest(differences: readonly number[]): number {
  const n = differences.length;
  if (n === 0) throw new ConfigError('a test needs at least one difference, got none');
  const sumOf = (isFlipped: (at: number) => boolean): number =>
    Math.abs(differences.reduce((sum, value, at) => sum + (isFlipped(at) ? -value : value), 0));
  const found = sumOf(() => false) * (1 - 1e-12);
  let extreme = 0;
  if (n <= MOST_TRIED) {
    for (let signs = 0; signs < 2 ** n; signs++)
      if (sumOf((at) => ((signs >> at) & 1) === 1) >= found) extreme++;
    return extreme / 2 ** n;
  }
  const random = Random.stream(0, 'sign-flip');
  for (let draw = 0; draw < NUM_DRAWS; draw++) if (sumOf(() => random.below(2) === 1) >= found) extreme++;
  return (extreme + 1) / (NUM_DRAWS + 1);
}
