/**
 * @file A run folder without a training: rows, completions and token files of any number of steps, drawn with a seed, in the form that
 * `twgrpo train` writes them. For what must be looked at in large, or with contents that no model is likely to write.
 */
import { writeFileSync } from 'node:fs';

import { appendJsonLines, Random } from '../../src/base/index.ts';
import { type CompletionRecord, encodeTokens, RunDirectory, type TokenRecord } from '../../src/run/index.ts';

export interface SyntheticRunOptions {
  readonly num_steps: number;
  /** Prompts of a step, and completions of each. */
  readonly num_groups: number;
  readonly num_generations: number;
  /** Words of a completion's reasoning. @default 24 */
  readonly num_words?: number;
  /** The clip of every question. @default '/nowhere/clip.mp4' */
  readonly video?: string;
  readonly config?: Readonly<Record<string, unknown>>;
  /** Changes a completion before it is written. */
  readonly change?: (record: CompletionRecord) => CompletionRecord;
  /** Changes a row of metrics before it is written. */
  readonly changeRow?: (row: Readonly<Record<string, number>>) => Readonly<Record<string, number>>;
}

const WORDS = [
  'the',
  'red',
  'cube',
  'moves',
  'left',
  'then',
  'hits',
  'a',
  'blue',
  'ball',
  'and',
  'stops',
  'no',
  'so',
];
const PHASES = [
  'data',
  'encode',
  'generate',
  'reward',
  'forward',
  'loss',
  'backward',
  'optimizer',
  'metrics',
];

/** @returns the folder's own steps can be read back with `RunDirectory.open` */
export function writeSyntheticRun(folder: string, options: SyntheticRunOptions): RunDirectory {
  const { num_steps, config = {}, changeRow = (row) => row } = options;
  const run = RunDirectory.create(folder, {
    config: {
      model_name_or_path: '/models/small',
      loss_type: 'tw_grpo',
      token_weight_max: 1.7,
      max_steps: num_steps,
      ...config,
    },
    sources: { loss_type: 'recipe.yaml', max_steps: '--set' },
    command: ['twgrpo', 'train'],
  });
  const random = Random.stream(1, 'synthetic run');
  const rows: Readonly<Record<string, number>>[] = [];
  for (let step = 1; step <= num_steps; step++) {
    const records = recordsOf(step, options, random);
    appendJsonLines(run.completionsPath(step), records);
    writeFileSync(
      run.tokensPath(step),
      encodeTokens({ step, rows: records.map((record) => tokensOf(record, random)) }),
    );
    rows.push(changeRow(rowOf(step, num_steps, records, random)));
  }
  appendJsonLines(run.metricsPath, rows);
  return run;
}

function recordsOf(step: number, options: SyntheticRunOptions, random: Random): CompletionRecord[] {
  const {
    num_groups,
    num_generations,
    num_words = 24,
    video = '/nowhere/clip.mp4',
    change = (record) => record,
  } = options;
  const skill = 0.3 + (0.5 * step) / options.num_steps;
  return Array.from({ length: num_groups }, (_, group) => {
    const truth = group % 2 === 0 ? ['B'] : ['A', 'C'];
    const chosen = Array.from({ length: num_generations }, () =>
      random.float() < skill ? truth : truth.length > 1 && random.float() < 0.5 ? ['A'] : ['D'],
    );
    const rewards = chosen.map((letters): number => (letters === truth ? 1 : letters[0] === 'A' ? 0.5 : 0));
    const mean = rewards.reduce((sum, reward) => sum + reward, 0) / rewards.length;
    const deviation = Math.sqrt(
      rewards.reduce((sum, reward) => sum + (reward - mean) ** 2, 0) / rewards.length,
    );
    return chosen.map((answer, row): CompletionRecord => {
      const words = Array.from(
        { length: num_words },
        () => WORDS[Math.floor(random.float() * WORDS.length)]!,
      );
      const completion = `<think>${words.join(' ')}</think>\n<answer>${answer.join(',')}</answer>`;
      return change({
        ...{ step, group, row, video },
        item: `q${(step * num_groups + group) % 500}`,
        problem: 'Which objects move?\nA. the red cube\nB. the ball\nC. the cone\nD. none',
        solution: `<answer>${truth.join(',')}</answer>`,
        completion,
        answer,
        rewards: { accuracy: rewards[row]!, format: 1 },
        reward: rewards[row]! + 1,
        advantage: (rewards[row]! - mean) / (deviation + 1e-4),
        length: pieces(completion).length + 1,
        truncated: false,
      });
    });
  }).flat();
}

