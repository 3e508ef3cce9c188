/** @file docs/results/study.md and its figure, out of the files of the runs. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mean, percent } from '../../src/base/index.ts';
import { COLORS, type Panel, type PanelLine, panelChart } from '../../src/report/index.ts';
import { signFlipTest, studentMean } from '../../src/stats/index.ts';
import { type Grid, readGrid } from './grid.ts';
import type { Answers, CurveName, StoredRun, Way } from './runs.ts';

const WAYS: readonly (readonly [decoding: Way, words: string])[] = [
  ['sampled', 'temperature 1'],
  ['greedy', 'greedy'],
];

interface Study {
  readonly runs: readonly StoredRun[];
  /** Answers before training. */
  readonly start: Answers;
  readonly about: {
    readonly machine: string;
    readonly start: string;
    readonly settings: { readonly kinds: readonly string[] };
  };
  readonly grid: Grid;
}

type CoreRun = StoredRun & Required<Pick<StoredRun, 'levels'>>;
type Pair = readonly [first: StoredRun, second: StoredRun];

/** A mean difference over pairs of runs; none where no pair was run. */
interface Effect {
  readonly name: string;
  readonly words: string;
  readonly n: number;
  readonly found?: { readonly mean: number; readonly low: number; readonly high: number; readonly p: number };
}

/**
 * Writes the page and the figure.
 * @param results folder of the runs' JSON
 * @param docs folder they are written to
 */
export function writeReport(results: string, docs: string): void {
  const grid = readGrid();
  const read = (name: string): unknown => JSON.parse(readFileSync(join(results, name), 'utf8'));
  const runs = readdirSync(results)
    .filter((name) => /-s\d+\.json$/.test(name))
    .map((name) => read(name) as StoredRun);
  const start = read('start.json') as Answers;
  const about = read('about.json') as Study['about'];
  writeFileSync(join(docs, 'study.svg'), figure(runs, grid));
  writeFileSync(join(docs, 'study.md'), page({ runs, start, about, grid }));
}

const isCore = (run: StoredRun): run is CoreRun => run.levels !== undefined;

function page({ runs, start, about, grid }: Study): string {
  const { centre, factors, cells } = grid;
  const core = runs.filter(isCore);
  const steps = Math.max(...runs.map((run) => run.steps));
  const numSeeds = new Set(runs.map(({ seed }) => seed)).size;
  const effects = Object.entries(factors).flatMap(([factor, levels]) => effectsOf(core, factor, levels));
  const changes = cells
    .filter(({ levels }) => levels === undefined)
    .flatMap(({ name }) => changesOf(runs, centre, name));
  const late = lateEffects(core);
  return `# What each part of the method does, other things equal

Written by \`node scripts/study.mjs report\` out of the runs in [study/](study/), one JSON file a run.

The paper's ablation changes several things at once. Here are three of them in every combination (normalisation of the loss by
sequence or by token, vision tower frozen or trained, token weights off or on), and then one change at a time from the cell \`${centre}\`.
Every run starts from the same model, takes ${steps} steps of 8 questions with 8 answers each, and answers the same
${start.sampled.right.length} held-out questions (kinds: ${about.settings.kinds.join(', ')}). A cell has ${numSeeds} seed${numSeeds === 1 ? '' : 's'}; a seed sets the order of the questions and the sampling.

\`\`\`sh
node scripts/study.mjs run                                              # all of it, on all cores, goes on after a stop
node scripts/study.mjs run --cells weights-std --seeds 3 --results /tmp/one   # any run again
\`\`\`

${about.machine}; start ${about.start}; ${runs.length} runs, ${(runs.reduce((sum, { seconds }) => sum + seconds, 0) / 60).toFixed(0)} minutes of training in all.

${verdict(effects, changes, runs, start)}

${paperFigure(late, start, runs)}

![Reward, its spread, length and entropy over the steps, weights off and on](study.svg)

## Cells

Strict accuracy in % (the chosen set is the right set), mean over seeds and 95 % interval (Student); before training ${percent(start.sampled.strict)} at temperature 1 and ${percent(start.greedy.strict)} greedy.

| cell | runs | temperature 1 | greedy | tokens an answer |
|---|---:|---|---|---:|
${cells
  .map(({ name }) => cellRow(runs, name))
  .filter(Boolean)
  .join('\n')}

## The three choices

Mean difference of the second level to the first over pairs of runs that agree in seed and in the other two choices, in points of strict accuracy, with its
95 % interval; p by a sign-flip test over the pairs.

| choice | answers | pairs | difference | p |
|---|---|---:|---|---:|
${effects.map(effectRow).join('\n')}

## One change at a time

Against \`${centre}\` of the same seed.

| change | answers | pairs | difference | p |
|---|---|---:|---|---:|
${changes.map(effectRow).join('\n')}

## Spread of the reward and length

Means over the last quarter of the steps, weights on minus off, over the pairs of the core:

| figure | pairs | difference | p |
|---|---:|---|---:|
${late.map(curveRow).join('\n')}

With ${numSeeds} seeds the smallest p of a single change is ${(2 / 2 ** numSeeds).toFixed(3)}, and with this many comparisons some p below 0.05 are expected by chance alone:
read the intervals, and take single small p values for what they are.
`;
}

