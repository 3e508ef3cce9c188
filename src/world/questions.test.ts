import { describe, expect, it } from 'vitest';
import { drawEpisode } from './episode.ts';
import { KINDS, QUESTION_KINDS } from './kinds.ts';

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

  it('are the same for the same seed, whatever came before', () => {
    const draw = (seed: number, index: number) => {
      const { story, questions } = drawEpisode(seed, index, options);
      return { scene: story.scene, questions };
    };
    expect(draw(7, 12)).toEqual(draw(7, 12));
    expect(draw(7, 12)).not.toEqual(draw(8, 12));
    expect(draw(7, 12).scene).not.toEqual(draw(7, 27).scene);
  });

  it('that no scene can carry are an error, not an endless search', () => {
    expect(() => drawEpisode(1, 0, { ...options, kinds: ['collide'], speed: [0, 0] })).toThrow(
      /no scene in 20000 draws allows a "collide" question/,
    );
  });
});
