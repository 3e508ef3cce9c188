import { describe, expect, it } from 'vitest';
import { beforeAfter } from '../stats/index.ts';
import { curveChart, runningMean } from './curve-chart.ts';
import { splitAnswer } from './sample-answers.ts';
import { tokenHeatMap } from './token-heat-map.ts';
import { pText } from './training-page.ts';
import { wordsOf } from './training-run.ts';

const row = (id: string, score: number, kind: string, length = 10) => ({
  id,
  truth: ['A', 'B'],
  chosen: score === 1 ? ['A', 'B'] : score > 0 ? ['A'] : ['C'],
  failed: false,
  score,
  dims: { kind },
  length,
});

describe('before and after', () => {
  const before = [row('1', 1, 'x'), row('2', 0, 'x'), row('3', 0.5, 'y'), row('4', 0, 'y')];
  const after = [row('4', 1, 'y', 6), row('3', 1, 'y', 6), row('2', 0, 'x', 6), row('1', 0, 'x', 6)];

  it('pairs the rows by id, whatever their order', () => {
    const { all } = beforeAfter('greedy', before, after, 'kind');
    expect(all.test).toMatchObject({ n: 4, only_first: 1, only_second: 2 });
    expect([all.before.strict, all.after.strict]).toEqual([0.25, 0.5]);
    expect([all.before.soft, all.after.soft]).toEqual([0.375, 0.5]);
    expect(all.length).toEqual({ before: 10, after: 6 });
  });

  it('splits by the dimension; the parts add up to the whole', () => {
    const { all, groups } = beforeAfter('greedy', before, after, 'kind');
    expect(groups.map(({ name, test, after: { correct } }) => [name, test.n, correct])).toEqual([
      ['x', 2, 0],
      ['y', 2, 2],
    ]);
    expect(groups.reduce((sum, { before: { correct } }) => sum + correct, 0)).toBe(all.before.correct);
  });

  it('refuses rows of other questions', () => {
    expect(() => beforeAfter('greedy', before, [...after.slice(1), row('9', 1, 'y')], 'kind')).toThrow(
      /in common/,
    );
  });
});

describe('words and their weights', () => {
  // Tokens: "<th" "ink>red" " aa" " out" "" as a tokenizer might cut them.
  const text = '<think>red aa out';
  const tokens = {
    ends: Int32Array.from([3, 10, 13, 17, 17]),
    weights: Float32Array.from([1, 1.25, 1, 1.5, 1]),
  };

  it('gives a word the greatest weight of the tokens it lies in', () => {
    expect(wordsOf(text, tokens)).toEqual([
      ['<think>', 1.25],
      ['red', 1.25],
      ['aa', 1],
      ['out', 1.5],
    ]);
  });

  it('colours a token by its weight, and escapes its text', () => {
    const figures = { entropy: new Float32Array(5), logps: new Float32Array(5) };
    const html = tokenHeatMap(
      [{ completion: text, reward: 1, advantage: 0.5, tokens: { ...tokens, ...figures } }],
      1.5,
    );
    const spans = [...html.matchAll(/rgba\(230,120,0,([\d.]+)\)" title="weight ([\d.]+)[^>]*>([^<]*)</g)];
    expect(spans.map(([, color, weight, shown]) => [color, weight, shown])).toEqual([
      ['0.00', '1.00', '&lt;th'],
      ['0.42', '1.25', 'ink&gt;red'],
      ['0.00', '1.00', ' aa'],
      ['0.85', '1.50', ' out'],
      ['0.00', '1.00', '■'],
    ]);
  });
});

describe('curves', () => {
  const steps = Array.from({ length: 40 }, (_, i) => i + 1);
  const chart = (values: readonly number[]) =>
    curveChart({ title: 'a < b', steps, curves: [{ name: 'one', color: '#000000', values }] });
  /** Points of the thin line. */
  const pointsOf = (svg: string) =>
    /<polyline points="([^"]*)"/
      .exec(svg)![1]!
      .split(' ')
      .map((point) => point.split(',').map(Number));

  it('places values between the marks of the axis', () => {
    const svg = chart(steps.map((step) => step / 40));
    const points = pointsOf(svg);
    expect(points).toHaveLength(40);
    const labels = [...svg.matchAll(/text-anchor="end"[^>]*>([\d.]+)<\/text>/g)].map(([, label]) =>
      Number(label),
    );
    expect(labels.slice(0, 5)).toEqual([0, 0.25, 0.5, 0.75, 1]);
    // The last value is 1, the uppermost mark; the axis falls in SVG.
    expect(points.at(-1)![1]).toBe(34);
    expect(points.every(([, y], i) => i === 0 || y! < points[i - 1]![1]!)).toBe(true);
    expect(svg).toContain('a &lt; b');
  });

  it('leaves steps without a value out', () => {
    const svg = chart(steps.map((step) => (step % 2 === 0 ? Number.NaN : 3)));
    expect(pointsOf(svg)).toHaveLength(20);
    expect(svg).not.toContain('NaN');
  });

  it('draws an empty frame where there is nothing', () => {
    expect(curveChart({ title: 't', steps: [], curves: [] })).not.toMatch(/NaN|Infinity/);
  });

  it('smooths by the mean of the values around each', () => {
    const mean = runningMean(steps);
    expect(mean[19]).toBe(20);
    expect(mean[0]).toBe(2);
    expect(runningMean([1, 2])).toEqual([1, 2]);
  });
});

describe('texts', () => {
  it.each([
    ['<think>a b</think>\n<answer>A,B</answer>', { thinking: 'a b', answer: 'A,B' }],
    ['<think>a</think> <answer>A <answer>B,C</answer>', { thinking: 'a', answer: 'B,C' }],
    ['no tags', { thinking: 'no tags', answer: undefined }],
    ['<think>cut', { thinking: '<think>cut', answer: undefined }],
  ])('splits %j', (completion, parts) => {
    expect(splitAnswer(completion)).toEqual(parts);
  });

  it.each([
    [1, '1.00'],
    [0.25, '0.25'],
    [0.0123, '0.0123'],
    [0.00012, '1.2e-4'],
    [1e-12, '1.0e-12'],
  ])('writes p = %d as %s', (p, shown) => {
    expect(pText(p)).toBe(shown);
  });
});
