import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { scratchFolder } from '../../tests/support/scratch-folder.ts';
import { packageRoot } from '../base/index.ts';
import { type LogScore, scoreLog } from '../logs/index.ts';
import { accuracyTable, compareRuns, type ScoredRow } from '../stats/index.ts';
import { accuracyPlot } from './accuracy-plot.ts';
import { renderReport, writeReport } from './report.ts';
import { logReport, type ReportContent } from './report-content.ts';

const folder = scratchFolder();

function row(id: string, truth: string, chosen: string, dims: Record<string, string> = {}): ScoredRow {
  const right = new Set(truth);
  const isSubset = [...chosen].every((letter) => right.has(letter));
  return {
    id,
    truth: [...truth],
    chosen: [...chosen],
    failed: chosen === '',
    score: isSubset ? chosen.length / truth.length : 0,
    dims,
  };
}

const ROWS = [
  row('1', 'A', 'A', { kind: 'what' }),
  row('2', 'B', 'A', { kind: 'what' }),
  row('3', 'AC', 'A', { kind: 'why' }),
  row('4', 'AC', 'AC', { kind: 'why' }),
  row('5', 'B', '', { kind: 'why' }),
];
const OTHER = [
  row('1', 'A', 'B', { kind: 'what' }),
  row('2', 'B', 'A', { kind: 'what' }),
  row('3', 'AC', 'AC', { kind: 'why' }),
  row('4', 'AC', 'A', { kind: 'why' }),
];