const strictOf =
  (decoding: Way) =>
  (run: StoredRun): number =>
    100 * run.after[decoding].strict;

function effectsOf(core: readonly CoreRun[], factor: string, levels: readonly string[]): Effect[] {
  const [first, second] = levels;
  const others = ({ levels, seed }: CoreRun): string => JSON.stringify([{ ...levels, [factor]: '' }, seed]);
  const base = new Map(
    core.filter(({ levels }) => levels[factor] === first).map((run) => [others(run), run]),
  );
  const pairs = core
    .filter(({ levels }) => levels[factor] === second)
    .flatMap((run) => pairWith(base.get(others(run)), run));
  return WAYS.map(([decoding, words]) =>
    compared(`${factor}: ${second} against ${first}`, words, pairs, strictOf(decoding)),
  );
}

const pairWith = (first: StoredRun | undefined, second: StoredRun): Pair[] =>
  first === undefined ? [] : [[first, second]];

function changesOf(runs: readonly StoredRun[], centre: string, name: string): Effect[] {
  const base = new Map(runs.filter(({ name: cell }) => cell === centre).map((run) => [run.seed, run]));
  const pairs = runs
    .filter(({ name: cell }) => cell === name)
    .flatMap((run) => pairWith(base.get(run.seed), run));
  return WAYS.map(([decoding, words]) => compared(name, words, pairs, strictOf(decoding)));
}

function compared(
  name: string,
  words: string,
  pairs: readonly Pair[],
  value: (run: StoredRun) => number,
): Effect {
  const differences = pairs.map(([first, second]) => value(second) - value(first));
  if (differences.length === 0) return { name, words, n: 0 };
  const found = { ...studentMean(differences), p: signFlipTest(differences) };
  return { name, words, n: pairs.length, found };
}

const signed = (value: number, digits = 1): string =>
  `${value >= 0 ? '+' : '−'}${Math.abs(value).toFixed(digits)}`;
const signedRange = ({ mean, low, high }: NonNullable<Effect['found']>, digits = 1): string =>
  `${signed(mean, digits)} (${signed(low, digits)} to ${signed(high, digits)})`;
const effectRow = ({ name, words, n, found }: Effect): string =>
  found === undefined
    ? `| ${name} | ${words} | 0 | not run | |`
    : `| ${name} | ${words} | ${n} | ${signedRange(found)} | ${found.p.toFixed(3)} |`;

function cellRow(runs: readonly StoredRun[], name: string): string | undefined {
  const own = runs.filter(({ name: cell }) => cell === name);
  if (own.length === 0) return undefined;
  const text = (decoding: Way): string => {
    const { mean, low, high } = studentMean(own.map(strictOf(decoding)));
    return own.length > 1 ? `${mean.toFixed(1)} (${low.toFixed(1)}–${high.toFixed(1)})` : mean.toFixed(1);
  };
  const length = studentMean(own.map(({ after }) => after.sampled.length)).mean;
  return `| ${name} | ${own.length} | ${text('sampled')} | ${text('greedy')} | ${length.toFixed(1)} |`;
}

const CURVES: readonly (readonly [curve: CurveName, words: string])[] = [
  ['reward', 'mean reward (0 to 2)'],
  ['reward_std', 'standard deviation of the reward in a group'],
  ['length', 'tokens a completion'],
  ['entropy', 'entropy in nats a token'],
];

