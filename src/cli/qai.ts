/** `twgrpo qai`: turns questions and answers round, so that single-answer data become multi-answer data. */
import { Option } from 'commander';
import { ConfigError, type Output, Random, writeFileAtomic } from '../base/index.ts';
import {
  AUTHORS_SETS,
  type AuthorsReport,
  type AuthorsSet,
  CONTRACTIONS,
  type Contractions,
  type DataItem,
  invertFileLikeAuthors,
  invertItems,
  problemText,
  type QaiProvenance,
  type QaiReport,
  readItems,
} from '../data/index.ts';
import type { CommandDefinition } from './command.ts';
import { locateDataFile } from './locate.ts';

interface Options {
  readonly output?: string;
  readonly mode: 'grammar' | 'authors';
  readonly set?: AuthorsSet;
  readonly seed: string;
  readonly share: string;
  readonly drop: boolean;
  readonly balance?: boolean;
  readonly contractions: Contractions;
  readonly sample?: string;
}

const numberOf = (name: string, text: string, isRight: (value: number) => boolean, what: string): number => {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (!isRight(value)) throw new ConfigError(`--${name}: expected ${what}, got ${JSON.stringify(text)}`);
  return value;
};

function printReport(report: QaiReport, out: Output): void {
  out.print(
    `${report.items} items: ${out.bold(`${report.inverted} inverted`)}, ${report.original} as they were (seed ${report.seed})`,
  );
  out.print('  rule                  possible  inverted');
  for (const [rule, { possible, inverted }] of Object.entries(report.rules)) {
    out.print(`    ${rule.padEnd(20)}${String(possible).padStart(8)}${String(inverted).padStart(10)}`);
  }
  const refused = Object.entries(report.refused);
  const numRefused = refused.reduce((sum, [, count]) => sum + count, 0);
  out.print(`  not possible: ${numRefused}`);
  for (const [reason, count] of refused) out.print(`    ${reason.padEnd(20)}${String(count).padStart(8)}`);
  for (const [what, table] of [
    ['right options', report.answers],
    ['options shown', report.options],
  ] as const) {
    const cells = Object.entries(table).map(
      ([count, { inverted, original }]) => `${count}: ${inverted} inverted, ${original} original`,
    );
    out.print(`  ${what}: ${cells.join('; ')}`);
  }
}

function printAuthors(report: AuthorsReport, out: Output): void {
  out.print(
    `${report.items} items by the authors' ${report.set} script: ${out.bold(`${report.inverted} inverted`)}, ${report.original} as they were (seed ${report.seed})`,
  );
  for (const [rule, count] of Object.entries(report.rules).sort((a, b) => b[1] - a[1])) {
    out.print(`    ${rule.padEnd(24)}${String(count).padStart(6)}`);
  }
  const answers = Object.entries(report.answers).map(([count, items]) => `${items} with ${count}`);
  out.print(`  right options: ${answers.join(', ')}`);
}

/** Rows of inverted items to read: the old question, the new one, and the options with the right ones marked. */
function printSample(items: readonly DataItem[], count: number, seed: number, out: Output): void {
  const inverted = items.filter((item) => item.dims['qai'] === 'inverted');
  const drawn = new Set(
    Random.stream(seed, 'qai', 'sample').sample(inverted, Math.min(count, inverted.length)),
  );
  for (const item of inverted.filter((one) => drawn.has(one))) {
    const qai = item.provenance['qai'] as QaiProvenance;
    out.print(`\n${qai.original_id} (${qai.rule})`);
    out.print(`  ${out.dim(qai.original_question ?? '')}`);
    const [question, ...options] = problemText(item).split('\n');
    out.print(`  ${question}`);
    for (const option of options)
      out.print(`    ${item.answer.includes(option[0]!) ? out.green(`${option}  *`) : option}`);
  }
}

function runAuthors(file: string, options: Options, seed: number, out: Output): void {
  if (options.set === undefined)
    throw new ConfigError(
      `--mode authors needs --set ${AUTHORS_SETS.join(' or --set ')}: which script to repeat`,
    );
  const { records, report } = invertFileLikeAuthors(file, { seed, set: options.set });
  // As the scripts write it: one list, indented by four.
  if (options.output !== undefined) writeFileAtomic(options.output, JSON.stringify(records, null, 4));
  if (report.unchanged > 0)
    out.warn(
      `${report.unchanged} inverted answers stand under unchanged questions: their labels are wrong, as the script makes them`,
    );
  if (report.negated_why > 0)
    out.warn(`${report.negated_why} questions ask "why … n't": they deny the event instead of the reason`);
  out.json({ mode: options.mode, file, output: options.output ?? null, ...report });
  printAuthors(report, out);
}

export const qai: CommandDefinition = {
  examples: [
    'twgrpo qai nextgqa_val.json --output nextgqa_qai.jsonl --seed 1',
    'twgrpo qai items.jsonl --balance --sample 20',
    'twgrpo qai nextgqa_val.json --mode authors --set nextgqa --output nextgqa_val_mixed.json',
  ],
  configure: (command) =>
    void command
      .argument(
        '<file>',
        'questions in any format that `data` reads (with --mode authors: the input of the script)',
      )
      .option('-o, --output <file>', 'where to write the items, as JSON Lines; without it nothing is written')
      .addOption(
        new Option('--mode <mode>', 'grammar: our rules; authors: their scripts, defects included')
          .choices(['grammar', 'authors'])
          .default('grammar'),
      )
      .addOption(
        new Option('--set <name>', 'which script to repeat with --mode authors').choices(AUTHORS_SETS),
      )
      .option('--seed <number>', 'seed of all random choices', '0')
      .option('--share <number>', 'part of the items to invert, 0 to 1', '0.5')
      .option(
        '--no-drop',
        'show all options of an inverted item, instead of a random number of its right ones',
      )
      .option('--balance', 'also drop options of items that stay, and invert the same share by every rule')
      .addOption(
        new Option('--contractions <policy>', "natural: didn't before a subject, else did not")
          .choices(CONTRACTIONS)
          .default('natural'),
      )
      .option('--sample <count>', 'print so many inverted items to read'),
  run: async ({ args, options, out }) => {
    const given = options<Options>();
    const { path: file } = await locateDataFile(String(args[0]), out);
    const seed = numberOf('seed', given.seed, Number.isSafeInteger, 'a whole number');
    const share = numberOf('share', given.share, (value) => value >= 0 && value <= 1, 'a number from 0 to 1');
    const numSample = numberOf(
      'sample',
      given.sample ?? '0',
      (value) => Number.isInteger(value) && value >= 0,
      'a whole number from 0',
    );
    if (given.mode === 'authors') return void runAuthors(file, given, seed, out);
    const loaded = readItems(file);
    const { items, report } = invertItems(loaded.items, {
      seed,
      share,
      drop: given.drop,
      balance: given.balance === true,
      contractions: given.contractions,
    });
    if (given.output !== undefined)
      writeFileAtomic(given.output, items.map((item) => `${JSON.stringify(item)}\n`).join(''));
    if (loaded.warnings.length > 0)
      out.warn(
        `${file}: ${loaded.warnings.length} warnings about the items; see them with: twgrpo data check`,
      );
    out.json({ mode: given.mode, file, format: loaded.format, output: given.output ?? null, ...report });
    printReport(report, out);
    if (given.output === undefined) out.status('nothing written; --output FILE writes the items');
    if (!out.isJson) printSample(items, numSample, seed, out);
    return undefined;
  },
};
