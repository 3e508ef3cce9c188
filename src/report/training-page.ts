/**
 * A training run as one HTML page without a network: what changed on the held-out questions, the curves, sample clips with
 * the answers before and after, the weight of every token in a few groups, the settings, and what to try next.
 */
import { percent } from '../base/index.ts';
import type { Accuracy, BeforeAfter, Change } from '../stats/index.ts';
import { type Curve, type CurveChartOptions, curveChart } from './curve-chart.ts';
import { OUTCOMES, type SampleAnswer, type SampleAnswers, splitAnswer } from './sample-answers.ts';
import { COLORS } from './svg.ts';
import { tokenHeatMap } from './token-heat-map.ts';
import { TRAINING_PAGE_STYLE } from './training-page-style.ts';
import type { TrainingRun, WordWeight } from './training-run.ts';
import { escapeXml } from './xml.ts';

export interface TrainingPage {
  readonly title: string;
  /** Plain sentences: what was done and what came out. */
  readonly summary: readonly string[];
  readonly results: readonly BeforeAfter[];
  /** Plain sentences: the meaning of the figures and how they were measured. */
  readonly notes: readonly string[];
  readonly run: TrainingRun;
  readonly token_weight_max: number;
  readonly answers: SampleAnswers;
  readonly settings: readonly (readonly [key: string, value: string])[];
  readonly next: readonly { readonly command: string; readonly what: string }[];
}

const NUM_WORDS = 10;

/** @returns a whole HTML document, also well-formed as XML */
export function trainingPage(page: TrainingPage): string {
  const { title, summary, results, notes, run, answers } = page;
  const sections = [
    `<h1>${escapeXml(title)}</h1>`,
    paragraphs(summary),
    '<h2>Before and after</h2>',
    ...results.map(resultTable),
    paragraphs(notes, 'note'),
    '<h2>Training, step by step</h2>',
    `<div class="charts">${charts(run.metrics).map(curveChart).join('')}</div>`,
    '<h2>What it says about the clips</h2>',
    `<p class="note">Greedy answers on held-out questions: ${OUTCOMES.map((name) => `${answers.counts[name]} ${name}`).join(', ')}. Shown are the first of each sort, of different kinds of question where there are.</p>`,
    ...answers.samples.map(sample),
    '<h2>Where the loss looks</h2>',
    `<p class="note">Each token's weight in the loss: no colour at 1, strongest at ${page.token_weight_max}. Hover for weight, entropy and log-probability in nats; ■ is the end token. Shown is the most divided group of the first, the middle and the last step.</p>`,
    ...run.groups.map(
      ({ step, problem, solution, rows }) =>
        `<h3>step ${step}</h3><p class="question">${lines(problem)}<br/>right: <b>${escapeXml(splitAnswer(solution).answer ?? solution)}</b></p>${tokenHeatMap(rows, page.token_weight_max)}`,
    ),
    wordTable(run.words),
    '<h2>Settings</h2>',
    `<table class="plain">${page.settings.map(([key, value]) => `<tr><td>${escapeXml(key)}</td><td><code>${escapeXml(value)}</code></td></tr>`).join('')}</table>`,
    '<h2>What to try next</h2>',
    `<ul>${page.next.map(({ command, what }) => `<li>${escapeXml(what)}<pre>${escapeXml(command)}</pre></li>`).join('')}</ul>`,
  ];
  return `<!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml" lang="en">
<head><meta charset="utf-8"/><meta name="viewport" content="width=device-width, initial-scale=1"/><title>${escapeXml(title)}</title>
<style>${TRAINING_PAGE_STYLE}</style></head>
<body><main>
${sections.join('\n')}
</main></body>
</html>
`;
}

function paragraphs(texts: readonly string[], style?: string): string {
  const open = style === undefined ? '<p>' : `<p class="${style}">`;
  return texts.map((text) => `${open}${escapeXml(text)}</p>`).join('');
}

const lines = (text: string) => text.split('\n').map(escapeXml).join('<br/>');

