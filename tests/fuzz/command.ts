/**
 * @file The fuzzer as a command: all targets, or those of `--only`, until each has had its inputs or the minutes are over.
 *
 *   npm run fuzz -- [--minutes N] [--only safetensors,templates] [--seed S] [--keep]
 *
 * Findings lie in build/fuzz; --keep puts them into tests/fuzz/corpus. Exit code 1 where there are any.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { tableLines } from '../../src/base/index.ts';
import { wholeNumber } from '../../src/cli/numbers.ts';
import { type FuzzResult, fuzz, keepInCorpus } from './fuzz.ts';
import { TARGETS } from './targets.ts';

interface Options {
  readonly minutes?: number;
  readonly only?: readonly string[];
  readonly seed: number;
  readonly keep?: boolean;
}

const names = TARGETS.map(({ name }) => name);
const { minutes, only, seed, keep } = new Command('npm run fuzz --')
  .description('Changes sound files and reads them; what breaks a promise lies in build/fuzz afterwards.')
  .option('--minutes <n>', 'time for all targets together (default: each has its inputs)', wholeNumber(1))
  .addOption(
    new Option('--only <targets>', `some of ${names.join(', ')}`).argParser((text: string) => {
      const unknown = text.split(',').filter((name) => !names.includes(name));
      if (unknown.length > 0) throw new InvalidArgumentError(`no target ${unknown.join(', ')}`);
      return text.split(',');
    }),
  )
  .option('--seed <n>', 'the same seed changes the same files alike', wholeNumber(0), 1)
  .option('--keep', 'put what was found into tests/fuzz/corpus')
  .parse()
  .opts<Options>();
const targets = TARGETS.filter(({ name }) => only?.includes(name) !== false);
const folder = join(import.meta.dirname, '../../build/fuzz');
const seconds = minutes === undefined ? {} : { seconds: (minutes * 60) / targets.length };
const results: FuzzResult[] = [];
mkdirSync(folder, { recursive: true });
for (const target of targets) {
  const begin = performance.now();
  const result = await fuzz(target, { seed, folder, ...seconds });
  results.push(result);
  const { tried, sound, coverage, findings } = result;
  const spent = Math.round((performance.now() - begin) / 1000);
  console.log(
    `${target.name}: ${tried} inputs, ${sound} sound, ${coverage} blocks, ${findings.length} findings, ${spent} s`,
  );
  for (const { kind, message, file } of findings)
    console.log(`  ${kind}: ${message.replaceAll('\n', '\n    ')}\n    ${file}`);
}
const count = ({ findings }: FuzzResult, kind: string): number =>
  findings.filter((finding) => finding.kind === kind).length;
const rows = results.map((result) => [
  ...[result.target, result.tried, result.sound, result.coverage],
  ...['crash', 'hang', 'memory'].map((kind) => count(result, kind)),
]);
console.log(
  tableLines(['target', 'inputs', 'sound', 'blocks', 'crashes', 'hangs', 'memory'], rows).join('\n'),
);
writeFileSync(join(folder, 'results.json'), JSON.stringify(results, null, 2));
const findings = results.flatMap((result) => result.findings);
if (keep === true) keepInCorpus(findings, join(import.meta.dirname, 'corpus'));
process.exitCode = findings.length > 0 ? 1 : 0;
