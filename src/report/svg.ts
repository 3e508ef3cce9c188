/**
 * The parts every picture is made of, as SVG text. No chart library for Node draws without a browser's document or a canvas,
 * and each of the pictures is a hundred lines.
 */
import { escapeXml } from './xml.ts';

/** The Okabe-Ito palette, whose colours are apart for every kind of colour sight, and a grey that goes with it. */
export const COLORS = {
  blue: '#0072B2',
  orange: '#D55E00',
  green: '#009E73',
  pink: '#CC79A7',
  grey: '#767676',
} as const;

/**
 * A whole document on white: one element a line.
 * @param fontSize in pixels
 */
export function svgDocument(
  { width, height, title, fontSize }: { width: number; height: number; title: string; fontSize: number },
  elements: readonly string[],
): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="${fontSize}" role="img">`,
    `<title>${escapeXml(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    ...elements,
    '</svg>\n',
  ].join('\n');
}

/** @param attributes more of them, as they stand in the element */
export function svgText(x: number, y: number, content: string, attributes = ''): string {
  return `<text x="${hundredth(x)}" y="${hundredth(y)}"${attributes === '' ? '' : ` ${attributes}`}>${escapeXml(content)}</text>`;
}

/** A coordinate to a hundredth of a pixel. */
export function hundredth(value: number): number {
  return Math.round(value * 100) / 100;
}