function resultTable({ label, all, groups }: BeforeAfter): string {
  const row = (change: Change, kind: 'strict' | 'soft', name: string, style = '') => {
    const [before, after] = [change.before[kind], change.after[kind]];
    const gain = 100 * (after - before);
    const test = kind === 'strict' ? pText(change.test.p_exact) : '';
    return `<tr${style}><td>${escapeXml(name)}</td><td class="num">${change.test.n}</td>${figure(change.before, kind)}${figure(change.after, kind)}<td class="num ${gain > 0 ? 'up' : gain < 0 ? 'down' : ''}">${gain > 0 ? '+' : ''}${gain.toFixed(1)}</td><td class="num">${test}</td></tr>`;
  };
  return `<h3>${escapeXml(label)}</h3><table><tr><th></th><th>questions</th><th colspan="2">before</th><th colspan="2">after</th><th>change</th><th>p</th></tr>${[
    row(all, 'strict', 'exactly right (strict)', ' class="main"'),
    row(all, 'soft', 'in part right (soft)'),
    ...groups.map((change) => row(change, 'strict', `strict, ${change.name}`)),
  ].join(
    '',
  )}<tr><td>tokens in an answer</td><td class="num">${all.test.n}</td><td class="num">${all.length.before.toFixed(1)}</td><td></td><td class="num">${all.length.after.toFixed(1)}</td><td></td><td></td><td></td></tr></table>`;
}

function figure(accuracy: Accuracy, kind: 'strict' | 'soft'): string {
  const { low, high } = accuracy[`${kind}_interval`];
  return `<td class="num">${percent(accuracy[kind])}</td><td class="interval">${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)}</td>`;
}

/** `0.0123`, `2.1e-7` */
export function pText(p: number): string {
  return p >= 0.001 ? p.toFixed(p >= 0.1 ? 2 : 4) : p.toExponential(1);
}

function charts(metrics: TrainingRun['metrics']): CurveChartOptions[] {
  const steps = metrics.map(({ step }) => step);
  const column = (key: string) => metrics.map((row) => Number(row[key] ?? Number.NaN));
  const curve = (name: string, color: string, key: string): Curve => ({ name, color, values: column(key) });
  const [reward, spread] = [column('reward'), column('reward_std')];
  const [shortest, longest] = [column('completions/min_length'), column('completions/max_length')];
  return [
    {
      title: 'reward: mean, and spread within a group',
      steps,
      curves: [
        {
          name: 'mean',
          color: COLORS.blue,
          values: reward,
          band: reward.map((mean, i) => [mean - spread[i]!, mean + spread[i]!]),
        },
      ],
    },
    {
      title: 'standard deviation of rewards within a group',
      steps,
      include: [0],
      curves: [curve('std', COLORS.orange, 'reward_std')],
    },
    {
      title: 'soft accuracy of the sampled training answers',
      steps,
      unit: 'percent',
      curves: [curve('accuracy', COLORS.green, 'rewards/accuracy/mean')],
    },
    {
      title: 'groups without a signal (all rewards equal)',
      steps,
      unit: 'percent',
      include: [0, 1],
      curves: [curve('share', COLORS.orange, 'frac_reward_zero_std')],
    },
    {
      title: 'tokens in an answer: mean, shortest to longest',
      steps,
      curves: [
        {
          ...curve('mean', COLORS.blue, 'completions/mean_length'),
          band: shortest.map((low, i) => [low, longest[i]!]),
        },
      ],
    },
    {
      title: 'entropy of a token (nats)',
      steps,
      include: [0],
      curves: [curve('entropy', COLORS.green, 'entropy')],
    },
  ];
}

function sample({ outcome, before, after, sheet }: SampleAnswer): string {
  const frames = Buffer.from(sheet).toString('base64');
  const side = (when: string, row: SampleAnswer['before']) => {
    const { thinking, answer } = splitAnswer(row.completion);
    const verdict = row.score === 1 ? 'right' : row.score > 0 ? 'in part right' : 'wrong';
    return `<div><h4>${when}: <span class="${row.score === 1 ? 'up' : 'down'}">${escapeXml(answer ?? 'no answer')} (${verdict})</span></h4><p class="thinking">${escapeXml(thinking)}</p></div>`;
  };
  return `<section class="sample"><h3>${outcome}</h3><img alt="frames of the clip in time order" src="data:image/png;base64,${frames}"/><p class="question">${lines(before.problem)}<br/>right: <b>${escapeXml(before.truth.join(', '))}</b></p><div class="sides">${side('before', before)}${side('after', after)}</div></section>`;
}

function wordTable(words: readonly WordWeight[]): string {
  if (words.length === 0) return '';
  const row = ({ word, count, mean }: WordWeight) =>
    `<tr><td><code>${escapeXml(word)}</code></td><td class="num">${mean.toFixed(2)}</td><td class="num">${count}</td></tr>`;
  const table = (title: string, some: readonly WordWeight[]) =>
    `<table class="plain"><tr><th>${title}</th><th>mean weight</th><th>seen</th></tr>${some.map(row).join('')}</table>`;
  const half = Math.min(NUM_WORDS, Math.ceil(words.length / 2));
  return `<h3>Words by their weight</h3><div class="sides">${table('heaviest', words.slice(0, half))}${table('lightest', words.slice(-half).reverse())}</div>`;
}
