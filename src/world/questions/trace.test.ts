import { describe, expect, it } from 'vitest';
import { stateAt } from '../scene/physics.ts';
import { drawEpisode } from './episode.ts';
import { QUESTION_KINDS } from './kinds.ts';
import { traceOf } from './trace.ts';

const options = { height: 0.75, durationS: 31 / 8, questionsPerVideo: 3 };
const times = [0.25, 1.4, 2.5, 3.6];

describe('a trace', () => {
  it('ends each note with the letter of a right option, and with no elsewhere', () => {
    for (let index = 0; index < QUESTION_KINDS.length; index++) {
      const { questions, story } = drawEpisode(5, index, { ...options, kinds: QUESTION_KINDS });
      for (const question of questions) {
        const text = traceOf(question, story, { times });
        const notes = /^<think>(.*)<\/think>$/
          .exec(text)![1]!
          .split(', ')
          .slice(question.anchor.objects.length);
        expect(notes).toHaveLength(question.options.length);
        const letters = notes.map((note) => note.split(' ').at(-1)!);
        expect(letters.filter((letter) => letter !== 'no')).toEqual(question.answer);
        letters.forEach((letter, at) => {
          if (letter !== 'no') expect(letter).toBe('ABCDE'[at]);
        });
      }
    }
  });

  it('names the cell an object is in, row before column', () => {
    const { questions, story } = drawEpisode(6, 0, { ...options, kinds: ['direction'], uniqueColors: true });
    const question = questions[0]!;
    const notes = traceOf(question, story, { times, cells: 5 }).slice(7).split(', ');
    question.statements.forEach(({ objects: [object] }, at) => {
      const [color, ...cells] = notes[at]!.split(' ');
      expect(color).toBe(story.scene.objects[object!]!.color);
      for (const [slice, time] of times.entries()) {
        const { x, y } = stateAt(story.motion.paths[object!]!, time);
        const isIn = x >= 0 && x < 1 && y >= 0 && y < 0.75;
        expect(cells[slice] === 'out').toBe(!isIn);
        if (!isIn) continue;
        const [row, column] = [...cells[slice]!].map((letter) => letter.charCodeAt(0) - 97);
        expect(Math.abs(x - (column! + 0.5) / 5)).toBeLessThanOrEqual(0.1);
        expect(Math.abs(y - (0.75 * (row! + 0.5)) / 5)).toBeLessThanOrEqual(0.075);
      }
    });
  });

  it('tells objects of one colour apart by shape, and needs no shape where colours are unique', () => {
    const plain = drawEpisode(7, 0, { ...options, kinds: ['present'] });
    expect(traceOf(plain.questions[0]!, plain.story, { times })).toMatch(
      /^<think>\w+ (sphere|cube|cylinder) /,
    );
    for (let index = 0; index < 20; index++) {
      const { story, questions } = drawEpisode(7, index, {
        ...options,
        kinds: ['present'],
        uniqueColors: true,
      });
      const colors = story.scene.objects.map(({ color }) => color);
      expect(new Set(colors).size).toBe(colors.length);
      for (const { look } of questions[0]!.statements)
        if (look !== undefined) expect(colors).not.toContain(look.color);
    }
  });
});
