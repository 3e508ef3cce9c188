/** `twgrpo inspect run`: whether a run learns, and its completions, in the width of the terminal. */
import type { Command } from 'commander';
import { Option } from 'commander';
import { DataError, type Output, tableLines } from '../base/index.ts';
import {
  CompletionIndex,
  type CompletionView,
  type GroupView,
  type RunData,
  runVerdict,
  visibleText,
  Workspace,
} from '../dashboard/index.ts';
import type { TokenRecord } from '../run/index.ts';
import type { CommandDefinition } from './command.ts';
import { wholeNumber } from './numbers.ts';

const HEATS = ['weight', 'entropy', 'logp', 'ratio'] as const;
type Heat = (typeof HEATS)[number];

interface Options {
  readonly step?: number;
  readonly group?: number;
  readonly row?: number;
  readonly by: Heat;
}

const DEFAULT_WIDTH = 100;

export const inspectRun: CommandDefinition = {
  examples: [
    'twgrpo inspect run runs/tw-grpo',
    'twgrpo inspect run runs/tw-grpo --step 120',
    'twgrpo inspect run runs/tw-grpo --step 120 --group 0 --row 3 --by entropy',
  ],
  configure: (command: Command) =>
    void command
      .argument('<folder>', 'the output_dir of a run, or a folder with one in it')
      .option(
        '--step <n>',
        'the groups of this step; default: the best, the worst and the latest',
        wholeNumber(0),
      )
      .option('--group <n>', 'one group of the step, with whole texts', wholeNumber(0))
      .option('--row <n>', 'one completion of the group, token by token', wholeNumber(0))
      .addOption(
        new Option('--by <value>', 'what colours the tokens of a completion')
          .choices(HEATS)
          .default('weight'),
      ),
  run: async ({ args: [folder = ''], options, out }) => {
    const { step, group, row, by } = options<Options>();
    const run = onlyRun(folder);
    const steps = run.steps();
    const at = step ?? steps.at(-1);
    if (row !== undefined || group !== undefined) {
      if (at === undefined) throw new DataError(`${folder}: no completions are recorded`);
      const view = run.group(at, group ?? 0);
      if (row === undefined) printGroup('', view, out, 'whole');
      else printCompletion(run, view, row, by, out);
      out.json(row === undefined ? view : completionJson(run, view, row));
      return undefined;
    }
    run.metrics.refresh();
    const verdict = runVerdict(run);
    out.print(out.bold(verdict.headline));
    for (const { text, advice } of verdict.reasons) out.print(`  ${text}; ${advice}`);
    if (step !== undefined) {
      const { groups } = run.step(step);
      for (const one of groups) printGroup(`step ${step}, group ${one.group}`, one, out, 'short');
      out.json({ verdict, groups });
      return undefined;
    }
    const shown = steps.length === 0 ? {} : await tellingGroups(run, steps.at(-1)!);
    for (const [name, one] of Object.entries(shown))
      printGroup(`${name}: step ${one.step}, group ${one.group}`, one, out, 'short');
    if (steps.length > 0)
      out.print(
        out.dim(`twgrpo inspect run ${folder} --step ${at} --group 0 --row 0 shows the tokens of one`),
      );
    out.json({ verdict, ...shown });
    return undefined;
  },
};

/** @throws DataError when there is none, or more than one */
function onlyRun(folder: string): RunData {
  const workspace = new Workspace([folder]);
  const { runs } = workspace.listing();
  const [first, ...others] = runs;
  if (first === undefined) throw new DataError(`${folder}: no run in it (no run.json)`);
  if (others.length > 0)
    throw new DataError(`${folder}: holds ${runs.length} runs`, {
      hint: `name one of them: ${runs.map(({ path }) => path).join(', ')}`,
    });
  return workspace.run(first.id);
}

/** The groups of the best and the worst completion of the run, and the latest with a signal. */
async function tellingGroups(run: RunData, lastStep: number): Promise<Record<string, GroupView>> {
  const index = new CompletionIndex(run);
  const query = { q: '', sort: 'reward', signal: 'with', offset: 0, limit: 1 } as const;
  const end = async (order: 'ascending' | 'descending'): Promise<GroupView | undefined> => {
    const [hit] = (await index.search({ ...query, order })).hits;
    return hit === undefined ? undefined : run.group(hit.step, hit.group);
  };
  const { groups } = run.step(lastStep);
  const found = {
    best: await end('descending'),
    worst: await end('ascending'),
    latest: groups.find(({ has_signal }) => has_signal) ?? groups[0],
  };
  return Object.fromEntries(Object.entries(found).filter(([, view]) => view !== undefined)) as Record<
    string,
    GroupView
  >;
}

const widthOf = (): number => process.stdout.columns ?? DEFAULT_WIDTH;

