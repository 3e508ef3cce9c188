/**
 * @file Draws docs/token-weights.svg: three formulas on one group of rollouts, with the code that trains.
 *
 * The group is made, not measured: 8 rollouts over 5,000 words. They say the same at first, part at four positions where each
 * is sure of something else, and go on alike; they end at different places.
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { mean } from '../../src/base/index.ts';
import { COLORS, panelChart } from '../../src/report/index.ts';
import { groupDivergence, weightsFromDivergence } from '../../src/rl/index.ts';
import {
  Generator,
  randn,
  scope,
  setNumThreads,
  type Tensor,
  tensor,
  where,
} from '../../src/tensor/index.ts';

const LENGTHS = [26, 29, 32, 36, 28, 34, 31, 36];
const DECISION = [10, 13] as const;
const isDecision = (position: number): boolean => position >= DECISION[0] && position <= DECISION[1];
const [G, T, V] = [LENGTHS.length, Math.max(...LENGTHS), 5000];

setNumThreads(1);
const lines = scope(() => {
  const generator = new Generator(1);
  const draw = (shape: readonly number[]): Tensor => randn(shape, { generator, dtype: 'float64' });
  // What all would say (peaked), and what is each rollout's own.
  const spread_T = Array.from({ length: T }, (_, t) => (isDecision(t) ? 3 : 0.4));
  const logits = draw([1, T, V])
    .mul(3)
    .add(draw([G, T, V]).mul(tensor(spread_T, { dtype: 'float64' }).view([1, T, 1])));
  const logps_GTV = logits.log_softmax(-1);
  const mask = tensor(
    LENGTHS.map((length) => Array.from({ length: T }, (_, t) => t < length)),
    { dtype: 'bool' },
  );
  const everyone = tensor(
    LENGTHS.map(() => Array.from({ length: T }, () => true)),
    { dtype: 'bool' },
  );
  const withUniform = where(mask.unsqueeze(-1), logps_GTV, -Math.log(V));
  const weights = (mode: 'authors' | 'js', logps: Tensor, counted: Tensor): number[] => {
    const probs = logps.exp();
    const divergence = groupDivergence(
      {
        probs_RCV: probs,
        logps_RCV: logps,
        entropy_RC: probs.mul(logps).sum(-1).neg(),
        completion_mask_RC: counted,
        numRows: G,
      },
      mode,
    );
    const row = weightsFromDivergence(divergence, everyone, {
      token_weight: mode,
      token_weight_max: 1.7,
      token_weight_quantile: 0,
    });
    return row.select(0, 0).tolist() as number[];
  };
  return {
    authors: weights('authors', withUniform, everyone),
    paper: weights('js', withUniform, everyone),
    js: weights('js', where(mask.unsqueeze(-1), logps_GTV, -Math.log(V)), mask),
  };
});

const points = (values: readonly number[]): (readonly [x: number, y: number])[] =>
  values.map((value, t) => [t, value]);
const numAlive = Array.from({ length: T }, (_, t) => LENGTHS.filter((length) => t < length).length);
const svg = panelChart({
  title: 'Token weights of one group of eight rollouts by three formulas',
  panels: [
    {
      title: 'weight of each position',
      x: 'position in the completion',
      y: 'weight',
      from: 0.95,
      band: [DECISION[0], DECISION[1], 'they part'],
      lines: [
        { name: "authors' code", color: COLORS.orange, points: points(lines.authors) },
        {
          name: 'true KL, ended rollouts as uniform',
          color: COLORS.green,
          dash: '5 3',
          points: points(lines.paper),
        },
        { name: 'ours (js)', color: COLORS.blue, points: points(lines.js) },
      ],
    },
    {
      title: 'rollouts that still speak',
      x: 'position in the completion',
      y: 'rollouts',
      lines: [{ name: 'rollouts alive', color: COLORS.grey, points: points(numAlive) }],
    },
  ],
});
writeFileSync(fileURLToPath(new URL('../../docs/token-weights.svg', import.meta.url)), svg);
const meanWhere = (values: readonly number[], isCounted: (position: number) => boolean): string =>
  mean(values.filter((_, t) => isCounted(t))).toFixed(2);
const firstEnd = Math.min(...LENGTHS);
for (const [name, values] of Object.entries(lines))
  process.stdout.write(
    `${name.padEnd(10)} where they part ${meanWhere(values, isDecision)}, ` +
      `elsewhere before the first end ${meanWhere(values, (t) => t < firstEnd && !isDecision(t))}, ` +
      `behind it ${meanWhere(values, (t) => t >= firstEnd)}\n`,
  );
