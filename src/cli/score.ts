/** `twgrpo score`: re-scores results logs in the authors' format and holds the scores inside against ours. */
import { Option } from 'commander';
import { DataError, EXIT_CODES, type Output, percent } from '../base/index.ts';
import { type LogScore, type RefusedLog, SCORE_MODES, type ScoreMode, scoreLog } from '../logs/index.ts';
import { logReport, writeReport } from '../report/index.ts';
import { printAccuracy, printComparisons } from './accuracy-lines.ts';
import type { CommandDefinition } from './command.ts';

interface Options {
  readonly mode: ScoreMode;
  readonly by?: readonly string[];
  readonly report?: string;
}

/** How many of a kind a person gets to see; `--json` has all. */
const NUM_SHOWN = 10;

function isRefused(score: LogScore | RefusedLog): score is RefusedLog {
  return score.scores === undefined;
}

function printLog(score: LogScore, by: readonly string[], out: Output): void {
  const { rule } = score;
  out.print(out.bold(score.file));
  out.print(`  ${score.rows} rows, ${score.unique_items} items, layout ${score.layout}`);
  const agreement = rule.accuracy[rule.rule] ?? { agree: 0, of: 0 };
  const ruleName = rule.rule === 'tolerant' ? 'our tolerant rule' : `the authors' rule ${rule.rule}`;
  const extracted = Object.entries(rule.extracted).map(([name, { agree, of }]) => `${name} ${agree}/${of}`);
  const scores = Object.entries(rule.accuracy).map(([name, { agree, of }]) => `${name} ${agree}/${of}`);
  if (rule.found_by === 'default') {
    out.print(`  the log holds no scores; read by the evaluators' common rule, ${rule.rule}`);
  } else {
    const verdict =
      agreement.agree === agreement.of
        ? out.green(`repeats every score (${agreement.agree} of ${agreement.of})`)
        : out.red(`repeats ${agreement.agree} of ${agreement.of} scores`);
    out.print(`  ${ruleName} ${verdict}`);
    out.print(out.dim(`    scores repeated: ${scores.join(', ')}`));
    out.print(out.dim(`    extracted_answer repeated: ${extracted.join(', ')}`));
    out.print(out.dim(`    format_score repeated: ${rule.format.agree}/${rule.format.of}`));
  }
  if (score.as_logged !== undefined) {
    const { rows, strict, soft } = score.as_logged;
    out.print(
      `  scores in the log: strict ${percent(strict, 2)}, soft ${percent(soft, 2)} over ${rows} rows`,
    );
  }
  out.print('');
  if (score.mode === 'tolerant') out.print('  by the tolerant rule:');
  printAccuracy(score.scores, out, { by });
  printChanges(score, out);
  out.print('');
}

function printChanges({ changes, mode }: LogScore, out: Output): void {
  if (changes.length === 0) {
    if (mode === 'tolerant') out.print('  the tolerant rule changes no score');
    return;
  }
  out.print(`  ${changes.length} rows score differently from the log:`);
  for (const { line, id, truth, output, from, to, reason } of changes.slice(0, NUM_SHOWN)) {
    out.print(`    line ${line}, item ${id}: ${from} -> ${to}, right is ${truth.join(',')}: ${reason}`);
    out.print(out.dim(`      …${JSON.stringify(output)}`));
  }
  if (changes.length > NUM_SHOWN)
    out.print(`    … and ${changes.length - NUM_SHOWN} more (--json lists all)`);
}

function warnAbout(score: LogScore | RefusedLog, out: Output): void {
  const list = (what: string, lines: readonly string[]): void => {
    if (lines.length === 0) return;
    const more = lines.length > NUM_SHOWN ? `; … and ${lines.length - NUM_SHOWN} more` : '';
    out.warn(`${score.file}: ${lines.length} ${what}: ${lines.slice(0, NUM_SHOWN).join('; ')}${more}`);
  };
  list(
    'torn records left out',
    score.torn.map(({ line, message }) => `line ${line}: ${message}`),
  );
  list(
    'invalid rows left out',
    score.invalid.map(({ line, field, message }) => `line ${line}, field ${field}: ${message}`),
  );
  if (isRefused(score)) return;
  list(
    'items with more than one row (the first counts)',
    score.duplicates.map(
      ({ id, lines, is_identical }) =>
        `item ${id} on lines ${lines.join(', ')}${is_identical ? '' : ' with different outputs'}`,
    ),
  );
  list('ids with different questions under them (each counts as an item)', score.id_clashes);
  list(
    'unknown fields',
    Object.entries(score.unknown_fields).map(([name, count]) => `${name} in ${count} rows`),
  );
}

export const score: CommandDefinition = {
  examples: [
    'twgrpo score logs/mmvu.jsonl',
    'twgrpo score logs/base.jsonl logs/trained.jsonl --mode tolerant',
    'twgrpo score logs/mvbench.jsonl --by subset --json',
  ],
  configure: (command) =>
    void command
      .argument(
        '<files...>',
        "logs of the authors' form (JSON Lines, a JSON list, or JSON objects one after another), or rows.jsonl of twgrpo eval",
      )
      .addOption(
        new Option(
          '--mode <mode>',
          'authors: the rule of theirs that the log was scored by; tolerant: what a careful reader would accept',
        )
          .choices(SCORE_MODES)
          .default('authors'),
      )
      .option(
        '--by <fields...>',
        'fields of the item to break the accuracy down by, with all their values; without it all fields, ten values of each',
      )
      .option(
        '--report <folder>',
        'write report.md, report.json and accuracy.svg on the first log, compared with the others',
      ),
  run: ({ args, options, out }) => {
    const { mode, by = [], report } = options<Options>();
    const scores = args.map((file) => scoreLog(file, { mode, by }));
    for (const found of scores) warnAbout(found, out);
    const sound = scores.filter((found): found is LogScore => !isRefused(found));
    const [first, ...rest] = sound;
    const others = rest.map(({ file, scored }) => ({ name: file, rows: scored }));
    const content = first === undefined ? undefined : logReport(first, others);
    const comparisons = content?.comparisons ?? [];
    if (report !== undefined && content !== undefined) writeReport(report, content, others);
    const refused = scores.filter(isRefused);
    const isSound = refused.length === 0 && sound.every(({ invalid }) => invalid.length === 0);
    out.json({
      ok: isSound,
      files: scores.map((found) => {
        if (isRefused(found)) return found;
        const { scored, ...rest } = found;
        return rest;
      }),
      comparisons,
    });
    for (const found of sound) printLog(found, by, out);
    printComparisons(comparisons, out);
    if (report !== undefined && content !== undefined) out.print(`report  ${report}`);
    for (const { file } of refused) {
      const error = new DataError(`${file}: holds no row of a results log`, {
        hint: 'rows need model_output, and ground_truth or question.solution; or are those of twgrpo eval (rows.jsonl)',
      });
      if (out.isJson) out.warn(error.message);
      else throw error;
    }
    return isSound ? EXIT_CODES.done : EXIT_CODES.data;
  },
};
