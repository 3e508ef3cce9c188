import { describe, expect, it } from 'vitest';
import { measureBaselines } from './baselines.ts';
import { drawEpisode } from './episode.ts';
import { KINDS, QUESTION_KINDS } from './kinds.ts';
import { guesses } from './shortcuts.ts';

const options = { height: 1, durationS: 31 / 8 };

describe('questions', () => {
  it('have 2 to 5 different options, of which one to all but one are right, as drawn before the scene', () => {
    const counts = new Map<string, number>();
    for (let index = 0; index < 1500; index++) {
      const { questions } = drawEpisode(5, index, { ...options, kinds: ['present'] });
      const question = questions[0]!;
      expect(new Set(question.options).size).toBe(question.options.length);
      const numTrue = question.statements.filter(({ isTrue }) => isTrue).length;
      expect(question.answer.length).toBe(question.isNegated ? question.options.length - numTrue : numTrue);
      const key = `${numTrue} of ${question.options.length}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    const keys = [2, 3, 4, 5].flatMap((k) => Array.from({ length: k - 1 }, (_, at) => `${at + 1} of ${k}`));
    expect([...counts.keys()].sort()).toEqual(keys.sort());
    // A quarter for each number of options, in equal parts; five standard deviations of room.
    for (const [key, count] of counts) {
      const expected = 1500 / 4 / (Number(key.at(-1)) - 1);
      expect(Math.abs(count - expected)).toBeLessThan(5 * Math.sqrt(expected));
    }
  });

  it('come in every kind, plain and negated, several a video where the scene allows', () => {
    const seen = new Set<string>();
    for (let index = 0; index < 120; index++) {
      const { questions } = drawEpisode(6, index, { ...options, questionsPerVideo: 3, negatedShare: 0.5 });
      expect(questions[0]!.kind).toBe(QUESTION_KINDS[index % QUESTION_KINDS.length]);
      expect(new Set(questions.map(({ question }) => question)).size).toBe(questions.length);
      for (const { kind, rung, isNegated, options } of questions) {
        expect(rung).toBe(KINDS[kind].rung);
        expect(KINDS[kind].numOptions).toContain(options.length);
        seen.add(`${kind} ${isNegated}`);
      }
    }
    expect(seen.size).toBe(2 * QUESTION_KINDS.length);
  });

  it('about causes are not answered by what is seen to happen, nor any by the name of an absent object', () => {
    const causal = ['explain', 'counterfactual'] as const;
    const asked = Array.from({ length: 300 }, (_, index) => {
      const episode = drawEpisode(8, index, { ...options, kinds: causal });
      return guesses(episode, episode.questions[0]!);
    });
    const { by_kind } = measureBaselines(asked);
    // A shortcut that says nothing is right as often as a guess; four standard deviations of room.
    for (const { facts, chance, n } of Object.values(by_kind))
      expect(facts! - chance).toBeLessThan(4 * Math.sqrt((chance * (1 - chance)) / n));

    const names = new Map<string, number>();
    for (let index = 0; index < 600; index++) {
      const { questions } = drawEpisode(8, index, { ...options, kinds: ['enter', 'leave'] });
      for (const { look } of questions[0]!.statements)
        if (look !== undefined) names.set(look.color, (names.get(look.color) ?? 0) + 1);
    }
    expect(names.size).toBe(8);
    const total = [...names.values()].reduce((sum, count) => sum + count, 0);
    for (const count of names.values()) expect(Math.abs(count / total - 1 / 8)).toBeLessThan(0.1);
  });

  it('are the same for the same seed, whatever came before', () => {
    const draw = (seed: number, index: number) => {
      const { story, questions } = drawEpisode(seed, index, options);
      return { scene: story.scene, questions };
    };
    expect(draw(7, 12)).toEqual(draw(7, 12));
    expect(draw(7, 12)).not.toEqual(draw(8, 12));
    expect(draw(7, 12).scene).not.toEqual(draw(7, 27).scene);
  });
});