function printGroup(title: string, group: GroupView, out: Output, texts: 'whole' | 'short'): void {
  out.print();
  if (title !== '') out.print(out.bold(title));
  const [question = '', ...rest] = visibleText(group.problem).split('\n');
  out.print(`  ${question}`);
  for (const line of rest) out.print(`    ${line}`);
  out.print(
    `  right: ${group.truth.join(', ')}${group.has_signal ? '' : out.yellow('  all rewards equal: no signal')}`,
  );
  const ordered = [...group.completions].sort((a, b) => (b.reward ?? -1) - (a.reward ?? -1));
  if (texts === 'whole') {
    for (const one of ordered) {
      out.print();
      out.print(
        `  ${one.row}  ${verdictText(one, out)}  reward ${number(one.reward)}  advantage ${number(one.advantage)}  ${one.length} tokens${one.truncated ? ', cut off' : ''}`,
      );
      for (const line of visibleText(one.text).split('\n')) out.print(`     ${line}`);
    }
    return;
  }
  const cells = ordered.map((one) => [
    one.row,
    number(one.reward),
    number(one.advantage),
    one.answer === null ? '–' : one.answer.join(','),
    one.length,
    visibleText(one.text).replace(/\s+/g, ' '),
  ]);
  for (const line of tableLines(['', 'reward', 'adv', 'answer', 'tokens', 'completion'], cells))
    out.print(`  ${cut(line, widthOf() - 2)}`);
}

function verdictText({ verdict, answer }: CompletionView, out: Output): string {
  const text = `${answer?.join(',') ?? '–'} ${verdict}`;
  return verdict === 'right' ? out.green(text) : verdict === 'partly' ? out.yellow(text) : out.red(text);
}

/** @throws DataError when the row or the token file is not there */
function tokensOf(run: RunData, { step, group }: GroupView, row: number): TokenRecord {
  const found = run.tokens(step)?.rows.find((record) => record.group === group && record.row === row);
  if (found === undefined)
    throw new DataError(`step ${step}, group ${group}: no tokens of a row ${row} are recorded`);
  return found;
}

function valuesOf(by: Heat, record: TokenRecord): number[] {
  if (by === 'weight') return [...record.weights];
  if (by === 'entropy') return [...record.entropy];
  if (by === 'logp') return [...record.logps];
  return Array.from(record.logps, (logp, t) => Math.exp(logp - record.sampling_logps[t]!));
}

function completionJson(run: RunData, group: GroupView, row: number): unknown {
  const completion = completionOf(group, row);
  const record = tokensOf(run, group, row);
  return { step: group.step, group: group.group, completion, tokens: tokenRows(completion, record) };
}

function completionOf(group: GroupView, row: number): CompletionView {
  const completion = group.completions.find((one) => one.row === row);
  if (completion === undefined)
    throw new DataError(`step ${group.step}, group ${group.group} has no row ${row}`);
  return completion;
}

function tokenRows({ text }: CompletionView, record: TokenRecord) {
  return Array.from(record.ids, (id, t) => ({
    id,
    text: text.slice(t === 0 ? 0 : record.ends[t - 1], record.ends[t]),
    weight: record.weights[t]!,
    entropy: record.entropy[t]!,
    logp: record.logps[t]!,
    ratio: Math.exp(record.logps[t]! - record.sampling_logps[t]!),
  }));
}

/** With colours the text itself; without, a line for each token. */
function printCompletion(run: RunData, group: GroupView, row: number, by: Heat, out: Output): void {
  const completion = completionOf(group, row);
  const record = tokensOf(run, group, row);
  const values = valuesOf(by, record);
  const [low, high] =
    by === 'weight' ? [1, Math.max(1, ...values)] : [Math.min(...values), Math.max(...values)];
  const tokens = tokenRows(completion, record);
  out.print(
    `step ${group.step}, group ${group.group}, row ${row}: ${verdictText(completion, out)}, reward ${number(completion.reward)}, advantage ${number(completion.advantage)}; ${by} from ${number(low)} to ${number(high)}`,
  );
  if (out.hasColor) {
    const shown = tokens.map(({ text }, t) => {
      const strength = high > low ? (values[t]! - low) / (high - low) : 0;
      return shade(text === '' ? '■' : visibleText(text), by === 'logp' ? 1 - strength : strength);
    });
    out.print(shown.join(''));
    return;
  }
  const rows = tokens.map(({ id, text, weight, entropy, logp, ratio }, t) => [
    t,
    JSON.stringify(visibleText(text)),
    id,
    weight.toFixed(4),
    entropy.toFixed(4),
    logp.toFixed(4),
    ratio.toFixed(4),
  ]);
  for (const line of tableLines(['', 'token', 'id', 'weight', 'entropy', 'logp', 'ratio'], rows))
    out.print(`  ${line}`);
}

/** Black on a background from white to orange, in 24-bit colour. */
function shade(text: string, strength: number): string {
  const part = Math.max(0, Math.min(1, strength));
  const [green, blue] = [Math.round(255 - 105 * part), Math.round(255 - 215 * part)];
  const on = `\u001b[38;2;20;20;20m\u001b[48;2;255;${green};${blue}m`;
  const off = '\u001b[39m\u001b[49m';
  return text
    .split('\n')
    .map((line) => `${on}${line}${off}`)
    .join('\n');
}

const number = (value: number | null): string =>
  value === null ? '–' : String(Number(value.toPrecision(3)));

const cut = (line: string, width: number): string => {
  const characters = [...line];
  return characters.length <= width ? line : `${characters.slice(0, width - 1).join('')}…`;
};
