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
      {
        title: 'Letters named',
        unit: 'percent',
        keys: [
          { key: 'answers/precision', label: 'precision' },
          { key: 'answers/recall', label: 'recall' },
          { key: 'answers/parse_failure', label: 'unreadable' },
        ],
        include: [0, 1],
      },
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
      {
        title: 'Clipped tokens',
        unit: 'percent',
        keys: [
          { key: 'clip_ratio/low_mean', label: 'below' },
          { key: 'clip_ratio/high_mean', label: 'above' },
        ],
        include: [0],
      },
      {
        title: 'Token weights',
        unit: 'number',
        keys: [
          { key: 'token_weight/mean', label: 'mean' },
          { key: 'token_weight/max', label: 'greatest' },
        ],
        include: [1],
      },
      {
        title: 'Where no completion has ended',
        unit: 'percent',
        keys: [
          { key: 'token_weight/tokens_all_alive', label: 'share of tokens' },
          { key: 'token_weight/weight_all_alive', label: 'of weight' },
          { key: 'token_weight/excess_all_alive', label: 'of weight above 1' },
        ],
        include: [0, 1],
      },
      {
        title: 'Sampling against training',
        unit: 'nats',
        keys: [
          { key: 'sampling/sampling_logp_difference/mean', label: 'mean' },
          { key: 'sampling/sampling_logp_difference/max', label: 'greatest' },
        ],
        include: [0],
        about: 'Difference of log-probabilities: rounding only, else something is wrong.',
      },
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
      {
        title: 'Memory of the device',
        unit: 'bytes',
        keys: [
          { key: 'memory/peak_bytes', label: 'most in the step' },
          { key: 'memory/allocated_bytes', label: 'at its end' },
          { key: 'memory/reserved_bytes', label: 'reserved' },
        ],
        include: [0],
      },
      {
        title: 'Memory of the process',
        unit: 'bytes',
        keys: [
          { key: 'memory/host_peak_rss_bytes', label: 'most so far' },
          { key: 'memory/host_rss_bytes', label: 'at the end of the step' },
        ],
        include: [0],
        about: 'Resident memory of the host; it should level off after some steps.',
      },
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
