/**
 * An evaluation for people and programs: `report.json` with all figures, `report.md` with the tables, and the plot `accuracy.svg`.
 * The figures are made in `report-content.ts`; this file only writes them down, so that the three can't differ.
 */
import { join } from 'node:path';
import { percent, writeFileAtomic } from '../base/index.ts';
import {
  type Accuracy,
  type AccuracyTable,
  accuracyCells,
  accuracyTable,
  breakdowns,
  type Comparison,
  type NamedRows,
} from '../stats/index.ts';
import { accuracyPlot } from './accuracy-plot.ts';
import type { AnswerFigures, ControlFigures, ReportContent } from './report-content.ts';

/**
 * Writes the three files into the folder, each whole or not at all; without any answer there is no plot.
 * @param others runs the report is compared with; the first stands in the plot
 */
export function writeReport(folder: string, report: ReportContent, others: readonly NamedRows[] = []): void {
  writeFileAtomic(join(folder, 'report.json'), `${JSON.stringify(report, null, 2)}\n`);
  const [other] = others.filter(({ rows }) => rows.length > 0);
  const against = other === undefined ? null : { name: other.name, accuracy: accuracyTable(other.rows) };
  if (report.accuracy !== null)
    writeFileAtomic(join(folder, 'accuracy.svg'), accuracyPlot(report.name, report.accuracy, against));
  writeFileAtomic(join(folder, 'report.md'), renderReport(report));
}

/** The report as Markdown. */
export function renderReport(report: ReportContent): string {
  const { coverage, accuracy, answers, comparisons, controls } = report;
  const parts = [`# ${escapeMarkdown(report.name)}`, coverageMarkdown(coverage)];
  if (accuracy === null) parts.push('There is nothing to score.');
  else {
    parts.push(
      '![accuracy with 95 % intervals](accuracy.svg)',
      '## Accuracy',
      accuracyMarkdown(accuracy, controls),
    );
    parts.push(
      'Strict: the chosen set is the right set; 95 % interval by Wilson. Soft: |S| / |G| where the chosen set S is part of the right set G, else 0; 95 % interval by bootstrap, or by Wilson where only 0 and 1 occur. Unread: no answer could be read.',
    );
    parts.push(...controls.map((figures) => `- ${escapeMarkdown(controlText(figures))}`));
    for (const { names, values } of breakdowns(accuracy)) {
      parts.push(`### By ${escapeMarkdown(names.join(', '))}`, table(Object.entries(values)));
    }
  }
  if (answers !== null) parts.push('## Answers', answersMarkdown(answers));
  if (comparisons.length > 0) parts.push('## Comparisons', comparisonMarkdown(comparisons));
  if (report.missing.length > 0) parts.push('## Missing items', missingMarkdown(report.missing));
  if (Object.keys(report.settings).length > 0)
    parts.push('## Settings', `\`\`\`json\n${JSON.stringify(report.settings, null, 2)}\n\`\`\``);
  return `${parts.join('\n\n')}\n`;
}

function coverageMarkdown({
  answered,
  questions,
  missing,
  waiting,
  left_out,
  share,
}: ReportContent['coverage']): string {
  const parts = [`${answered} of ${questions} questions answered (${percent(share, 2)})`];
  if (missing > 0) parts.push(`${missing} missing, counted neither right nor wrong`);
  if (waiting > 0) parts.push(`${waiting} still to be answered`);
  for (const [code, count] of Object.entries(left_out))
    parts.push(`${count} left out of the files: ${escapeMarkdown(code)}`);
  return `${parts.join('; ')}.`;
}

function accuracyMarkdown(
  { overall, by_answers }: AccuracyTable,
  controls: ReportContent['controls'],
): string {
  const kinds = Object.entries(by_answers).map(([kind, row]): [string, Accuracy] => [`${kind} answer`, row]);
  const again = controls.flatMap(({ control, accuracy }): [string, Accuracy][] =>
    accuracy === null ? [] : [[control, accuracy]],
  );
  return table([['all', overall], ...again, ...kinds]);
}

