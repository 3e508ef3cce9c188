/** @file Stages of a curriculum: what ends one, which items one learns, its learning rates, and where a resumed run goes on. */
import { describe, expect, it } from 'vitest';
import { Curriculum, isWhere, whereText } from './curriculum.ts';

const STAGES = [
  { where: { kind: ['presence'] }, until: 0.8, learning_rate: 0.003 },
  { where: { kind: ['order'] }, until: 0.5, max_steps: 3, muon_learning_rate: 0.1 },
  { where: {} },
];
const RATES = { learning_rate: 0.01, muon_learning_rate: 0.02 };

function steps(curriculum: Curriculum, count: number): Curriculum {
  for (let i = 0; i < count; i++) curriculum.countStep();
  return curriculum;
}

describe('a stage', () => {
  it('ends when its share of right answers reaches `until`, not below it and not unasked', () => {
    const curriculum = steps(new Curriculum(STAGES), 100);
    expect([curriculum.settle(undefined), curriculum.settle(0.79)]).toEqual([undefined, undefined]);
    expect(curriculum.state()).toEqual({ stage: 0, stage_steps: 100 });
    expect(curriculum.settle(0.8)).toBe('until');
    expect(curriculum.state()).toEqual({ stage: 1, stage_steps: 0 });
    expect(curriculum.current).toBe(STAGES[1]);
  });

  it('ends after `max_steps` of its own steps, whatever the answers', () => {
    const curriculum = new Curriculum(STAGES);
    curriculum.loadState({ stage: 1, stage_steps: 0 });
    expect(steps(curriculum, 2).isAtLimit).toBe(false);
    expect(curriculum.settle(0.4)).toBeUndefined();
    expect(steps(curriculum, 1).isAtLimit).toBe(true);
    expect(curriculum.settle(undefined)).toBe('max_steps');
    expect(curriculum.state()).toEqual({ stage: 2, stage_steps: 0 });
  });

  it('is said to have ended by `until` where both are reached at once', () => {
    const curriculum = new Curriculum(STAGES);
    curriculum.loadState({ stage: 1, stage_steps: 3 });
    expect(curriculum.settle(0.5)).toBe('until');
  });

  it('without an end goes on, and so does a run without a curriculum', () => {
    const last = new Curriculum(STAGES);
    last.loadState({ stage: 2, stage_steps: 0 });
    for (const curriculum of [last, new Curriculum()]) {
      expect(steps(curriculum, 1000).settle(1)).toBeUndefined();
      expect([curriculum.isFinished, curriculum.isAtLimit]).toEqual([false, false]);
    }
  });

  it('has its own learning rates where it names them', () => {
    const curriculum = new Curriculum(STAGES);
    expect(curriculum.rates(RATES)).toEqual({ learning_rate: 0.003, muon_learning_rate: 0.02 });
    curriculum.settle(1);
    expect(curriculum.rates(RATES)).toEqual({ learning_rate: 0.01, muon_learning_rate: 0.1 });
  });
});

it('after its last stage a curriculum is finished, and stays so', () => {
  const curriculum = new Curriculum([{ where: {}, until: 0.5 }]);
  expect(curriculum.settle(1)).toBe('until');
  expect([curriculum.isFinished, curriculum.settle(1)]).toEqual([true, undefined]);
  expect(curriculum.current).toEqual({ where: {}, until: 0.5 });
});

it('a state that is loaded goes on as the one that was saved', () => {
  const first = steps(new Curriculum(STAGES), 4);
  first.settle(0.9);
  steps(first, 2);
  const second = new Curriculum(STAGES);
  second.loadState(first.state());
  expect(second.state()).toEqual({ stage: 1, stage_steps: 2 });
  for (const curriculum of [first, second]) expect(steps(curriculum, 1).settle(0)).toBe('max_steps');
  expect(second.state()).toEqual(first.state());
});

it('`where` takes items that have one of the values in each dimension', () => {
  const item = { dims: { kind: 'order', rung: '2' } };
  expect(isWhere(item, {})).toBe(true);
  expect(isWhere(item, { kind: ['presence', 'order'] })).toBe(true);
  expect(isWhere(item, { kind: ['order'], rung: ['1'] })).toBe(false);
  expect(isWhere(item, { color: ['red'] })).toBe(false);
  expect(whereText({ kind: ['presence', 'order'], rung: ['1'] })).toBe('kind presence or order, rung 1');
  expect(whereText({})).toBe('all items');
});
