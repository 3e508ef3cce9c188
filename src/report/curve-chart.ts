/**
 * Curves over training steps as SVG text: every value as a thin line, its running mean as a thick one, a band where there is
 * a spread. Drawn in the colours of the page around it.
 */
import { mean } from '../base/index.ts';
import { escapeXml } from './xml.ts';

export interface Curve {
  readonly name: string;
  /** Any CSS colour. */
  readonly color: string;
  /** One a step, in order; NaN where a step has none. */
  readonly values: readonly number[];
  /** Lower and upper end of the band at each step. */
  readonly band?: readonly (readonly [low: number, high: number])[];
}

export interface CurveChartOptions {
  readonly title: string;
  readonly curves: readonly Curve[];
  /** Steps of the values. */
  readonly steps: readonly number[];
  /** Ends of the vertical axis that are always shown. */
  readonly include?: readonly number[];
  readonly unit?: 'number' | 'percent';
}

const WIDTH = 420;
const HEIGHT = 220;
const LEFT = 46;
const RIGHT = 10;
const TOP = 34;
const BOTTOM = 26;
/** The running mean looks at this share of the run. */
const WINDOW = 0.1;

/** @returns an `<svg>` element; an empty frame when there are no steps */
export function curveChart({
  title,
  curves,
  steps,
  include = [],
  unit = 'number',
}: CurveChartOptions): string {
  const shown = curves.flatMap(({ values, band = [] }) => [...values, ...band.flat()]);
  const [low, high] = niceRange([...shown, ...include].filter(Number.isFinite));
  const [first = 0, last = 1] = [steps[0], steps.at(-1)];
  const x = (step: number) =>
    round(LEFT + ((step - first) / Math.max(1, last - first)) * (WIDTH - LEFT - RIGHT));
  const y = (value: number) => round(TOP + (1 - (value - low) / (high - low)) * (HEIGHT - TOP - BOTTOM));
  const label = (value: number) => (unit === 'percent' ? `${trim(100 * value)} %` : trim(value));
  const marks = [0, 1, 2, 3, 4].map((part) => low + (part / 4) * (high - low));
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" class="chart" role="img" font-family="system-ui, sans-serif" font-size="11">`,
    `<title>${escapeXml(title)}</title>`,
    `<text x="${LEFT}" y="14" font-weight="600" font-size="12" fill="currentColor">${escapeXml(title)}</text>`,
    ...marks.map(
      (value) =>
        `<line x1="${LEFT}" y1="${y(value)}" x2="${WIDTH - RIGHT}" y2="${y(value)}" stroke="currentColor" stroke-opacity=".15"/><text x="${LEFT - 5}" y="${y(value) + 4}" text-anchor="end" fill="currentColor" fill-opacity=".65">${label(value)}</text>`,
    ),
    `<text x="${LEFT}" y="${HEIGHT - 8}" fill="currentColor" fill-opacity=".65">step ${first}</text>`,
    `<text x="${WIDTH - RIGHT}" y="${HEIGHT - 8}" text-anchor="end" fill="currentColor" fill-opacity=".65">${last}</text>`,
  ];
  curves.forEach((curve, index) => {
    parts.push(drawCurve(curve, steps, x, y));
    if (curves.length > 1)
      parts.push(
        `<text x="${WIDTH - RIGHT}" y="${14 + 12 * index}" text-anchor="end" fill="${curve.color}">${escapeXml(curve.name)}</text>`,
      );
  });
  parts.push('</svg>');
  return parts.join('');
}

function drawCurve(
  { color, values, band }: Curve,
  steps: readonly number[],
  x: (step: number) => number,
  y: (value: number) => number,
): string {
  const points = (numbers: readonly number[]) =>
    numbers.flatMap((value, i) => (Number.isFinite(value) ? [`${x(steps[i]!)},${y(value)}`] : []));
  const parts = [
    `<polyline points="${points(values).join(' ')}" fill="none" stroke="${color}" stroke-opacity=".3"/>`,
    `<polyline points="${points(runningMean(values)).join(' ')}" fill="none" stroke="${color}" stroke-width="2"/>`,
  ];
  if (band !== undefined) {
    const low = points(runningMean(band.map(([end]) => end)));
    const high = points(runningMean(band.map(([, end]) => end)));
    parts.unshift(
      `<polygon points="${[...low, ...high.reverse()].join(' ')}" fill="${color}" fill-opacity=".12"/>`,
    );
  }
  return parts.join('');
}

/** Mean over the values around each one, NaN left out. */
export function runningMean(values: readonly number[]): number[] {
  const half = Math.floor((values.length * WINDOW) / 2);
  return values.map((_, at) => {
    const near = values.slice(Math.max(0, at - half), at + half + 1).filter(Number.isFinite);
    return mean(near);
  });
}

/** Ends that are round numbers, four equal steps apart, around all values. */
function niceRange(values: readonly number[]): [low: number, high: number] {
  const least = values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const most = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  if (!(most > least)) return Number.isFinite(least) ? [least - 0.5, least + 0.5] : [0, 1];
  const rough = (most - least) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  for (const factor of [1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 15, 20]) {
    const step = factor * power;
    const low = Math.floor(least / step + 1e-9) * step;
    if (low + 4 * step >= most - 1e-9 * step) return [low, low + 4 * step];
  }
  return [least, most];
}

const round = (value: number) => Math.round(value * 10) / 10;
const trim = (value: number) => String(Number(value.toPrecision(3)));
