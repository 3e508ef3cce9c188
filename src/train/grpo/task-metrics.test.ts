import { expect, it } from 'vitest';
import { DataError } from '../../base/index.ts';
import { itemSchema, type Question, toQuestion } from '../../data/index.ts';
import { builtInReward, type RewardInput } from '../../rl/index.ts';
import type { RolloutGroup } from '../../rollout/index.ts';
import { MetricAccumulator } from '../../run/index.ts';
import { checkJudges } from './check-rewards.ts';
import { addExperienceMetrics } from './grpo-metrics.ts';

function question(type: string, source: string, solution?: string): Question {
  const choice = { options: ['x', 'y'], answer: ['A'] };
  const item = itemSchema.parse({
    ...{ id: type, question: 'What?', type, provenance: { data_source: source } },
    ...(type === 'multiple choice' ? choice : { options: [], answer: [], solution }),
  });
  return toQuestion(item, { video_root: '/' });
}

/** A group whose completions earned these rewards, from `task` and in all. */
function group(asked: Question, rewards: readonly number[]): RolloutGroup {
  const rollouts = rewards.map((reward) => ({
    ...{ ids: [1], finish_reason: 'stop', text: '', rewards: [reward], reward, advantage: 0 },
    answer: { letters: [], failed: true },
  }));
  return {
    prompt: { question: asked },
    rollouts,
    reward_std: 0,
    is_zero_std: true,
  } as unknown as RolloutGroup;
}

it('means of the reward are told by kind of question and by source; answers are those of multiple choice', () => {
  const metrics = new MetricAccumulator();
  const groups = [
    group(question('multiple choice', 'x'), [1, 0]),
    group(question('numerical', 'x', '3'), [1, 1]),
    group(question('temporal grounding', 'y', '1 to 2'), [0.25, 0.5]),
    group(question('numerical', 'y', '4'), [0, 0]),
    group(question('open', 'z'), [Number.NaN, Number.NaN]),
  ];
  addExperienceMetrics(metrics, groups, ['task'], { scale_rewards: 'group' });
  const row = metrics.reduce();
  expect(row).toMatchObject({
    'rewards/task/multiple_choice/mean': 0.5,
    'rewards/task/numerical/mean': 0.5,
    'rewards/task/temporal_grounding/mean': 0.375,
    'reward/source/x': 0.75,
    'reward/source/y': 0.1875,
    'answers/parse_failure': 1,
  });
  expect(row).not.toHaveProperty('rewards/task/open/mean');
  expect(row).not.toHaveProperty('reward/source/z');
});

it('the reward `task` scores each completion by the kind of its question', async () => {
  const input = (task: RewardInput['task'], said: string, truth: string): RewardInput => ({
    ...{
      completion: `<answer>${said}</answer>`,
      prompt: '',
      solution: `<answer>${truth}</answer>`,
      task: task!,
    },
    answer: { letters: [said], failed: false, source: 'tag', form: 'letters', text: said },
    truth: task === 'multiple choice' ? truth.split(',') : [],
  });
  const inputs = [
    input('multiple choice', 'A', 'A,B'),
    input('numerical', '3.004', '3.00'),
    input('regression', '2', '4'),
    input('OCR', 'STOP', 'STOP HERE'),
    input('free-form', 'the ball', 'the ball'),
    input('temporal grounding', '5 to 7', '[[0, 2], [5, 8]]'),
    input('open', 'x', 'x'),
  ];
  const { reward } = builtInReward('task', { accuracy: 'soft' })!;
  const values = await reward(inputs);
  [0.5, 1, 0.5, 0.5, 1, 2 / 3].forEach((value, index) => {
    expect(values[index]).toBeCloseTo(value, 9);
  });
  expect(values[6]).toBeNull();
  const judged = builtInReward('accuracy', { accuracy: 'soft' })!.reward(inputs);
  expect(await judged).toEqual([0.5, null, null, null, null, null, null]);
});

it('questions that no reward judges are refused, unless a module of the user judges', () => {
  const questions = [question('multiple choice', ''), question('open', '')];
  expect(() => checkJudges(questions, ['task', 'format'])).toThrow(DataError);
  expect(() => checkJudges(questions, ['task', 'format'])).toThrow(
    /1 of 2 questions .* 1 open; the first is open/,
  );
  expect(() => checkJudges(questions, ['mine.mjs'])).not.toThrow();
  expect(() => checkJudges(questions.slice(0, 1), ['accuracy', 'format'])).not.toThrow();
});
