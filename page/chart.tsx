/** One chart: curves with bands, a cursor that all charts share, a legend with values, and its data as PNG, SVG or CSV. */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import { exportCsv, exportPng, exportSvg } from './chart-export.ts';
import { type Axis, alignedData, type ChartSpec, type Curve, curvesOf, type RunSeries } from './curves.ts';
import { formatNumber } from './format.ts';
import type { Theme } from './theme.ts';

export interface ChartView {
  readonly axis: Axis;
  readonly smoothing: number;
  readonly isLog: boolean;
  readonly theme: Theme;
}

const SYNC = uPlot.sync('twgrpo');
const HEIGHT = 190;
const AXIS_NAMES: Readonly<Record<Axis, string>> = {
  step: 'step',
  hours: 'hours of training',
  tokens: 'tokens',
};
const KEY_COLORS: Readonly<Record<Theme, readonly string[]>> = {
  light: ['#0072b2', '#c75000', '#007f5c', '#a8528a', '#8a6d00', '#4a5568', '#9b2226', '#3a5a40'],
  dark: ['#56b4e9', '#f0925a', '#3ccf9e', '#e3a1c9', '#e6c84b', '#a9b4c4', '#ff8787', '#a3b18a'],
};

export function Chart({
  spec,
  runs,
  view,
}: {
  readonly spec: ChartSpec;
  readonly runs: readonly RunSeries[];
  readonly view: ChartView;
}) {
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const [at, setAt] = useState<number | null>(null);
  const { axis, smoothing, isLog, theme } = view;
  const curves = useMemo(
    () => curvesOf(spec, runs, axis, smoothing, KEY_COLORS[theme]),
    [spec, runs, axis, smoothing, theme],
  );
  const shape = curves.map(({ label, color, band }) => `${label}${color}${band === undefined}`).join('|');
  const data = useMemo(() => alignedData(curves, smoothing > 0), [curves, smoothing]);

  useEffect(() => {
    const element = holder.current!;
    const made = new uPlot(optionsOf(spec, curves, view, element.clientWidth, setAt), data, element);
    plot.current = made;
    const observer = new ResizeObserver(() => {
      if (element.clientWidth > 0) made.setSize({ width: element.clientWidth, height: HEIGHT });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = undefined;
    };
  }, [shape, spec, isLog, theme, axis, smoothing > 0]);
  useEffect(() => plot.current?.setData(data), [data]);

  const valueAt = (i: number) => {
    const column = columnOf(curves, i, smoothing > 0);
    const place = at ?? (data[0].length > 0 ? data[0].length - 1 : null);
    const value = place === null ? null : nearest(data[column] as readonly (number | null)[], place);
    return <dd class="num">{formatNumber(value, spec.unit)}</dd>;
  };
  const x = at === null ? undefined : data[0][at];
  const summary = `${spec.title}. ${curves
    .map(
      ({ label, smooth }) =>
        `${label}: ${formatNumber(
          smooth.findLast((value) => value !== null),
          spec.unit,
        )} at the end`,
    )
    .join('; ')}`;
  return (
    <figure class="chart card">
      <figcaption>
        <h3 title={spec.about}>{spec.title}</h3>
        <details class="menu">
          <summary aria-label={`Save the chart ${spec.title}`}>⤓</summary>
          <div>
            <button type="button" onClick={() => exportPng(plot.current!, spec.title)}>
              PNG
            </button>
            <button type="button" onClick={() => exportSvg(spec, curves, AXIS_NAMES[axis], isLog)}>
              SVG
            </button>
            <button type="button" onClick={() => exportCsv(spec, curves, AXIS_NAMES[axis])}>
              CSV
            </button>
          </div>
        </details>
      </figcaption>
      <div class="plot" ref={holder} role="img" aria-label={summary} />
      <dl class="legend">
        {x !== undefined && (
          <div>
            <dt class="soft">{AXIS_NAMES[axis]}</dt>
            <dd class="num">{formatNumber(x)}</dd>
          </div>
        )}
        {curves.map((curve, i) => (
          <div key={curve.label}>
            <dt>
              <Dot color={curve.color} />
              {curve.label}
            </dt>
            {valueAt(i)}
          </div>
        ))}
      </dl>
    </figure>
  );
}

export function Dot({ color }: { readonly color: string }) {
  return <span class="dot" style={{ background: color }} aria-hidden="true" />;
}

/** Column of a curve's line in the aligned data. */
function columnOf(curves: readonly Curve[], index: number, showsRaw: boolean): number {
  let column = 0;
  for (const { band } of curves.slice(0, index + 1))
    column += (band === undefined ? 1 : 3) + (showsRaw ? 1 : 0);
  return column;
}

/** The value at a place, or the last one before it. */
function nearest(values: readonly (number | null)[] | undefined, place: number): number | null {
  for (let i = Math.min(place, (values?.length ?? 0) - 1); i >= 0; i--)
    if (values![i] != null) return values![i]!;
  return null;
}

function optionsOf(
  spec: ChartSpec,
  curves: readonly Curve[],
  { axis, smoothing, isLog, theme }: ChartView,
  width: number,
  onCursor: (at: number | null) => void,
): uPlot.Options {
  const series: uPlot.Series[] = [{}];
  const bands: uPlot.Band[] = [];
  const showsRaw = smoothing > 0;
  for (const { label, color, dash, band } of curves) {
    if (band !== undefined) {
      const at = series.length;
      series.push({ stroke: 'transparent', spanGaps: true, points: { show: false } });
      series.push({ stroke: 'transparent', spanGaps: true, points: { show: false } });
      bands.push({ series: [at + 1, at], fill: `${color}22` });
    }
    if (showsRaw) series.push({ stroke: `${color}55`, width: 1, spanGaps: true, points: { show: false } });
    series.push({
      label,
      stroke: color,
      width: 2,
      spanGaps: true,
      ...(dash === undefined ? {} : { dash: [...dash] }),
    });
  }
  const grid = { stroke: theme === 'dark' ? '#ffffff14' : '#00000012', width: 1 };
  const line = { stroke: theme === 'dark' ? '#a0a6ad' : '#5b6168', grid, ticks: { show: false } };
  const font = '11px system-ui, sans-serif';
  return {
    width: Math.max(200, width),
    height: HEIGHT,
    series,
    bands,
    legend: { show: false },
    cursor: {
      sync: { key: SYNC.key, setSeries: false },
      points: { size: 6 },
      drag: { x: true, y: false },
    },
    scales: {
      x: { time: false },
      y: {
        distr: isLog ? 3 : 1,
        ...(isLog ? {} : { range: (_, low, high) => rangeOf(low, high, spec.include) }),
      },
    },
    axes: [
      {
        ...line,
        font,
        size: 28,
        values: (_, marks) => marks.map((mark) => (axis === 'hours' ? trim(mark) : short(mark))),
      },
      {
        ...line,
        font,
        size: 52,
        values: (_, marks) => marks.map((mark) => (mark === null ? '' : formatNumber(mark, spec.unit))),
      },
    ],
    hooks: { setCursor: [(self) => onCursor(self.cursor.idx ?? null)] },
  };
}

function rangeOf(low: number | null, high: number | null, include: readonly number[] = []): [number, number] {
  const ends = [low, high, ...include].filter(
    (value) => value !== null && Number.isFinite(value),
  ) as number[];
  if (ends.length === 0) return [0, 1];
  const [least, most] = [Math.min(...ends), Math.max(...ends)];
  const span = most - least;
  // A range of no height, or of one that is rounding alone, would have marks without end.
  const isFlat = span <= 1e-9 * Math.max(Math.abs(least), Math.abs(most));
  const margin = isFlat ? Math.max(Math.abs(most) * 0.1, 0.05) : 0.06 * span;
  return [
    include.includes(least) ? least : least - margin,
    most + (include.includes(most) && !isFlat ? margin / 3 : margin),
  ];
}

const trim = (value: number) => String(Number(value.toPrecision(4)));
const short = (value: number) =>
  value >= 1e9
    ? `${trim(value / 1e9)} G`
    : value >= 1e6
      ? `${trim(value / 1e6)} M`
      : value >= 1e4
        ? `${trim(value / 1e3)} k`
        : trim(value);