/** Texts of the tokens: words with the blank before them, and marks. */
const pieces = (text: string): string[] => text.match(/ ?[^\s<>/]+|\s|[<>/]/gu) ?? [];

function tokensOf({ group, row, completion }: CompletionRecord, random: Random): TokenRecord {
  const texts = pieces(completion);
  const ends: number[] = [];
  for (const text of texts) ends.push((ends.at(-1) ?? 0) + text.length);
  ends.push(completion.length);
  const floats = (value: () => number) => Float32Array.from(ends, value);
  const logps = floats(() => -3 * random.float() ** 3);
  return {
    group,
    row,
    ids: Int32Array.from(ends, (_, t) => (t === texts.length ? 2 : 100 + t)),
    ends: Int32Array.from(ends),
    logps,
    sampling_logps: logps.map((value) => value + 1e-4 * (random.float() - 0.5)),
    entropy: floats(() => 2 * random.float() ** 2),
    weights: floats(() => 1 + 0.7 * random.float() ** 4),
  };
}

function rowOf(
  step: number,
  num_steps: number,
  records: readonly CompletionRecord[],
  random: Random,
): Record<string, number> {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const lengths = records.map(({ length }) => length);
  const times = Object.fromEntries(
    PHASES.map((phase, i) => [`time/${phase}`, (i + 1) * 0.04 * (0.9 + 0.2 * random.float())]),
  );
  return {
    step,
    reward: mean(records.map(({ reward }) => reward)),
    reward_std: 0.3 + 0.1 * random.float(),
    frac_reward_zero_std: 0.2 * random.float(),
    'rewards/accuracy/mean': mean(records.map(({ rewards }) => rewards['accuracy']!)),
    'rewards/accuracy/std': 0.4,
    'rewards/format/mean': 1,
    'rewards/format/std': 0,
    'completions/mean_length': mean(lengths),
    'completions/min_length': Math.min(...lengths),
    'completions/max_length': Math.max(...lengths),
    'completions/clipped_ratio': 0.02 * random.float(),
    'completions/unique_ratio': 0.9 + 0.1 * random.float(),
    'answers/parse_failure': 0.01 * random.float(),
    'answers/precision': 0.6 + 0.1 * random.float(),
    'answers/recall': 0.5 + 0.1 * random.float(),
    'answers/over_answering': 0.1,
    'answers/under_answering': 0.1,
    'answers/num_letters': 1.4,
    loss: 0.05 * (random.float() - 0.5),
    grad_norm: 0.5 + 0.2 * random.float(),
    learning_rate: 1e-6 * (1 - step / (num_steps + 1)),
    epoch: step / num_steps,
    bad_steps: 0,
    entropy: 1.2 - (0.5 * step) / num_steps + 0.05 * random.float(),
    kl: 0.02 * random.float(),
    'ratio/mean': 1,
    'ratio/max': 1,
    'clip_ratio/low_mean': 0,
    'clip_ratio/high_mean': 0,
    'clip_ratio/region_mean': 0,
    'token_weight/mean': 1.1 + 0.02 * random.float(),
    'token_weight/max': 1.7,
    'token_weight/tokens_all_alive': 0.9,
    'token_weight/weight_all_alive': 0.92,
    'sampling/sampling_logp_difference/mean': 2e-5 * random.float(),
    'sampling/sampling_logp_difference/max': 2e-4 * random.float(),
    num_tokens: step * 5000,
    tokens_per_second: 2400 + 200 * random.float(),
    step_time: Object.values(times).reduce((sum, value) => sum + value, 0),
    ...times,
    'data/skipped_videos': 0,
    live_tensors: 310,
    'memory/host_rss_bytes': 2 ** 30 * (1 + 0.02 * random.float()),
    'memory/host_peak_rss_bytes': 1.05 * 2 ** 30,
  };
}
