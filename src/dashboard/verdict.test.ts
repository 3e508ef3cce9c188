import { describe, expect, it } from 'vitest';
import type { CompletionRecord } from '../run/index.ts';
import { verdict } from './verdict.ts';

const N = 60;
const noise = (i: number) => 0.05 * Math.sin(12.9898 * i);

/** A run whose keys are functions of the row; others are as a healthy run has them. */
function judge(
  keys: Readonly<Record<string, (i: number) => number>>,
  records: readonly CompletionRecord[] = [],
  rows = N,
) {
  const healthy: Record<string, (i: number) => number> = {
    step: (i) => i + 1,
    reward: (i) => 1 + noise(i),
    'completions/mean_length': () => 100,
    entropy: () => 1,
    frac_reward_zero_std: () => 0.1,
    grad_norm: () => 0.4,
    learning_rate: () => 1e-6,
    ...keys,
  };
  return verdict({
    column: (key) =>
      key in healthy ? Float64Array.from({ length: rows }, (_, i) => healthy[key]!(i)) : undefined,
    first: records,
    last: [],
  });
}

const record = (problem: string, solution: string) => ({ problem, solution }) as CompletionRecord;

describe('verdict', () => {
  it('says that a rising reward is learning', () => {
    expect(judge({ reward: (i) => 1 + i / N })).toMatchObject({
      state: 'learning',
      headline: 'It learns: the reward rose 1.09 → 1.89 in 60 steps.',
      reasons: [],
    });
  });

  it('does not take noise for learning', () => {
    expect(judge({})).toMatchObject({ state: 'flat' });
    expect(judge({ reward: (i) => 1 - i / N + noise(i) })).toMatchObject({ state: 'falling' });
  });

  it('says nothing of a few rows', () => {
    expect(judge({}, [], 5)).toMatchObject({ state: 'early', headline: expect.stringContaining('5 rows') });
    expect(judge({}, [], 0)).toMatchObject({ state: 'early' });
  });

  it('names a constant reward first', () => {
    const { state, headline, reasons } = judge({
      reward: () => 1,
      frac_reward_zero_std: () => 1,
      grad_norm: () => 0,
    });
    expect(state).toBe('broken');
    expect(headline).toBe(
      'It does not learn: the reward has been exactly 1 for 60 rows, so no completion is better than another.',
    );
    expect(reasons.map(({ rule }) => rule)).toEqual(['constant_reward', 'zero_std', 'zero_gradient']);
  });

  it('does not trust a reward that rises while completions shrink', () => {
    const { state, headline } = judge({
      reward: (i) => i / N + noise(i),
      'completions/mean_length': (i) => (i < N / 2 ? 100 : 8),
    });
    expect(state).toBe('suspect');
    expect(headline).toMatch(/^The reward rises .* do not trust it: completions shrank from 100 to 8 tokens/);
  });

  it('does not trust a reward that rises while answers can no longer be read', () => {
    const { state, headline } = judge({
      reward: (i) => i / N + noise(i),
      'answers/parse_failure': (i) => Number(i > N / 2),
      frac_reward_zero_std: () => 0.95,
    });
    expect(state).toBe('suspect');
    expect(headline).toMatch(/^The reward rises .* do not trust it: no answer can be read from 100 % of/);
  });

  it.each([
    ['the solution itself', 'Which?\nA. x\nB. y\n<answer>B</answer>', '<answer>B</answer>'],
    ['words', 'Which?\nA. x\nB. y\nThe correct answer is B.', '<answer>B</answer>'],
    ['several letters', 'Which?\nA. x\nB. y\nC. z\nAnswer: A, C', '<answer>A,C</answer>'],
    ['brackets', 'Which?\n(A) x (B) y Correct option: (A)', '<answer>A</answer>'],
  ])('finds the truth in the prompt: %s', (_, problem, solution) => {
    const { state, headline, reasons } = judge({}, [record(problem, solution)]);
    expect({ state, rule: reasons[0]?.rule }).toEqual({ state: 'suspect', rule: 'truth_in_prompt' });
    expect(headline).toContain('the question names its own answer in 1 of 1 prompts');
  });

  it.each([
    ['a plain question', 'Which object moves?\nA. the cube\nB. the ball', '<answer>B</answer>'],
    ['an option that says so', 'What is the right answer?\nA. A cube\nB. the ball', '<answer>B</answer>'],
    ['another letter', 'Which?\nA. x\nB. y\nThe correct answer is not always A.', '<answer>B</answer>'],
  ])('finds none in %s', (_, problem, solution) => {
    expect(judge({}, [record(problem, solution)]).reasons).toEqual([]);
  });

  it.each([
    ['clipped_completions', { 'completions/clipped_ratio': () => 0.5 }],
    ['parse_failure', { 'answers/parse_failure': () => 0.9 }],
    ['zero_std', { frac_reward_zero_std: () => 0.95 }],
    ['entropy_collapse', { entropy: (i: number) => (i < N / 2 ? 1 : 0.01) }],
    ['bad_step', { bad_steps: (i: number) => Number(i === N - 1) }],
    ['zero_rate', { learning_rate: () => 0 }],
  ])('names %s', (rule, keys) => {
    expect(judge(keys).reasons[0]?.rule).toBe(rule);
  });

  it('judges a supervised run by its loss', () => {
    const columns: Record<string, (i: number) => number> = { step: (i) => i + 1, loss: (i) => 2 - i / N };
    const column = (key: string) =>
      key in columns ? Float64Array.from({ length: N }, (_, i) => columns[key]!(i)) : undefined;
    expect(verdict({ column, first: [], last: [] })).toMatchObject({
      state: 'learning',
      headline: expect.stringContaining('the loss fell'),
    });
  });
});
