/**
 * @file When gradients travel: a step of one of two processes as a timeline, the way back through each layer and the collectives.
 *
 *   npm run trial:overlap -- [ZERO_STAGE]
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TraceSpan } from '../../../src/dist/index.ts';
import { trialRun } from './trial-run.ts';

const WIDTH = 72;
const zero_stage = Number(process.argv[2] ?? 0);
const { output_dir: run } = await trialRun('overlap', 2, { zero_stage, max_steps: 2 });
const lines = readFileSync(join(run, 'logs', 'rank-0.jsonl'), 'utf8')
  .trim()
  .split('\n');
const records = lines.map((line) => JSON.parse(line) as { step?: number; spans?: TraceSpan[] });
const all = records.find(({ step, spans }) => step === 2 && spans !== undefined)!.spans!;
const waysBack = all.filter(({ what }) => what.startsWith('way back'));
// The last prompt's way back, after which nothing is added to a gradient.
const top = waysBack.findLastIndex(({ what }) => what === waysBack[0]!.what);
const since = waysBack[top]!.began;
const spans = all.filter(({ ended }) => ended > since).sort((a, b) => a.began - b.began);
const until = Math.max(...spans.map(({ ended }) => ended));
const at = (time: number) => Math.round(((Math.max(time, since) - since) / (until - since)) * WIDTH);
console.log(
  `zero_stage ${zero_stage}: the last way back of a step, ${(until - since).toFixed(1)} ms; = computes, # travels`,
);
for (const { what, began, ended, bytes } of spans) {
  const bar = ' '.repeat(at(began)) + (bytes > 0 ? '#' : '=').repeat(Math.max(1, at(ended) - at(began)));
  const size = bytes > 0 ? `${(bytes / 1e6).toFixed(1)} MB sent` : '';
  console.log(
    `${what.padEnd(44)} |${bar.padEnd(WIDTH + 1)}| ${(began - since).toFixed(1).padStart(7)} to ${(ended - since).toFixed(1).padStart(7)} ms ${size}`,
  );
}
const end = Math.max(...waysBack.map(({ ended }) => ended));
const travelling = spans.filter(({ bytes }) => bytes > 0);
const hidden = travelling.reduce(
  (sum, { began, ended }) => sum + Math.max(0, Math.min(ended, end) - began),
  0,
);
const whole = travelling.reduce((sum, { began, ended }) => sum + ended - began, 0);
console.log(`${Math.round((100 * hidden) / whole)} % of the time of travelling lies inside the way back`);
