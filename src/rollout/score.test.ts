import { describe, expect, it } from 'vitest';
import { TwgrpoError } from '../base/index.ts';
import { itemSchema, toQuestion } from '../data/index.ts';
import { builtInReward, type NamedReward, type RewardInput } from '../rl/index.ts';
import { type ScoreOptions, score } from './score.ts';
import type { Completion, RolloutPrompt } from './types.ts';

/** One token a UTF-8 byte, and 256 for the end. */
const tokenizer = {
  decodeStream: () => {
    const decoder = new TextDecoder();
    return {
      push: (id: number) => (id === 256 ? '' : decoder.decode(Uint8Array.of(id), { stream: true })),
      end: () => decoder.decode(),
    };
  },
};

const drawn = (text: string, finish_reason: Completion['finish_reason'] = 'stop'): Completion => {
  const ids = [...Buffer.from(text, 'utf8'), ...(finish_reason === 'stop' ? [256] : [])];
  return { ids, logps: new Float32Array(ids.length), finish_reason };
};
const answers = (...letters: string[]) => letters.map((one) => drawn(`<answer>${one}</answer>`));

/** A prompt with two right options; nothing of it is read but its question. */
function prompt(stream: number): RolloutPrompt {
  const item = itemSchema.parse({
    ...{ id: `q${stream}`, media: [{ path: 'a.mp4' }], question: `Which of ${stream}?` },
    ...{ options: ['red', 'green', 'blue'], answer: ['A', 'C'] },
  });
  const nothing = {} as unknown;
  return {
    question: toQuestion(item, { video_root: '/' }),
    text: `Which of ${stream}? Think first.`,
    inputs: nothing as RolloutPrompt['inputs'],
    encoded: nothing as RolloutPrompt['encoded'],
    stream,
    dispose: () => {},
  };
}

const accuracy = builtInReward('accuracy', { accuracy: 'soft' })!;
const options = (
  rewards: readonly NamedReward[],
  changes: Partial<ScoreOptions['config']> = {},
): ScoreOptions => ({
  rewards,
  tokenizer,
  config: { answer_parser: 'tolerant', scale_rewards: 'none', temporal_contrast_bonus: 0.3, ...changes },
});
const noTwins: ReadonlyMap<number, readonly Completion[]> = new Map();

