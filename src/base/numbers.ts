/** Numbers as the pages, the tables and the terminal need them: means, medians, and shares in percent. */

/** Arithmetic mean; NaN of no values. */
export function mean(values: readonly number[]): number {
  return values.length === 0 ? Number.NaN : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/**
 * Mean squared distance from the mean, in an order that gives the same bits everywhere.
 * @param lost degrees of freedom taken off the count: 0 of a whole population, 1 of a sample
 */
export function variance(values: readonly number[], lost: 0 | 1 = 0): number {
  const centre = mean(values);
  return values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - lost);
}

/** The middle value, or the mean of the two in the middle; NaN of no values. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return mean(sorted.length % 2 === 1 ? [sorted[middle]!] : sorted.slice(middle - 1, middle + 1));
}

/**
 * `41.5`: a share as a number of percent without its sign, for columns that say the unit in their head.
 * @param share in [0, 1]; NaN or null (there is none) gives `–`
 */
export function percentNumber(share: number | null, digits = 1): string {
  return share === null || Number.isNaN(share) ? '–' : (100 * share).toFixed(digits);
}

/** `41.5 %`: a share in percent, `–` where there is none. */
export function percent(share: number | null, digits = 1): string {
  const number = percentNumber(share, digits);
  return number === '–' ? number : `${number} %`;
}

/** `38.2–44.9`: an interval of shares in percent, for columns that say the unit in their head. */
export function percentRange({ low, high }: { readonly low: number; readonly high: number }): string {
  return `${percentNumber(low)}–${percentNumber(high)}`;
}
