/** A chart as a file: what is on the screen (PNG), lines (SVG), numbers (CSV). */
import type uPlot from 'uplot';
import type { ChartSpec, Curve } from './curves.ts';
import { formatNumber } from './format.ts';

function save(name: string, content: Blob): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

const fileName = (title: string, end: string) => `${title.toLowerCase().replace(/[^a-z0-9]+/g, '-')}.${end}`;

export function exportPng(plot: uPlot, title: string): void {
  const { canvas } = plot.ctx;
  const copy = document.createElement('canvas');
  copy.width = canvas.width;
  copy.height = canvas.height;
  const context = copy.getContext('2d')!;
  context.fillStyle = getComputedStyle(plot.root.closest('.card')!).backgroundColor;
  context.fillRect(0, 0, copy.width, copy.height);
  context.drawImage(canvas, 0, 0);
  copy.toBlob((blob) => {
    if (blob !== null) save(fileName(title, 'png'), blob);
  });
}

/** One row for each place of each curve. */
function csvOf(spec: ChartSpec, curves: readonly Curve[], axis: string): string {
  const cell = (text: string) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const lines = curves.flatMap(({ label, x, raw, smooth }) =>
    x.map((place, i) => [cell(label), place, raw[i] ?? '', smooth[i] ?? ''].join(',')),
  );
  return `${[`curve,${cell(axis)},${cell(spec.title)},smoothed`, ...lines].join('\n')}\n`;
}

export function exportCsv(spec: ChartSpec, curves: readonly Curve[], axis: string): void {
  save(fileName(spec.title, 'csv'), new Blob([csvOf(spec, curves, axis)], { type: 'text/csv' }));
}

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [720, 360, 64, 16, 40, 44];

function svgOf(spec: ChartSpec, curves: readonly Curve[], axis: string, isLog: boolean): string {
  const scale = (value: number) => (isLog ? Math.log10(value) : value);
  const ys = curves.flatMap(({ smooth, band }) => [...smooth, ...(band ?? []).flat()]);
  const values = [...ys, ...(spec.include ?? [])]
    .filter((y): y is number => y !== null && (!isLog || y > 0))
    .map(scale);
  const [low, high] = endsOf(values);
  const [first, last] = endsOf(curves.flatMap(({ x }) => [...x]));
  const px = (x: number) => round(LEFT + ((x - first) / (last - first)) * (WIDTH - LEFT - RIGHT));
  const py = (y: number) => round(TOP + (1 - (scale(y) - low) / (high - low)) * (HEIGHT - TOP - BOTTOM));
  const points = (x: readonly number[], column: readonly (number | null)[]) =>
    x.flatMap((place, i) => {
      const y = column[i];
      return y == null || (isLog && y <= 0) ? [] : [`${px(place)},${py(y)}`];
    });
  const marks = [0, 0.25, 0.5, 0.75, 1].map((part) => {
    const value = low + part * (high - low);
    return isLog ? 10 ** value : value;
  });
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" font-family="system-ui, sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    `<text x="${LEFT}" y="20" font-weight="600" font-size="14">${escapeXml(spec.title)}</text>`,
    ...marks.map(
      (mark) =>
        `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${py(mark)}" y2="${py(mark)}" stroke="#dddddd"/><text x="${LEFT - 6}" y="${py(mark) + 4}" text-anchor="end" fill="#666666">${escapeXml(formatNumber(mark, spec.unit))}</text>`,
    ),
    `<text x="${LEFT}" y="${HEIGHT - 14}" fill="#666666">${escapeXml(formatNumber(first))}</text><text x="${WIDTH - RIGHT}" y="${HEIGHT - 14}" text-anchor="end" fill="#666666">${escapeXml(axis)} ${escapeXml(formatNumber(last))}</text>`,
  ];
  for (const [i, { label, color, x, smooth, band }] of curves.entries()) {
    if (band !== undefined)
      parts.push(
        `<polygon points="${[...points(x, band[0]), ...points(x, band[1]).reverse()].join(' ')}" fill="${color}" fill-opacity=".14"/>`,
      );
    parts.push(
      `<polyline points="${points(x, smooth).join(' ')}" fill="none" stroke="${color}" stroke-width="2"/>`,
      `<text x="${WIDTH - RIGHT}" y="${20 + 15 * i}" text-anchor="end" fill="${color}">${escapeXml(label)}</text>`,
    );
  }
  return `${[...parts, '</svg>'].join('\n')}\n`;
}

export function exportSvg(spec: ChartSpec, curves: readonly Curve[], axis: string, isLog: boolean): void {
  save(fileName(spec.title, 'svg'), new Blob([svgOf(spec, curves, axis, isLog)], { type: 'image/svg+xml' }));
}

function endsOf(values: readonly number[]): [number, number] {
  const low = values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const high = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  if (!Number.isFinite(low)) return [0, 1];
  return low === high ? [low - 0.5, high + 0.5] : [low, high];
}

const round = (value: number) => Math.round(value * 10) / 10;
const escapeXml = (text: string) => text.replace(/[&<>"]/g, (mark) => `&#${mark.charCodeAt(0)};`);
