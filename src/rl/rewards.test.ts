import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ACCURACY_KINDS,
  type AnswerParser,
  accuracyScore,
  answerStatistics,
  formatAuthors,
  formatAuthorsEval,
  formatStrict,
  parseAnswer,
} from '../answers/index.ts';
import { TwgrpoError } from '../base/index.ts';
import {
  builtInReward,
  combineRewards,
  type RewardFunction,
  type RewardInput,
  rewardFromModule,
  scoreRewards,
} from './rewards.ts';
import { temporalContrast } from './temporal-contrast.ts';

const letters = fc.uniqueArray(fc.constantFrom('A', 'B', 'C', 'D', 'E'));
const truths = fc.uniqueArray(fc.constantFrom('A', 'B', 'C', 'D', 'E'), { minLength: 1 });

describe('accuracyScore', () => {
  it.each([
    // truth {B, D}: the paper's own example is the soft column
    ['B', 0.5, 0, 1 / 2, 2 / 3],
    ['BD', 1, 1, 1, 1],
    ['BC', 0, 0, 1 / 3, 1 / 2],
    ['BCD', 0, 0, 2 / 3, 4 / 5],
    ['A', 0, 0, 0, 0],
    ['', 0, 0, 0, 0],
  ])('truth BD, answer %j', (answer, soft, exact, jaccard, f1) => {
    const scores = ACCURACY_KINDS.map((kind) => accuracyScore([...answer], ['B', 'D'], kind));
    expect(scores).toEqual([soft, exact, jaccard, f1]);
  });

  it('lies in [0, 1], is 1 only for the truth, and exact is the lowest', () => {
    fc.assert(
      fc.property(letters, truths, (chosen, truth) => {
        const isTruth = [...chosen].sort().join() === [...truth].sort().join();
        for (const kind of ACCURACY_KINDS) {
          const score = accuracyScore(chosen, truth, kind);
          expect(score).toBeGreaterThanOrEqual(accuracyScore(chosen, truth, 'exact'));
          expect(score).toBeLessThanOrEqual(1);
          expect(score === 1).toBe(isTruth);
        }
      }),
    );
  });

  it('refuses an empty truth', () => {
    expect(() => accuracyScore(['A'], [], 'soft')).toThrow(TwgrpoError);
  });
});

describe('format', () => {
  it.each([
    ['<think>a</think><answer>A</answer>', 1, 1, 1],
    ['<think>a</think>\n<answer>A</answer>\n', 1, 1, 1],
    ['Sure! <think>a</think> <answer>A</answer>', 1, 0, 0],
    ['<think>a</think> <answer>A</answer> !!', 1, 0, 0],
    ['<think>a</think> <answer>A</answer> done', 0, 0, 0],
    ['<think>a</think> so <answer>A</answer>', 0, 0, 0],
    ['<think>a</think><answer>A</answer><answer>B</answer>', 0, 0, 0],
    ['<think>a</think></think><answer>A</answer>', 1, 1, 0],
    ['<think></think><answer></answer>', 1, 1, 0],
    ['<answer>A</answer>', 0, 0, 0],
    ['', 0, 0, 0],
  ])('%j', (text, training, evaluator, strict) => {
    expect([formatAuthors(text), formatAuthorsEval(text), formatStrict(text)]).toEqual([
      training,
      evaluator,
      strict,
    ]);
  });
});

describe('reward functions', () => {
  const inputsOf = (parser: AnswerParser) =>
    ['<think>x</think><answer>A and C</answer>', 'no idea'].map((completion) => ({
      completion,
      prompt: 'q',
      solution: '<answer>A,C</answer>',
      answer: parseAnswer(completion, { parser }),
      truth: ['A', 'C'],
    }));
  const inputs = inputsOf('tolerant');

  it('scores a batch with built-in, user and async functions', async () => {
    const rewards = [
      builtInReward('accuracy', { accuracy: 'soft' })!,
      builtInReward('format', { accuracy: 'soft' })!,
      rewardFromModule({ reward: async () => [null, 0.25] }, 'judge.ts'),
    ];
    const groups = await scoreRewards(rewards, [inputs]);
    expect(groups).toEqual([
      [
        [1, 1, Number.NaN],
        [0, 0, 0.25],
      ],
    ]);
    expect(groups[0]!.map((one) => combineRewards(one, [1, 0.5, 2]))).toEqual([1.5, 0.5]);
    const [byAuthors] = await scoreRewards(rewards.slice(0, 1), [inputsOf('authors')]);
    expect(byAuthors).toEqual([[0], [0]]);
  });

  it('sees the completions of all groups at once, and gives each its own', async () => {
    const seen: number[] = [];
    const reward: RewardFunction = (all) => {
      seen.push(all.length);
      return all.map((_, i) => i);
    };
    const groups: RewardInput[][] = [inputs, [], inputs.slice(1)];
    expect(await scoreRewards([{ name: 'place', reward }], groups)).toEqual([[[0], [1]], [], [[2]]]);
    expect(await scoreRewards([{ name: 'place', reward }], [[], []])).toEqual([[], []]);
    expect(seen).toEqual([3]);
  });

  it('keeps a completion that nobody could judge as NaN', () => {
    expect(combineRewards([Number.NaN, Number.NaN])).toBeNaN();
  });

  it('says what a faulty reward function did', async () => {
    const score = (reward: unknown) => scoreRewards([rewardFromModule({ reward }, 'mine.ts')], [inputs]);
    await expect(score(() => [1])).rejects.toThrow(
      'reward mine.ts must return 2 values, one for each completion, got 1 values',
    );
    await expect(score(() => [1, Infinity])).rejects.toThrow('got Infinity at place 1');
    await expect(score(() => ['1', 2])).rejects.toThrow('got "1" at place 0');
    expect(() => rewardFromModule({ score: () => [] }, 'mine.ts')).toThrow('its exports are: score');
    expect(builtInReward('mine.ts', { accuracy: 'soft' })).toBeUndefined();
    expect(() => combineRewards([1], [1, 2])).toThrow('got 2');
  });
});

describe('answerStatistics', () => {
  it('counts precision, recall, over- and under-answering over the answers that could be read', () => {
    const answers = ['A', 'A,B,C', 'B', '??'].map((text) => parseAnswer(`<answer>${text}</answer>`));
    const truth = ['A', 'C'];
    expect(answerStatistics(answers, [truth, truth, truth, truth])).toEqual({
      parse_failure: 1 / 4,
      precision: (1 + 2 / 3 + 0) / 3,
      recall: (1 / 2 + 1 + 0) / 3,
      over_answering: 1 / 3,
      under_answering: 2 / 3,
      num_letters: 5 / 3,
    });
  });
});

describe('temporalContrast', () => {
  it('pays right answers only where order helped', () => {
    expect(temporalContrast([1, 0, 1, 0], [0, 1])).toEqual({
      bonuses: [0.3, 0, 0.3, 0],
      is_temporal: true,
      ordered: 0.5,
      shuffled: 0.5,
    });
    expect(temporalContrast([1, 0, 0, 0], [1, 1])).toEqual({
      bonuses: [0, 0, 0, 0],
      is_temporal: false,
      ordered: 0.25,
      shuffled: 1,
    });
  });

  it('leaves out what could not be judged', () => {
    const { NaN: none } = Number;
    expect(temporalContrast([1, none, 0], [none, 0])).toEqual({
      bonuses: [0.3, 0, 0],
      is_temporal: true,
      ordered: 0.5,
      shuffled: 0,
    });
    expect(temporalContrast([none], [1])).toBeUndefined();
    expect(temporalContrast([1], [])).toBeUndefined();
  });
});
