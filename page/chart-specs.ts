/** The charts of the overview, in the order in which to look at them. Keys that no run has are left out. */
import type { ChartKey, ChartSpec } from './curves.ts';
import type { Unit } from './format.ts';

const one = (
  title: string,
  unit: Unit,
  key: string,
  more: Partial<ChartKey> & Pick<ChartSpec, 'include' | 'about'> = {},
): ChartSpec => {
  const { include, about, ...own } = more;
  return {
    title,
    unit,
    keys: [{ key, label: title, ...own }],
    ...(include === undefined ? {} : { include }),
    ...(about === undefined ? {} : { about }),
  };
};

/** A chart of several keys, each with the words of its curve. */
const several = (
  title: string,
  unit: Unit,
  labels: Readonly<Record<string, string>>,
  more: Pick<ChartSpec, 'include' | 'about'> = {},
): ChartSpec => ({
  title,
  unit,
  keys: Object.entries(labels).map(([key, label]) => ({ key, label })),
  ...more,
});

export const SECTIONS: readonly { readonly title: string; readonly charts: readonly ChartSpec[] }[] = [
  {
    title: 'Is it learning?',
    charts: [
      one('Reward, mean ± deviation', 'number', 'reward', {
        label: 'reward',
        band: { deviation: 'reward_std' },
        about: 'Mean reward of a step; the band is the mean deviation within a group.',
      }),
      one('Accuracy of sampled answers', 'percent', 'rewards/accuracy/mean', {
        label: 'accuracy',
        about: 'What the accuracy reward pays on training questions.',
      }),
      one('Groups without signal', 'percent', 'frac_reward_zero_std', {
        label: 'share',
        include: [0, 1],
        about: 'Groups whose completions all earn the same reward teach nothing.',
      }),
      one('Loss', 'number', 'loss', { label: 'loss' }),
      one('Token accuracy', 'percent', 'mean_token_accuracy', { label: 'token accuracy' }),
      one('Held-out answers, strict', 'percent', 'eval_strict', { label: 'strict' }),
    ],
  },
  {
    title: 'What it writes',
    charts: [
      one('Tokens in a completion', 'tokens', 'completions/mean_length', {
        label: 'mean; band: shortest to longest',
        band: { low: 'completions/min_length', high: 'completions/max_length' },
      }),
      one('Cut off at the limit', 'percent', 'completions/clipped_ratio', { label: 'share', include: [0] }),
      several(
        'Letters named',
        'percent',
        {
          'answers/precision': 'precision',
          'answers/recall': 'recall',
          'answers/parse_failure': 'unreadable',
        },
        { include: [0, 1] },
      ),
      one('Different completions in a group', 'percent', 'completions/unique_ratio', {
        label: 'share',
        include: [0, 1],
      }),
    ],
  },
  {
    title: 'The policy',
    charts: [
      one('Entropy of a token', 'nats', 'entropy', {
        label: 'entropy',
        include: [0],
        about: 'Falling towards 0: completions become alike and exploration ends.',
      }),
      one('KL to the reference', 'nats', 'kl', { label: 'KL', include: [0] }),
      one('Gradient norm, before clipping', 'number', 'grad_norm', { label: 'norm', include: [0] }),
      one('Learning rate', 'number', 'learning_rate', { label: 'rate', include: [0] }),
      several(
        'Clipped tokens',
        'percent',
        { 'clip_ratio/low_mean': 'below', 'clip_ratio/high_mean': 'above' },
        { include: [0] },
      ),
      several(
        'Token weights',
        'number',
        { 'token_weight/mean': 'mean', 'token_weight/max': 'greatest' },
        { include: [1] },
      ),
      several(
        'Where no completion has ended',
        'percent',
        {
          'token_weight/tokens_all_alive': 'share of tokens',
          'token_weight/weight_all_alive': 'of weight',
          'token_weight/excess_all_alive': 'of weight above 1',
        },
        { include: [0, 1] },
      ),
      several(
        'Sampling against training',
        'nats',
        {
          'sampling/sampling_logp_difference/mean': 'mean',
          'sampling/sampling_logp_difference/max': 'greatest',
        },
        { include: [0], about: 'Difference of log-probabilities: rounding only, else something is wrong.' },
      ),
    ],
  },
  {
    title: 'The machine',
    charts: [
      one('Time of a step', 'seconds', 'step_time', { label: 'seconds', include: [0] }),
      one('Tokens a second', 'number', 'tokens_per_second', { label: 'tokens', include: [0] }),
      one('Live tensors', 'number', 'live_tensors', {
        label: 'at the start of a step',
        about: 'The same number at every step, or something leaks.',
      }),
      several(
        'Memory of the device',
        'bytes',
        {
          'memory/peak_bytes': 'most in the step',
          'memory/allocated_bytes': 'at its end',
          'memory/reserved_bytes': 'reserved',
        },
        { include: [0] },
      ),
      several(
        'Memory of the process',
        'bytes',
        { 'memory/host_peak_rss_bytes': 'most so far', 'memory/host_rss_bytes': 'at the end of the step' },
        { include: [0], about: 'Resident memory of the host; it should level off after some steps.' },
      ),
      one('Videos left out', 'number', 'data/skipped_videos', { label: 'in a step', include: [0] }),
    ],
  },
];

/** A chart of the mean of every reward function, for as many as there are. */
export function rewardChart(known: readonly string[]): ChartSpec | undefined {
  const keys = known.flatMap((key) => {
    const name = /^rewards\/(.+)\/mean$/.exec(key)?.[1];
    return name === undefined ? [] : [{ key, label: name }];
  });
  return keys.length < 2 ? undefined : { title: 'Reward functions', unit: 'number', keys };
}

/** Every key that a chart needs. */
export function keysOf(charts: readonly ChartSpec[]): string[] {
  const keys = charts.flatMap(({ keys }) =>
    keys.flatMap(({ key, band }) =>
      band === undefined ? [key] : 'deviation' in band ? [key, band.deviation] : [key, band.low, band.high],
    ),
  );
  return [...new Set(keys)];
}
