/**
 * @file Draws docs/token-weights.svg: three formulas on one group of rollouts, with the code that trains.
 *
 *   npm run bootstrap && node scripts/draw-token-weights.mjs
 *
 * The group is made, not measured: 8 rollouts over 5,000 words. They say the same at first, part at four positions where each
 * is sure of something else, and go on alike; they end at different places.
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { groupDivergence, weightsFromDivergence } from '../build/js/rl/index.js';
import { Generator, randn, scope, setNumThreads, tensor, where } from '../build/js/tensor/index.js';
import { COLORS, lineChart } from './line-chart.mjs';

const LENGTHS = [26, 29, 32, 36, 28, 34, 31, 36];
const DECISION = [10, 13];
const [G, T, V] = [LENGTHS.length, Math.max(...LENGTHS), 5000];

setNumThreads(1);
const lines = scope(() => {
  const generator = new Generator(1);
  const draw = (shape) => randn(shape, { generator, dtype: 'float64' });
  // What all would say (peaked), and what is each rollout's own.
  const spread_T = Array.from({ length: T }, (_, t) => (t >= DECISION[0] && t <= DECISION[1] ? 3 : 0.4));
  const logits = draw([1, T, V])
    .mul(3)
    .add(draw([G, T, V]).mul(tensor(spread_T, { dtype: 'float64' }).view([1, T, 1])));
  const logps_GTV = logits.log_softmax(-1);
  const alive = tensor(
    LENGTHS.map((length) => Array.from({ length: T }, (_, t) => t < length)),
    { dtype: 'bool' },
  );
  const everyone = tensor(
    LENGTHS.map(() => Array.from({ length: T }, () => true)),
    { dtype: 'bool' },
  );
  const withUniform = where(alive.unsqueeze(-1), logps_GTV, -Math.log(V));
  const weights = (mode, logps, counted) => {
    const probs = logps.exp();
    const divergence = groupDivergence(
      {
        probs_RCV: probs,
        logps_RCV: logps,
        entropy_RC: probs.mul(logps).sum(-1).neg(),
        alive_RC: counted,
        numRows: G,
      },
      mode,
    );
    const row = weightsFromDivergence(divergence, everyone, {
      token_weight: mode,
      token_weight_max: 1.7,
      token_weight_quantile: 0,
    });
    return row.select(0, 0).tolist();
  };
  return {
    authors: weights('authors', withUniform, everyone),
    paper: weights('js', withUniform, everyone),
    js: weights('js', where(alive.unsqueeze(-1), logps_GTV, -Math.log(V)), alive),
  };
});

const points = (values) => values.map((value, t) => [t, value]);
const numAlive = Array.from({ length: T }, (_, t) => LENGTHS.filter((length) => t < length).length);
const svg = lineChart({
  title: 'Token weights of one group of eight rollouts by three formulas',
  panels: [
    {
      title: 'weight of each position',
      x: 'position in the completion',
      y: 'weight',
      from: 0.95,
      band: [DECISION[0], DECISION[1], 'they part'],
      lines: [
        { name: "authors' code", color: COLORS[1], points: points(lines.authors) },
        {
          name: 'true KL, ended rollouts as uniform',
          color: COLORS[2],
          dash: '5 3',
          points: points(lines.paper),
        },
        { name: 'ours (js)', color: COLORS[0], points: points(lines.js) },
      ],
    },
    {
      title: 'rollouts that still speak',
      x: 'position in the completion',
      y: 'rollouts',
      lines: [{ name: 'rollouts alive', color: COLORS[4], points: points(numAlive) }],
    },
  ],
});
writeFileSync(fileURLToPath(new URL('../docs/token-weights.svg', import.meta.url)), svg);
const mean = (values, from, to) => {
  const part = values.slice(from, to + 1);
  return (part.reduce((sum, value) => sum + value, 0) / part.length).toFixed(2);
};
for (const [name, values] of Object.entries(lines))
  process.stdout.write(
    `${name.padEnd(10)} where they part ${mean(values, ...DECISION)}, elsewhere before the first end ${mean(
      values.slice(0, Math.min(...LENGTHS)).filter((_, t) => t < DECISION[0] || t > DECISION[1]),
      0,
      T,
    )}, behind it ${mean(values, Math.min(...LENGTHS), T)}\n`,
  );