/** Checks that tags open and close in order; enough of XML for what the plot writes. */
function isBalanced(svg: string): boolean {
  const open: string[] = [];
  for (const [, close, name, self] of svg.matchAll(
    /<(\/?)([a-z]+)(?:\s+[a-zA-Z][\w-]*="[^"<]*")*\s*(\/?)>/g,
  )) {
    if (close) {
      if (open.pop() !== name) return false;
    } else if (!self) open.push(name!);
  }
  return (
    open.length === 0 && !/[<>]/.test(svg.replace(/<\/?[a-z]+(?:\s+[a-zA-Z][\w-]*="[^"<]*")*\s*\/?>/g, ''))
  );
}

function report(more: Partial<ReportContent> = {}): ReportContent {
  return {
    name: 'trained',
    settings: { protocol: 'tw-grpo' },
    coverage: { questions: 6, answered: 5, missing: 1, waiting: 0, left_out: { no_answer: 2 }, share: 5 / 6 },
    missing: [{ id: '6', reason: 'no such file' }],
    accuracy: accuracyTable(ROWS),
    answers: {
      parse_failure: 0.2,
      precision: 0.75,
      recall: 0.5,
      over_answering: 0,
      under_answering: 0.25,
      num_letters: 1.25,
      mean_length: 12.5,
    },
    comparisons: [compareRuns({ name: 'trained', rows: ROWS }, { name: 'base', rows: OTHER })],
    controls: [],
    ...more,
  };
}

describe('writeReport', () => {
  it('writes the three files, and the JSON is the report', () => {
    writeReport(folder, report(), [{ name: 'base', rows: OTHER }]);
    expect(JSON.parse(readFileSync(path.join(folder, 'report.json'), 'utf8'))).toEqual(report());
    expect(readFileSync(path.join(folder, 'accuracy.svg'), 'utf8')).toContain('>base<');
    const markdown = readFileSync(path.join(folder, 'report.md'), 'utf8');
    for (const line of [
      '5 of 6 questions answered (83.33 %); 1 missing, counted neither right nor wrong; 2 left out of the files: no\\_answer.',
      '| all | 5 | 40.00 % | 11.8–76.9 | 50.00 % |',
      '| single answer | 3 | 33.33 % |',
      '### By kind',
      '| no readable answer | 20.00 % |',
      '| tokens in an answer | 12.50 |',
      '| letters in an answer | 1.25 |',
      '| base | all | 4 | 50.00 % | 25.00 % | 2 | 1 | 1.00 | 0.625 |',
      'Left out against base (all): 1 items only here',
      '| 6 | no such file |',
      '"protocol": "tw-grpo"',
    ])
      expect(markdown).toContain(line);
  });

  it('stands for a run without any answer', () => {
    const empty = report({ accuracy: null, answers: null, comparisons: [] });
    const target = path.join(folder, 'empty');
    writeReport(target, empty, [{ name: 'base', rows: [] }]);
    expect(readdirSync(target).sort()).toEqual(['report.json', 'report.md']);
    expect(renderReport(empty)).toContain('nothing to score');
  });

  it('keeps tables whole whatever the names hold', () => {
    const rows = [row('1', 'A', 'A', { 'a|b': 'x|y\nz' }), row('2', 'A', 'A', { 'a|b': '<b>' })];
    const markdown = renderReport(
      report({
        name: '# <script> | `x`',
        accuracy: accuracyTable(rows),
        missing: [{ id: 'a|b', reason: 'c\nd' }],
      }),
    );
    expect(markdown).toContain('x\\|y z');
    expect(markdown).toContain('\\<b\\>');
    expect(markdown).not.toContain('<script>');
    const cells = (line: string): number => line.replaceAll('\\|', '').split('|').length;
    const tables = markdown.split('\n\n').filter((part) => part.startsWith('|'));
    expect(tables.length).toBeGreaterThan(3);
    for (const part of tables) {
      const lines = part.split('\n').filter((line) => line.startsWith('|'));
      expect(new Set(lines.map(cells)).size, part).toBe(1);
    }
  });
});

describe('accuracyPlot', () => {
  it('is well-formed for any names and scores', () => {
    const word = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 50 }),
      fc.constantFrom('<a&b>', '"', ']]>', '漢字🙂'),
    );
    const rows = fc.array(
      fc.record({
        truth: fc.constantFrom('A', 'AB', 'ABC'),
        chosen: fc.constantFrom('', 'A', 'AB', 'D'),
        kind: word,
      }),
      { minLength: 1, maxLength: 30 },
    );
    fc.assert(
      fc.property(word, rows, fc.option(rows), (name, first, second) => {
        const tableOf = (all: typeof first) =>
          accuracyTable(
            all.map(({ truth, chosen, kind }, index) => row(`${index}`, truth, chosen, { kind })),
          );
        const svg = accuracyPlot(
          name,
          tableOf(first),
          second === null ? null : { name, accuracy: tableOf(second) },
        );
        expect(isBalanced(svg)).toBe(true);
        expect(svg).not.toMatch(/NaN|undefined|Infinity/);
      }),
      { numRuns: 200 },
    );
  });

  it('places the dot and its interval on the axis', () => {
    const svg = accuracyPlot('x', accuracyTable([row('1', 'A', 'A'), row('2', 'A', 'B')]));
    const at = (text: string): number => Number(new RegExp(`x="([\\d.]+)"[^>]*>${text}<`).exec(svg)?.[1]);
    expect(svg).toContain(`<circle cx="${at('50 %')}"`);
    expect(svg).toContain('strict 50.0 % (9.5 % to 90.5 %), soft 50.0 %, 2 items');
  });
});

const LOGS = path.join(
  process.env['TWGRPO_SHARED'] ?? path.join(packageRoot(), '..', 'shared'),
  'data',
  'logs',
);
const FILES = ['zeroshot_mmvu.jsonl', 'videochat_r1_mmvu.jsonl'].map((name) => path.join(LOGS, name));

describe.skipIf(!FILES.every((file) => existsSync(file)))('a report on the published logs', () => {
  it('holds their totals and their comparison', () => {
    const [zeroShot, videoChat] = FILES.map((file) => scoreLog(file) as LogScore);
    const others = [{ name: 'zero-shot', rows: zeroShot!.scored }];
    const found = logReport(videoChat!, others);
    const markdown = renderReport(found);
    expect(markdown).toContain('| all | 625 | 64.16 % | 60.3–67.8 | 64.16 % | 60.3–67.8 | 0.00 % |');
    expect(markdown).toMatch(
      /\| zero-shot \| all \| 625 \| 64\.16 % \| 65\.44 % \| \d+ \| \d+ \| 0\.\d+ \| 0\.\d+ \|/,
    );
    expect(found.comparisons).toHaveLength(1);
    if (process.env['TWGRPO_KEEP_REPORT']) writeReport(process.env['TWGRPO_KEEP_REPORT'], found, others);
  });
});
