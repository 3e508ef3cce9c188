/**
 * @file Line charts as SVG text, for the figures in docs/: panels side by side, each with linear or logarithmic axes, lines
 * with dots, and one legend above. No browser, no fonts, no script in the result.
 */

const PANEL = { width: 380, height: 240 };
const MARGIN = { left: 56, right: 16, top: 28, bottom: 44 };
const LEGEND = 34;
// Okabe-Ito: apart for every kind of colour sight.
export const COLORS = ['#0072B2', '#D55E00', '#009E73', '#CC79A7', '#767676'];

const escapeXml = (text) =>
  String(text).replace(/[&<>"]/g, (one) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[one]);
const round = (value) => Math.round(value * 100) / 100;
const text = (x, y, content, attributes = '') =>
  `<text x="${round(x)}" y="${round(y)}" ${attributes}>${escapeXml(content)}</text>`;

/** Round numbers that cover [low, high], about `count` of them; powers of the base on a logarithmic axis. */
function marksOf([low, high], isLog, count = 5) {
  if (isLog) {
    const marks = [];
    for (let mark = 2 ** Math.floor(Math.log2(low)); mark <= high * 1.001; mark *= 2)
      if (mark >= low) marks.push(mark);
    return marks;
  }
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= raw);
  const marks = [];
  for (let i = Math.ceil(low / step); i * step <= high + 1e-9; i++)
    marks.push(Number((i * step).toPrecision(12)));
  return marks;
}

/**
 * @typedef {{ name: string, color: string, dash?: string, dots?: boolean, points: [number, number][] }} Line
 * @typedef {{ title: string, x: string, y: string, logX?: boolean, logY?: boolean, from?: number, band?: [number, number, string], lines: Line[] }} Panel
 */

/** @param {{ title: string, panels: Panel[] }} chart @returns {string} an SVG document */
export function lineChart({ title, panels }) {
  const width = panels.length * PANEL.width;
  const height = LEGEND + PANEL.height + 8;
  const names = new Map(panels.flatMap(({ lines }) => lines.map((line) => [line.name, line])));
  let at = MARGIN.left;
  const legend = [...names.values()].map(({ name, color, dash }) => {
    const entry =
      `<line x1="${at}" y1="16" x2="${at + 22}" y2="16" stroke="${color}" stroke-width="2.5"${dashOf(dash)}/>` +
      text(at + 28, 20, name);
    at += 46 + 6.6 * name.length;
    return entry;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="12" role="img">`,
    `<title>${escapeXml(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    ...legend,
    ...panels.map((panel, i) => drawPanel(panel, i * PANEL.width, LEGEND)),
    '</svg>',
    '',
  ].join('\n');
}

const dashOf = (dash) => (dash === undefined ? '' : ` stroke-dasharray="${dash}"`);

function drawPanel({ title, x, y, logX = false, logY = false, from, band, lines }, left, top) {
  const points = lines.flatMap((line) => line.points);
  const range = (values, isLog) => [Math.min(...values), Math.max(...values) * (isLog ? 1.1 : 1)];
  const xs = range(
    points.map(([value]) => value),
    false,
  );
  const ys = range(
    points.map(([, value]) => value),
    logY,
  );
  if (from !== undefined) ys[0] = from;
  else if (!logY) ys[0] = 0;
  if (!logY) ys[1] += (ys[1] - ys[0]) * 0.05;
  const [x0, x1] = [left + MARGIN.left, left + PANEL.width - MARGIN.right];
  const [y0, y1] = [top + PANEL.height - MARGIN.bottom, top + MARGIN.top];
  const scale = ([low, high], isLog, start, end) => {
    const f = isLog ? Math.log : (value) => value;
    return (value) => round(start + ((f(value) - f(low)) / (f(high) - f(low))) * (end - start));
  };
  const toX = scale(xs, logX, x0, x1);
  const toY = scale(ys, logY, y0, y1);
  const show = (value) => (value >= 1000 ? value.toLocaleString('en') : String(value));
  const parts = [text((x0 + x1) / 2, top + 16, title, 'text-anchor="middle" font-weight="600"')];
  if (band !== undefined) {
    const [low, high, label] = band;
    parts.push(
      `<rect x="${toX(low)}" y="${y1}" width="${round(toX(high) - toX(low))}" height="${y0 - y1}" fill="#f0f0f0"/>`,
      text((toX(low) + toX(high)) / 2, y0 - 6, label, 'text-anchor="middle" fill="#767676" font-size="11"'),
    );
  }
  for (const mark of marksOf(ys, logY))
    parts.push(
      `<line x1="${x0}" y1="${toY(mark)}" x2="${x1}" y2="${toY(mark)}" stroke="#dddddd"/>`,
      text(x0 - 6, toY(mark) + 4, show(mark), 'text-anchor="end" fill="#555555"'),
    );
  for (const mark of marksOf(xs, logX))
    parts.push(
      `<line x1="${toX(mark)}" y1="${y0}" x2="${toX(mark)}" y2="${y0 + 4}" stroke="#767676"/>`,
      text(toX(mark), y0 + 17, show(mark), 'text-anchor="middle" fill="#555555"'),
    );
  parts.push(
    `<line x1="${x0}" y1="${y0}" x2="${x1}" y2="${y0}" stroke="#767676"/>`,
    text((x0 + x1) / 2, y0 + 34, x, 'text-anchor="middle"'),
    text(
      left + 14,
      (y0 + y1) / 2,
      y,
      `text-anchor="middle" transform="rotate(-90 ${left + 14} ${(y0 + y1) / 2})"`,
    ),
  );
  for (const { color, dash, dots = false, points: own } of lines) {
    const path = own.map(([px, py]) => `${toX(px)},${toY(py)}`).join(' ');
    parts.push(
      `<polyline points="${path}" fill="none" stroke="${color}" stroke-width="2.2" stroke-linejoin="round"${dashOf(dash)}/>`,
    );
    if (dots)
      for (const [px, py] of own)
        parts.push(`<circle cx="${toX(px)}" cy="${toY(py)}" r="3.2" fill="${color}"/>`);
  }
  return parts.join('\n');
}
