/** From the reduced columns of some runs to the curves of one chart. */
import uPlot from 'uplot';
import type { Series } from '../src/dashboard/api.ts';
import type { Unit } from './format.ts';

export type Axis = 'step' | 'hours' | 'tokens';

export interface ChartSpec {
  readonly title: string;
  readonly unit: Unit;
  readonly keys: readonly ChartKey[];
  /** Ends of the vertical axis that are always shown. */
  readonly include?: readonly number[];
  /** A sentence on what to look for. */
  readonly about?: string;
}

export interface ChartKey {
  readonly key: string;
  readonly label: string;
  /** Keys of the lower and the upper end of a band, or the key of a deviation. */
  readonly band?: { readonly low: string; readonly high: string } | { readonly deviation: string };
}

export interface RunSeries {
  readonly name: string;
  readonly color: string;
  readonly series: Series;
}

export interface Curve {
  readonly label: string;
  readonly color: string;
  readonly dash: readonly number[] | undefined;
  readonly x: readonly number[];
  /** As measured; means of buckets where the run is long. */
  readonly raw: readonly (number | null)[];
  readonly smooth: readonly (number | null)[];
  readonly band: readonly [low: readonly (number | null)[], high: readonly (number | null)[]] | undefined;
}

/** Columns made here, as if the server had answered with them. */
export function seriesOf(
  step: readonly number[],
  columns: Readonly<Record<string, readonly (number | null)[]>>,
): Series {
  const nothing = step.map(() => null);
  return {
    rows: step.length,
    known: Object.keys(columns),
    step,
    hours: nothing,
    tokens: nothing,
    columns: Object.fromEntries(Object.entries(columns).map(([key, mean]) => [key, { mean }])),
  };
}

const DASHES = [undefined, [6, 3], [2, 3], [8, 3, 2, 3]] as const;

/**
 * @param smoothing 0: none, towards 1: more; the weight of what came before, a row
 * @param colors of the keys of a chart with one run
 */
export function curvesOf(
  spec: ChartSpec,
  runs: readonly RunSeries[],
  axis: Axis,
  smoothing: number,
  colors: readonly string[],
): Curve[] {
  return runs.flatMap(({ name, color, series }) => {
    const keys = spec.keys.filter(({ key }) => key in series.columns);
    return keys.map(({ key, label, band }, k): Curve => {
      const own = series.columns[key]!;
      const x = xOf(series, axis);
      const smooth = (values: readonly (number | null)[]) => smoothed(values, smoothing);
      return {
        label: runs.length === 1 ? label : keys.length === 1 ? name : `${name}: ${label}`,
        color: runs.length === 1 ? colors[k % colors.length]! : color,
        dash: runs.length === 1 ? undefined : DASHES[k % DASHES.length],
        x,
        raw: own.mean,
        smooth: smooth(own.mean),
        band: bandOf(series, own, band)?.map(smooth) as Curve['band'],
      };
    });
  });
}

function xOf(series: Series, axis: Axis): number[] {
  const values = axis === 'step' ? series.step : axis === 'hours' ? series.hours : series.tokens;
  // Where a run lacks times or tokens, its steps are better than nothing.
  return values.every((value) => value === null) ? [...series.step] : values.map((value) => value ?? 0);
}

function bandOf(
  { columns }: Series,
  own: Series['columns'][string],
  band: ChartKey['band'],
): [(number | null)[], (number | null)[]] | undefined {
  if (band !== undefined && 'deviation' in band) {
    const deviation = columns[band.deviation]?.mean;
    if (deviation === undefined) return undefined;
    const at = (sign: number) =>
      own.mean.map((value, i) =>
        value === null || deviation[i] == null ? null : value + sign * deviation[i],
      );
    return [at(-1), at(1)];
  }
  const [low, high] =
    band === undefined ? [own.min, own.max] : [columns[band.low]?.mean, columns[band.high]?.mean];
  return low === undefined || high === undefined ? undefined : [[...low], [...high]];
}

/** Exponential mean, corrected for its start; a missing value stays missing and changes nothing. */
function smoothed(values: readonly (number | null)[], weight: number): (number | null)[] {
  if (weight === 0) return [...values];
  let [sum, norm] = [0, 0];
  return values.map((value) => {
    if (value === null) return null;
    sum = weight * sum + (1 - weight) * value;
    norm = weight * norm + (1 - weight);
    return sum / norm;
  });
}

/** Curves on one common x: three columns a curve with a band (lower, upper, line), one a faint raw line. */
export function alignedData(curves: readonly Curve[], showsRaw: boolean): uPlot.AlignedData {
  if (curves.length === 0) return [[]];
  const tables = curves.map(
    ({ x, raw, smooth, band }): uPlot.AlignedData => [
      [...x],
      ...(band === undefined ? [] : [[...band[0]], [...band[1]]]),
      ...(showsRaw ? [[...raw]] : []),
      [...smooth],
    ],
  );
  return tables.length === 1 ? tables[0]! : uPlot.join(tables);
}