describe('scoring the groups of a step', () => {
  it('keeps each prompt with its own completions, rewards and advantages', async () => {
    const groups = await score(
      [prompt(0), prompt(1)],
      [answers('A', 'B', 'A,C'), answers('C', 'C', 'C')],
      noTwins,
      options([accuracy]),
    );
    expect(groups.map((group) => group.prompt.question.id)).toEqual(['q0', 'q1']);
    expect(groups.map(({ rollouts }) => rollouts.map(({ rewards }) => rewards))).toEqual([
      [[0.5], [0], [1]],
      [[0.5], [0.5], [0.5]],
    ]);
    expect(groups.map(({ rollouts }) => rollouts.map(({ advantage }) => advantage))).toEqual([
      [0, -0.5, 0.5],
      [0, 0, 0],
    ]);
    expect(groups.map(({ is_zero_std }) => is_zero_std)).toEqual([false, true]);
    expect(groups[0]!.rollouts.map(({ answer }) => answer.letters)).toEqual([['A'], ['B'], ['A', 'C']]);
    expect(groups.map(({ reward_std, contrast }) => [reward_std, contrast])).toEqual([
      [0.5, undefined],
      [0, undefined],
    ]);
  });

  it('divides by the deviation of the whole batch where it is asked to', async () => {
    const batch = options([accuracy], { scale_rewards: 'batch' });
    const groups = await score(
      [prompt(0), prompt(1)],
      [answers('A,C', 'B'), answers('B', 'B')],
      noTwins,
      batch,
    );
    // Rewards 1, 0, 0, 0: mean 0.25, unbiased deviation 0.5.
    expect(groups[0]!.rollouts.map(({ advantage }) => advantage)).toEqual([0.5 / 0.5001, -0.5 / 0.5001]);
  });

  it('leaves out a reward that could not judge, and a completion that none could judge', async () => {
    const shy: NamedReward = {
      name: 'shy',
      reward: (inputs) => inputs.map(({ completion }) => (completion.includes('B') ? null : 2)),
    };
    const only = await score([prompt(0)], [answers('A', 'B', 'A')], noTwins, options([shy]));
    expect(only[0]!.rollouts.map(({ reward, advantage }) => [reward, advantage])).toEqual([
      [2, 0],
      [Number.NaN, 0],
      [2, 0],
    ]);
    const both = options([accuracy, shy], { reward_weights: [1, 0.25] });
    const [group] = await score([prompt(0)], [answers('A', 'B')], noTwins, both);
    expect(group!.rollouts.map(({ rewards, reward }) => [rewards, reward])).toEqual([
      [[0.5, 2], 1],
      [[0, Number.NaN], 0],
    ]);
  });

  it('compares with shuffled frames by prompt: right answers earn the bonus where order helped', async () => {
    const prompts = [prompt(4), prompt(5), prompt(6)];
    const shuffled = new Map([
      [4, answers('B', 'A')],
      [6, answers('A,C')],
    ]);
    const sampled = [answers('A,C', 'B', 'A'), answers('A', 'B', 'A'), answers('A', 'B', 'B')];
    const [helped, alone, hindered] = await score(prompts, sampled, shuffled, options([accuracy]));
    expect(helped!.contrast).toMatchObject({ is_temporal: true, ordered: 0.5, shuffled: 0.25 });
    expect(helped!.rollouts.map(({ reward, temporal_bonus }) => [reward, temporal_bonus])).toEqual([
      [1.3, 0.3],
      [0, 0],
      [0.8, 0.3],
    ]);
    expect(alone!.contrast).toBeUndefined();
    expect(alone!.rollouts.map(({ temporal_bonus }) => temporal_bonus)).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(hindered!.contrast).toMatchObject({ is_temporal: false, shuffled: 1 });
    expect(hindered!.rollouts.map(({ reward }) => reward)).toEqual([0.5, 0, 0]);
  });

  it('shows a reward function what the model was shown, what it said and what was read from it', async () => {
    const seen: RewardInput[] = [];
    const spy: NamedReward = {
      name: 'spy',
      reward: (inputs) => {
        seen.push(...inputs);
        return inputs.map(() => 0);
      },
    };
    const cut = drawn('A and C', 'length');
    await score([prompt(7)], [[cut]], noTwins, options([spy]));
    expect(seen).toMatchObject([
      {
        ...{ completion: 'A and C', prompt: 'Which of 7? Think first.', solution: '<answer>A,C</answer>' },
        ...{ answer: { letters: ['A', 'C'] }, truth: ['A', 'C'], options: ['red', 'green', 'blue'] },
        ...{ completion_ids: cut.ids, truncated: true, item: { id: 'q7' } },
      },
    ]);
  });

  it('says where each token ends: a character of several tokens with its last one', async () => {
    const [group] = await score([prompt(0)], [[drawn('aé€')]], noTwins, options([accuracy]));
    const [one] = group!.rollouts;
    expect([one!.text, [...one!.text_ends]]).toEqual(['aé€', [1, 1, 2, 2, 2, 3, 3]]);
    const [torn] = await score(
      [prompt(0)],
      [[{ ...drawn('é', 'length'), ids: [97, 0xc3] }]],
      noTwins,
      options([accuracy]),
    );
    expect([torn!.rollouts[0]!.text, [...torn!.rollouts[0]!.text_ends]]).toEqual(['a\uFFFD', [1, 2]]);
  });

  it('passes on what a reward function did wrong', async () => {
    const short: NamedReward = { name: 'short', reward: () => [1] };
    const scoring = score([prompt(0)], [answers('A', 'B')], noTwins, options([short]));
    await expect(scoring).rejects.toThrow(TwgrpoError);
    await expect(scoring).rejects.toThrow('reward short must return 2 values');
  });
});
