/** A page about a world: samples of its videos with their questions, and the scores of answers that take no understanding. */

import { join } from 'node:path';
import { percent, writeFileAtomic } from '../base/index.ts';
import { readItems } from '../data/index.ts';
import { contactSheet, decodeFrames, probeVideo } from '../video/index.ts';
import { type BaselineScores, RUNGS, type WorldFiles } from '../world/index.ts';
import { escapeXml } from './xml.ts';

export type ReportedSet = WorldFiles & { readonly split: string };

/** Frames shown of a sample. */
const NUM_SHOWN = 8;

const BARS: readonly { name: string; color: string; value: (scores: BaselineScores) => number | null }[] = [
  { name: 'chance', color: '#b8b8c0', value: ({ chance }) => chance },
  { name: 'best constant answer', color: '#8f8fa3', value: ({ best_constant }) => best_constant },
  { name: 'without the video', color: '#5f6b8a', value: ({ no_video }) => no_video },
  { name: 'objects that are present', color: '#d59f3a', value: ({ presence }) => presence },
  { name: 'what is seen to happen', color: '#c2573f', value: ({ facts }) => facts },
  {
    name: 'one frame, perfectly seen',
    color: '#3d8a6d',
    value: ({ single_frame }) => Math.max(...single_frame),
  },
];

/**
 * Writes one HTML file that needs nothing else.
 * @throws VideoError when a sample cannot be decoded
 */
export async function writeWorldReport(path: string, sets: readonly ReportedSet[]): Promise<void> {
  const parts: string[] = [];
  for (const set of sets) {
    const { split, num_videos, num_questions, baselines } = set;
    parts.push(`<h2>${split}</h2><p>${num_videos} videos, ${num_questions} questions.</p>`);
    parts.push(barChart(baselines.by_rung), await samples(set));
  }
  writeFileAtomic(path, page(parts.join('\n')));
}

/** One group of bars for each rung. */
function barChart(byRung: Readonly<Record<string, BaselineScores>>): string {
  const rungs = Object.entries(byRung);
  const [barWidth, gap, height, left] = [9, 26, 180, 44];
  const groupWidth = BARS.length * barWidth + gap;
  const width = left + rungs.length * groupWidth;
  const y = (share: number): number => 10 + height * (1 - share);
  const lines = [0, 0.25, 0.5, 0.75, 1].map(
    (share) =>
      `<line x1="${left}" x2="${width}" y1="${y(share)}" y2="${y(share)}" stroke="#ddd"/><text x="${left - 6}" y="${y(share) + 4}" text-anchor="end">${100 * share} %</text>`,
  );
  const groups = rungs.map(([rung, scores], at) => {
    const x = left + gap / 2 + at * groupWidth;
    const bars = BARS.map(({ name, color, value }, bar) => {
      const share = value(scores);
      if (share === null) return '';
      const title = `<title>${rung}: ${name} ${percent(share)} of ${scores.n}</title>`;
      return `<rect x="${x + bar * barWidth}" y="${y(share)}" width="${barWidth - 1}" height="${height * share}" fill="${color}">${title}</rect>`;
    });
    const middle = x + (BARS.length * barWidth) / 2;
    return `${bars.join('')}<text x="${middle}" y="${height + 26}" text-anchor="middle">${rung}</text><text x="${middle}" y="${height + 41}" text-anchor="middle" fill="#777">n = ${scores.n}</text>`;
  });
  const legend = BARS.map(
    ({ name, color }, at) =>
      `<rect x="${left + (at % 3) * 200}" y="${height + 54 + Math.floor(at / 3) * 18}" width="10" height="10" fill="${color}"/><text x="${left + 15 + (at % 3) * 200}" y="${height + 63 + Math.floor(at / 3) * 18}">${name}</text>`,
  );
  const full = Math.max(width, left + 600);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${full} ${height + 92}" width="${full}" font-family="sans-serif" font-size="11">${lines.join('')}${groups.join('')}${legend.join('')}</svg>`;
}

/** The first video of each rung as a strip of frames with its question. */
async function samples({ jsonl_path, video_root }: ReportedSet): Promise<string> {
  const { items } = readItems(jsonl_path);
  const parts: string[] = [];
  for (const rung of RUNGS) {
    const item = items.find(({ dims }) => dims['rung'] === rung);
    if (item === undefined) continue;
    const [{ path: name } = { path: '' }] = item.media;
    const path = join(video_root, name);
    const { numFrames } = await probeVideo(path);
    const shown = Math.min(NUM_SHOWN, numFrames);
    const at = Array.from({ length: shown }, (_, k) => Math.round((k * (numFrames - 1)) / (shown - 1)));
    const { frames, width, height } = await decodeFrames(path, at);
    const png = contactSheet(
      { frames, numFrames: shown, width, height },
      { columns: shown, maxFrameWidth: 112 },
    );
    const options = item.options.map((option, index) => {
      const isRight = item.answer.includes(String.fromCharCode(65 + index));
      return `<li class="${isRight ? 'right' : ''}">${escapeXml(option)}</li>`;
    });
    parts.push(
      `<h3>${rung}</h3><img alt="frames of ${escapeXml(name)}" src="data:image/png;base64,${Buffer.from(png).toString('base64')}"><p>${escapeXml(item.question)}</p><ol type="A">${options.join('')}</ol>`,
    );
  }
  return parts.join('\n');
}

function page(body: string): string {
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>A world of moving objects</title>
<style>
body { font: 14px/1.45 system-ui, sans-serif; max-width: 960px; margin: 2rem auto; padding: 0 1rem; color: #222; }
img, svg { max-width: 100%; height: auto; } ol { margin-top: 0; } p { margin: .4rem 0; }
li.right { font-weight: 600; color: #1c6b4c; } li.right::after { content: " ✓"; }
</style>
<h1>A world of moving objects</h1>
<p>Strict accuracy, exactly the right options, of answers that take no understanding. A model says something about a rung only where it is
clearly above all of its bars.</p>
${body}
</html>
`;
}
