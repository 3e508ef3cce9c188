/**
 * What a page about a training run shows of its folder: the curves' numbers, a few groups of completions from its beginning,
 * middle and end, and which words weighed most.
 */
import { variance } from '../base/index.ts';
import { type CompletionRecord, type MetricsRow, RunDirectory, type TokenRecord } from '../run/index.ts';
import type { HeatRow } from './token-heat-map.ts';

export interface ShownGroup {
  readonly step: number;
  readonly problem: string;
  readonly solution: string;
  readonly rows: readonly HeatRow[];
}

/** A word of the completions and its weight in the loss, over the steps that were looked at. */
export interface WordWeight {
  readonly word: string;
  readonly count: number;
  readonly mean: number;
}

export interface TrainingRun {
  readonly metrics: readonly MetricsRow[];
  readonly groups: readonly ShownGroup[];
  readonly words: readonly WordWeight[];
}

/** Words are counted in so many steps, spread evenly over the run. */
const NUM_WORD_STEPS = 40;
/** Rarer words say nothing. */
const LEAST_COUNT = 20;

/** @throws DataError when the folder holds no run */
export function readTrainingRun(folder: string): TrainingRun {
  const run = RunDirectory.open(folder);
  const steps = run.completionSteps();
  return { metrics: run.readMetrics(), groups: chooseGroups(run, steps), words: weighWords(run, steps) };
}

/** The groups to show: at the beginning, the middle and the end of the run, that with the greatest spread of rewards. */
function chooseGroups(run: RunDirectory, steps: readonly number[]): ShownGroup[] {
  const wanted = new Set([steps[0], steps[Math.floor(steps.length / 2)], steps.at(-1)]);
  return [...wanted].flatMap((step) => (step === undefined ? [] : mostDivided(run, step)));
}

function mostDivided(run: RunDirectory, step: number): ShownGroup[] {
  const records = run.readCompletions(step);
  const tokens = new Map(run.readTokens(step).rows.map((row) => [`${row.group}/${row.row}`, row]));
  const groups = new Map<number, CompletionRecord[]>();
  for (const record of records) groups.set(record.group, [...(groups.get(record.group) ?? []), record]);
  const [best] = [...groups.values()].sort((a, b) => spread(b) - spread(a));
  const first = best?.[0];
  if (best === undefined || first === undefined) return [];
  const rows = [...best]
    .sort((a, b) => rank(b) - rank(a))
    .map(({ group, row, completion, reward, advantage }) => ({
      completion,
      reward,
      advantage,
      tokens: tokens.get(`${group}/${row}`)!,
    }));
  return [{ step, problem: first.problem, solution: first.solution, rows }];
}

/** Variance of the rewards that could be given. */
function spread(records: readonly CompletionRecord[]): number {
  const rewards = records.map(({ reward }) => reward).filter((reward) => !Number.isNaN(reward));
  return rewards.length === 0 ? 0 : variance(rewards);
}

/** Completions that could not be judged come last. */
const rank = ({ reward }: CompletionRecord): number =>
  Number.isNaN(reward) ? Number.NEGATIVE_INFINITY : reward;

/** Heaviest words first. */
function weighWords(run: RunDirectory, steps: readonly number[]): WordWeight[] {
  const stride = Math.max(1, Math.floor(steps.length / NUM_WORD_STEPS));
  const totals = new Map<string, { count: number; sum: number }>();
  for (const step of steps.filter((_, at) => at % stride === 0)) {
    const texts = new Map(
      run.readCompletions(step).map(({ group, row, completion }) => [`${group}/${row}`, completion]),
    );
    for (const row of run.readTokens(step).rows) {
      for (const [word, weight] of wordsOf(texts.get(`${row.group}/${row.row}`) ?? '', row)) {
        const total = totals.get(word) ?? { count: 0, sum: 0 };
        totals.set(word, { count: total.count + 1, sum: total.sum + weight });
      }
    }
  }
  return [...totals]
    .filter(([, { count }]) => count >= LEAST_COUNT)
    .map(([word, { count, sum }]) => ({ word, count, mean: sum / count }))
    .sort((a, b) => b.mean - a.mean);
}

/** Words of a text with the greatest weight of their tokens. A word ends where blank space or a mark follows. */
export function wordsOf(
  text: string,
  { ends, weights }: Pick<TokenRecord, 'ends' | 'weights'>,
): [string, number][] {
  const words: [string, number][] = [];
  let token = 0;
  for (const { 0: word, index } of text.matchAll(/<\/?\w+>|\w+|[^\s\w]/g)) {
    while (token < ends.length && ends[token]! <= index) token++;
    let weight = 0;
    for (let t = token; t < ends.length && (t === token || ends[t - 1]! < index + word.length); t++)
      weight = Math.max(weight, weights[t]!);
    words.push([word, weight]);
  }
  return words;
}
