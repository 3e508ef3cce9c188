/**
 * The accuracy table as a picture: a row for every group, strict accuracy as a dot on its 95 % interval, soft accuracy as a
 * ring; a second run in a second colour.
 */
import { percent } from '../base/index.ts';
import type { Accuracy, AccuracyTable } from '../stats/index.ts';
import { COLORS, hundredth, svgDocument, svgText } from './svg.ts';
import { escapeXml } from './xml.ts';

const WIDTH = 880;
const LABELS = 270;
const COUNTS = 60;
const RIGHT = 30;
const ROW = 24;
const HEADING = 30;
const TOP = 64;
const BOTTOM = 40;
const RUN_COLORS = [COLORS.blue, COLORS.orange] as const;
/** A dimension with more values shows only its largest groups. */
const MAX_VALUES = 12;

interface Row {
  readonly label: string;
  /** One entry for each run; undefined where it has no such items. */
  readonly values: readonly (Accuracy | undefined)[];
}

/**
 * @param against a second run; its rows appear where the first run has the same group
 * @returns a whole SVG document
 */
export function accuracyPlot(
  name: string,
  table: AccuracyTable,
  against: { readonly name: string; readonly accuracy: AccuracyTable | null } | null = null,
): string {
  const other = against?.accuracy ?? undefined;
  const sections = sectionsOf(table, other);
  const numRows = sections.reduce((sum, { rows }) => sum + rows.length, 0);
  const numHeadings = sections.filter(({ title }) => title !== '').length;
  const plotHeight = numRows * ROW + numHeadings * HEADING;
  const height = TOP + plotHeight + BOTTOM;
  const parts = [legend(other === undefined ? [name] : [name, against!.name]), axis(plotHeight)];
  let y = TOP;
  for (const { title, rows } of sections) {
    if (title !== '') {
      parts.push(svgText(12, y + HEADING - 10, title, 'font-weight="600"'));
      y += HEADING;
    }
    for (const row of rows) {
      parts.push(drawRow(row, y + ROW / 2));
      y += ROW;
    }
  }
  return svgDocument({ width: WIDTH, height, title: `Accuracy of ${name}`, fontSize: 13 }, parts);
}

function sectionsOf(
  table: AccuracyTable,
  other: AccuracyTable | undefined,
): { readonly title: string; readonly rows: readonly Row[] }[] {
  const rowsOf = (
    first: Readonly<Record<string, Accuracy>>,
    second: Readonly<Record<string, Accuracy>> | undefined,
  ): Row[] =>
    largest(first).map(([label, value]) => ({
      label,
      values: other === undefined ? [value] : [value, second?.[label]],
    }));
  return [
    {
      title: '',
      rows: [
        {
          label: 'all items',
          values: other === undefined ? [table.overall] : [table.overall, other.overall],
        },
        ...rowsOf(table.by_answers, other?.by_answers).map((row) => ({
          ...row,
          label: `${row.label} answer`,
        })),
      ],
    },
    ...Object.entries(table.by).map(([dimension, values]) => {
      const hidden = Object.keys(values).length - MAX_VALUES;
      return {
        title: hidden > 0 ? `${dimension} (the ${MAX_VALUES} largest of ${hidden + MAX_VALUES})` : dimension,
        rows: rowsOf(values, other?.by[dimension]),
      };
    }),
  ];
}

/** The largest groups of a dimension, in the order of the record. */
function largest(groups: Readonly<Record<string, Accuracy>>): [string, Accuracy][] {
  const bySize = Object.entries(groups).sort(([, a], [, b]) => b.n - a.n);
  const shown = new Set(bySize.slice(0, MAX_VALUES).map(([label]) => label));
  return Object.entries(groups).filter(([label]) => shown.has(label));
}

function drawRow({ label, values }: Row, y: number): string {
  const parts = [
    svgText(LABELS - 12, y + 4, shorten(label), 'text-anchor="end"'),
    svgText(LABELS + COUNTS - 14, y + 4, String(values[0]?.n ?? 0), 'text-anchor="end" fill="#767676"'),
  ];
  for (const [run, value] of values.entries()) {
    if (value === undefined) continue;
    const color = RUN_COLORS[run]!;
    const at = values.length === 1 ? y : y - 4 + 8 * run;
    const { low, high } = value.strict_interval;
    parts.push(
      `<g><title>${escapeXml(`${label}: strict ${percent(value.strict)} (${percent(low)} to ${percent(high)}), soft ${percent(value.soft)}, ${value.n} items`)}</title>`,
      `<line x1="${x(low)}" y1="${at}" x2="${x(high)}" y2="${at}" stroke="${color}" stroke-width="2"/>`,
      `<circle cx="${x(value.strict)}" cy="${at}" r="4" fill="${color}"/>`,
    );
    if (value.soft !== value.strict)
      parts.push(
        `<circle cx="${x(value.soft)}" cy="${at}" r="4" fill="#ffffff" stroke="${color}" stroke-width="1.5"/>`,
      );
    parts.push('</g>');
  }
  return parts.join('');
}

function axis(plotHeight: number): string {
  const marks = [0, 0.25, 0.5, 0.75, 1];
  return marks
    .map(
      (share) =>
        `<line x1="${x(share)}" y1="${TOP}" x2="${x(share)}" y2="${TOP + plotHeight}" stroke="#dddddd"/>${svgText(
          x(share),
          TOP + plotHeight + 20,
          `${100 * share} %`,
          'text-anchor="middle" fill="#767676"',
        )}`,
    )
    .join('');
}

function legend(names: readonly string[]): string {
  const runs = names.map((name, run) => {
    const y = 20 + 18 * run;
    return `<circle cx="18" cy="${y - 4}" r="4" fill="${RUN_COLORS[run]}"/>${svgText(30, y, shorten(name, 60))}`;
  });
  const key = `<circle cx="${WIDTH - 380}" cy="16" r="4" fill="#555555"/>${svgText(WIDTH - 370, 20, 'strict, with its 95 % interval')}<circle cx="${WIDTH - 150}" cy="16" r="4" fill="#ffffff" stroke="#555555" stroke-width="1.5"/>${svgText(WIDTH - 140, 20, 'soft')}`;
  return `${runs.join('')}${key}${svgText(LABELS + COUNTS - 14, TOP - 8, 'items', 'text-anchor="end" fill="#767676"')}`;
}

/** Horizontal place of a share, to a hundredth of a pixel. */
function x(share: number): number {
  const start = LABELS + COUNTS;
  return hundredth(start + share * (WIDTH - start - RIGHT));
}

function shorten(label: string, length = 34): string {
  const characters = [...label];
  return characters.length <= length ? label : `${characters.slice(0, length - 1).join('')}…`;
}