/** The means of the last quarter of the steps, weights on minus off, over pairs of runs of the core. */
function lateEffects(core: readonly CoreRun[]): Effect[] {
  const others = ({ levels, seed }: CoreRun): string =>
    JSON.stringify([levels['loss'], levels['vision'], seed]);
  const off = new Map(
    core.filter(({ levels }) => levels['weights'] === 'off').map((run) => [others(run), run]),
  );
  const pairs = core
    .filter(({ levels }) => levels['weights'] === 'on')
    .flatMap((run) => pairWith(off.get(others(run)), run));
  const late =
    (name: CurveName) =>
    (run: StoredRun): number => {
      const values = run.curves[name];
      return mean(values.slice(Math.floor(0.75 * values.length)).map(Number));
    };
  return CURVES.map(([name, words]) => compared(name, words, pairs, late(name)));
}

function curveRow({ words, n, found }: Effect): string {
  if (found === undefined) return `| ${words} | 0 | not run | |`;
  return `| ${words} | ${n} | ${signedRange(found, 4)} | ${found.p.toFixed(3)} |`;
}

function answerLength(start: Answers, runs: readonly StoredRun[]): string {
  const { mean } = studentMean(runs.map(({ after }) => after.sampled.length));
  return `An answer has ${start.sampled.length.toFixed(1)} tokens before training and ${mean.toFixed(1)} after it, over all runs.`;
}

/** A sentence on whether the paper's figure shows here. */
function paperFigure(late: readonly Effect[], start: Answers, runs: readonly StoredRun[]): string {
  const effect = (name: CurveName): Effect => late.find((effect) => effect.name === name)!;
  const answer = (name: CurveName): string => {
    const { words, found } = effect(name);
    if (found === undefined) return `${words}: not run`;
    const { low, high } = found;
    return `${words} ${high < 0 ? 'is lower' : low > 0 ? 'is higher' : 'does not move beyond the spread of seeds'}, ${signedRange(found, 3)}`;
  };
  const isLower = ({ found }: Effect): boolean => found !== undefined && found.high < 0;
  const isShown = isLower(effect('reward_std')) && isLower(effect('length'));
  return `**The paper's figure** (lower spread of the reward, shorter answers with token weights) ${isShown ? 'shows' : 'does not show'} here: ${answer('reward_std')}; ${answer('length')}. ${answerLength(start, runs)}`;
}

/** Plain words that follow from the numbers. */
function verdict(
  effects: readonly Effect[],
  changes: readonly Effect[],
  runs: readonly StoredRun[],
  start: Answers,
): string {
  const sentence = ({ name, words, found }: Effect): string => {
    if (found === undefined) return `${name} was not run.`;
    const { mean, low, high } = found;
    const range = `${signed(mean)} points (${signed(low)} to ${signed(high)})`;
    const isClear = low > 0 || high < 0;
    return `**${name}**, ${words}: ${range}, ${isClear ? `a ${mean > 0 ? 'gain' : 'loss'} beyond the spread of seeds` : 'no difference that these runs can tell from 0'}.`;
  };
  const gain = studentMean(runs.map(({ after }) => 100 * (after.sampled.strict - start.sampled.strict)));
  const sampled = ({ words }: Effect): boolean => words === 'temperature 1';
  return [
    `Training moved strict accuracy at temperature 1 by ${signed(gain.mean)} points on average over all runs. What the parts do, at temperature 1:`,
    '',
    ...[...effects, ...changes].filter(sampled).map((effect) => `- ${sentence(effect)}`),
  ].join('\n');
}

/** Means over the runs of the core with weights off and on, as far as there are some. */
function figure(runs: readonly StoredRun[], { factors }: Grid): string {
  const core = runs.filter(isCore);
  const colors = [COLORS.blue, COLORS.orange];
  const lines = (name: CurveName): PanelLine[] =>
    (factors['weights'] ?? []).flatMap((level, i) => {
      const own = core.filter(({ levels }) => levels['weights'] === level);
      const steps = own.length === 0 ? 0 : Math.min(...own.map((run) => run.steps));
      const points = Array.from(
        { length: steps },
        (_, at) => [at + 1, mean(own.map((run) => run.curves[name][at] ?? 0))] as const,
      );
      return steps === 0 ? [] : [{ name: `weights ${level}`, color: colors[i] ?? COLORS.grey, points }];
    });
  const panel = (title: string, name: CurveName, y: string): Panel => ({
    title,
    x: 'step',
    y,
    lines: lines(name),
  });
  const panels = [
    panel('reward', 'reward', 'mean'),
    panel('spread of the reward', 'reward_std', 'standard deviation in a group'),
    panel('length', 'length', 'tokens a completion'),
    panel('entropy', 'entropy', 'nats a token'),
  ];
  return panelChart({
    title: 'Reward, its spread, length and entropy over the steps, token weights off and on',
    panels,
  });
}
