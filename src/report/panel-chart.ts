/**
 * Line charts for the pages in docs/: panels side by side, each with linear or logarithmic axes, lines with dots, and one
 * legend above. No browser, no fonts, no script in the result.
 */
import { hundredth, svgDocument, svgText } from './svg.ts';

export interface PanelLine {
  readonly name: string;
  /** Any CSS colour. */
  readonly color: string;
  /** Lengths of dash and gap, for example `5 3`. */
  readonly dash?: string;
  /** A dot at every point. */
  readonly dots?: boolean;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface Panel {
  readonly title: string;
  /** Label of the horizontal axis. */
  readonly x: string;
  readonly y: string;
  readonly logX?: boolean;
  readonly logY?: boolean;
  /** Lower end of the vertical axis; else 0, or the least value on a logarithmic one. */
  readonly from?: number;
  /** Grey part of the horizontal axis with its label. */
  readonly band?: readonly [low: number, high: number, label: string];
  readonly lines: readonly PanelLine[];
}

type Range = readonly [low: number, high: number];

const PANEL = { width: 380, height: 240 };
const MARGIN = { left: 56, right: 16, top: 28, bottom: 44 };
const LEGEND = 34;
/** Marks of a linear axis, about. */
const NUM_MARKS = 5;

/** @returns a whole SVG document */
export function panelChart({ title, panels }: { title: string; panels: readonly Panel[] }): string {
  const names = new Map(panels.flatMap(({ lines }) => lines.map((line) => [line.name, line])));
  let at = MARGIN.left;
  const legend = [...names.values()].map(({ name, color, dash }) => {
    const entry =
      `<line x1="${at}" y1="16" x2="${at + 22}" y2="16" stroke="${color}" stroke-width="2.5"${dashOf(dash)}/>` +
      svgText(at + 28, 20, name);
    at += 46 + 6.6 * name.length;
    return entry;
  });
  const size = { width: panels.length * PANEL.width, height: LEGEND + PANEL.height + 8 };
  return svgDocument({ ...size, title, fontSize: 12 }, [
    ...legend,
    ...panels.map((panel, i) => drawPanel(panel, i * PANEL.width, LEGEND)),
  ]);
}

const dashOf = (dash: string | undefined): string =>
  dash === undefined ? '' : ` stroke-dasharray="${dash}"`;

/** Round numbers that cover the range; powers of 2 on a logarithmic axis. */
function marksOf([low, high]: Range, isLog: boolean): number[] {
  const marks: number[] = [];
  if (isLog) {
    for (let mark = 2 ** Math.floor(Math.log2(low)); mark <= high * 1.001; mark *= 2)
      if (mark >= low) marks.push(mark);
    return marks;
  }
  const raw = (high - low) / NUM_MARKS;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = ([1, 2, 5].find((factor) => factor * power >= raw) ?? 10) * power;
  for (let i = Math.ceil(low / step); i * step <= high + 1e-9; i++)
    marks.push(Number((i * step).toPrecision(12)));
  return marks;
}

/** Place of a value between `start` and `end` in pixels. */
function scale([low, high]: Range, isLog: boolean, start: number, end: number): (value: number) => number {
  const f = isLog ? Math.log : (value: number): number => value;
  return (value) => hundredth(start + ((f(value) - f(low)) / (f(high) - f(low))) * (end - start));
}

function rangesOf({ lines, logY = false, from }: Panel): { readonly xs: Range; readonly ys: Range } {
  const points = lines.flatMap((line) => line.points);
  const xs = points.map(([value]) => value);
  const ys = points.map(([, value]) => value);
  const low = from ?? (logY ? Math.min(...ys) : 0);
  const high = Math.max(...ys) * (logY ? 1.1 : 1);
  return {
    xs: [Math.min(...xs), Math.max(...xs)],
    ys: [low, logY ? high : high + (high - low) * 0.05],
  };
}

function drawPanel(panel: Panel, left: number, top: number): string {
  const { title, x, y, logX = false, logY = false, band, lines } = panel;
  const { xs, ys } = rangesOf(panel);
  const [x0, x1] = [left + MARGIN.left, left + PANEL.width - MARGIN.right];
  const [y0, y1] = [top + PANEL.height - MARGIN.bottom, top + MARGIN.top];
  const toX = scale(xs, logX, x0, x1);
  const toY = scale(ys, logY, y0, y1);
  const show = (value: number): string => (value >= 1000 ? value.toLocaleString('en') : String(value));
  const parts = [svgText((x0 + x1) / 2, top + 16, title, 'text-anchor="middle" font-weight="600"')];
  if (band !== undefined) {
    const [low, high, label] = band;
    parts.push(
      `<rect x="${toX(low)}" y="${y1}" width="${hundredth(toX(high) - toX(low))}" height="${y0 - y1}" fill="#f0f0f0"/>`,
      svgText(
        (toX(low) + toX(high)) / 2,
        y0 - 6,
        label,
        'text-anchor="middle" fill="#767676" font-size="11"',
      ),
    );
  }
  for (const mark of marksOf(ys, logY))
    parts.push(
      `<line x1="${x0}" y1="${toY(mark)}" x2="${x1}" y2="${toY(mark)}" stroke="#dddddd"/>`,
      svgText(x0 - 6, toY(mark) + 4, show(mark), 'text-anchor="end" fill="#555555"'),
    );
  for (const mark of marksOf(xs, logX))
    parts.push(
      `<line x1="${toX(mark)}" y1="${y0}" x2="${toX(mark)}" y2="${y0 + 4}" stroke="#767676"/>`,
      svgText(toX(mark), y0 + 17, show(mark), 'text-anchor="middle" fill="#555555"'),
    );
  const turned = `rotate(-90 ${left + 14} ${(y0 + y1) / 2})`;
  parts.push(
    `<line x1="${x0}" y1="${y0}" x2="${x1}" y2="${y0}" stroke="#767676"/>`,
    svgText((x0 + x1) / 2, y0 + 34, x, 'text-anchor="middle"'),
    svgText(left + 14, (y0 + y1) / 2, y, `text-anchor="middle" transform="${turned}"`),
    ...lines.map((line) => drawLine(line, toX, toY)),
  );
  return parts.join('\n');
}

function drawLine(
  { color, dash, dots = false, points }: PanelLine,
  toX: (value: number) => number,
  toY: (value: number) => number,
): string {
  const places = points.map(([x, y]) => [toX(x), toY(y)] as const);
  const path = places.map(([x, y]) => `${x},${y}`).join(' ');
  return [
    `<polyline points="${path}" fill="none" stroke="${color}" stroke-width="2.2" stroke-linejoin="round"${dashOf(dash)}/>`,
    ...(dots ? places.map(([x, y]) => `<circle cx="${x}" cy="${y}" r="3.2" fill="${color}"/>`) : []),
  ].join('\n');
}