/** A control in one sentence. */
export function controlText(figures: ControlFigures): string {
  const { control, shows, questions, unchanged, accuracy, right_only_with_video: share } = figures;
  const waiting = questions - (accuracy?.n ?? 0);
  const parts = [
    share === null
      ? 'nothing was answered both times'
      : `${percent(share, 2)} of the questions are right with the video only`,
    ...(waiting === 0 ? [] : [`${waiting} of ${questions} questions have no answer here`]),
    ...(unchanged === 0 ? [] : [`${unchanged} questions show nothing that could be taken away`]),
  ];
  return `${control} (${shows}): ${parts.join('; ')}`;
}

function table(rows: readonly (readonly [string, Accuracy])[]): string {
  const lines = rows.map(([name, row]) => `| ${[escapeMarkdown(name), ...accuracyCells(row)].join(' | ')} |`);
  return [
    '| | items | strict | 95 % | soft | 95 % | unread |',
    '|---|---:|---:|---|---:|---|---:|',
    ...lines,
  ].join('\n');
}

const ANSWER_WORDS: Readonly<
  Record<keyof AnswerFigures, readonly [words: string, unit: 'share' | 'number']>
> = {
  parse_failure: ['no readable answer', 'share'],
  precision: ['chosen letters that are right (precision)', 'share'],
  recall: ['right letters that are chosen (recall)', 'share'],
  over_answering: ['more letters than right ones', 'share'],
  under_answering: ['fewer letters than right ones', 'share'],
  num_letters: ['letters in an answer', 'number'],
  mean_length: ['tokens in an answer', 'number'],
  truncated: ['cut off at the longest length', 'share'],
  format: ['in the form `<think>…</think> <answer>…</answer>`', 'share'],
};

function answersMarkdown(answers: AnswerFigures): string {
  const rows = Object.entries(ANSWER_WORDS).flatMap(([key, [words, unit]]) => {
    const value = answers[key as keyof AnswerFigures];
    if (value === undefined) return [];
    const shown = unit === 'share' ? percent(value, 2) : Number.isNaN(value) ? '–' : value.toFixed(2);
    return [`| ${words} | ${shown} |`];
  });
  return ['| | |', '|---|---:|', ...rows].join('\n');
}

function comparisonMarkdown(comparisons: readonly Comparison[]): string {
  const rows = comparisons.map((comparison) => {
    const cells = [
      escapeMarkdown(comparison.second),
      comparison.questions,
      comparison.n,
      comparison.strict_first === null ? '–' : percent(comparison.strict_first, 2),
      comparison.strict_second === null ? '–' : percent(comparison.strict_second, 2),
      comparison.only_first,
      comparison.only_second,
      comparison.p_exact.toPrecision(3),
      comparison.p_mid.toPrecision(3),
    ];
    return `| ${cells.join(' | ')} |`;
  });
  const left = comparisons
    .filter(
      (comparison) => comparison.missing_in_first + comparison.missing_in_second + comparison.other_truth > 0,
    )
    .map(
      (comparison) =>
        `Left out against ${escapeMarkdown(comparison.second)} (${comparison.questions}): ${comparison.missing_in_second} items only here, ${comparison.missing_in_first} only there, ${comparison.other_truth} whose right answers differ.`,
    );
  return [
    '| compared with | questions | common items | strict, here | strict, there | right only here | only there | p exact | p mid |',
    '|---|---|---:|---:|---:|---:|---:|---:|---:|',
    ...rows,
    '',
    "McNemar's test of the strict accuracy on the common items, two-sided.",
    ...left,
  ].join('\n');
}

const NUM_SHOWN = 50;

function missingMarkdown(missing: ReportContent['missing']): string {
  const rows = missing
    .slice(0, NUM_SHOWN)
    .map(({ id, reason }) => `| ${escapeMarkdown(id)} | ${escapeMarkdown(reason)} |`);
  const more =
    missing.length > NUM_SHOWN ? [`| … | and ${missing.length - NUM_SHOWN} more, in report.json |`] : [];
  return ['| item | reason |', '|---|---|', ...rows, ...more].join('\n');
}

/** Text inside of a Markdown table: no cell border, no line end, no markup. */
function escapeMarkdown(text: string): string {
  return text.replace(/[\r\n]+/g, ' ').replace(/[\\`*_<>|[\]]/g, (char) => `\\${char}`);
}
