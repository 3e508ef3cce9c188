/**
 * @file The fuzzer as a command: all targets, or those of `--only`, until each has had its inputs or the minutes are over.
 *
 *   npm run fuzz -- [--minutes N] [--only safetensors,templates] [--seed S] [--keep]
 *
 * Findings lie in build/fuzz; --keep puts them into tests/fuzz/corpus. Exit code 1 where there are any.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { tableLines } from '../../src/base/index.ts';
import { type FuzzResult, fuzz, keepInCorpus } from './fuzz.ts';
import { TARGETS } from './targets.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string' },
    only: { type: 'string' },
    seed: { type: 'string', default: '1' },
    keep: { type: 'boolean', default: false },
  },
});
const wanted = values.only?.split(',');
const unknown = wanted?.filter((name) => TARGETS.every((target) => target.name !== name)) ?? [];
if (unknown.length > 0) {
  console.error(`no target ${unknown.join(', ')}; there are ${TARGETS.map(({ name }) => name).join(', ')}`);
  process.exit(2);
}
const targets = TARGETS.filter(({ name }) => wanted?.includes(name) !== false);
const folder = join(import.meta.dirname, '../../build/fuzz');
const seconds =
  values.minutes === undefined ? {} : { seconds: (Number(values.minutes) * 60) / targets.length };
const results: FuzzResult[] = [];
mkdirSync(folder, { recursive: true });
for (const target of targets) {
  const begin = performance.now();
  const result = await fuzz(target, { seed: Number(values.seed), folder, ...seconds });
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
if (values.keep) keepInCorpus(findings, join(import.meta.dirname, 'corpus'));
process.exitCode = findings.length > 0 ? 1 : 0;
