import { describe, expect, it } from 'vitest';
import { LETTERS } from '../data/index.ts';
import { drawEpisode, type Episode } from './generate.ts';
import { QUESTION_KINDS } from './questions.ts';
import { nameOf } from './scene.ts';

const options = { height: 1, durationS: 31 / 8 };

/**
 * An independent, slow look at a scene: discs are moved in small steps and bounce when they touch, and what an option says
 * is judged from the positions alone.
 */
function watch({ scene }: Episode): {
  readonly tracks: readonly (readonly { x: number; y: number }[])[];
  readonly met: ReadonlySet<string>;
} {
  const step = 1 / 4000;
  const bodies = scene.objects.map(({ x, y, vx, vy, radius }) => ({ x, y, vx, vy, radius }));
  const tracks = bodies.map((body) => [{ x: body.x, y: body.y }]);
  const met = new Set<string>();
  for (let time = 0; time < scene.durationS; time += step) {
    for (const body of bodies) {
      body.x += body.vx * step;
      body.y += body.vy * step;
    }
    for (const [i, a] of bodies.entries()) {
      for (const [j, b] of bodies.entries()) {
        if (j <= i) continue;
        const [dx, dy] = [b.x - a.x, b.y - a.y];
        const distance = Math.hypot(dx, dy);
        const closing = ((b.vx - a.vx) * dx + (b.vy - a.vy) * dy) / distance;
        if (distance > a.radius + b.radius || closing >= 0) continue;
        met.add(`${i}-${j}`);
        for (const [body, sign] of [
          [a, 1],
          [b, -1],
        ] as const) {
          body.vx += (sign * closing * dx) / distance;
          body.vy += (sign * closing * dy) / distance;
        }
      }
    }
    for (const [index, body] of bodies.entries()) tracks[index]!.push({ x: body.x, y: body.y });
  }
  return { tracks, met };
}

function isTrue(option: string, episode: Episode, seen: ReturnType<typeof watch>): boolean {
  const { objects } = episode.scene;
  const named = objects.flatMap((object, index) =>
    option.toLowerCase().includes(nameOf(object)) ? [index] : [],
  );
  const isInside = ({ x, y }: { x: number; y: number }): boolean => x >= 0 && x <= 1 && y >= 0 && y <= 1;
  const track = seen.tracks[named[0] ?? -1] ?? [];
  const visible = track.filter(isInside);
  switch (episode.question.kind) {
    case 'present':
      return visible.length > 0;
    case 'enter':
      return visible.length > 0 && !isInside(track[0]!);
    case 'leave':
      return visible.length > 0 && !isInside(track.at(-1)!);
    case 'move_left':
      return visible.at(-1)!.x < visible[0]!.x - 0.08;
    default:
      return seen.met.has(named.join('-'));
  }
}

describe('questions', () => {
  it('have the answers an independent slow simulation gives', () => {
    for (let index = 0; index < 150; index++) {
      const episode = drawEpisode(11, index, options);
      const seen = watch(episode);
      const { question } = episode;
      const expected = question.options.flatMap((option, at) =>
        isTrue(option, episode, seen) ? [LETTERS[at]!] : [],
      );
      expect(question.answer, `${index} ${question.kind} ${question.options.join(' | ')}`).toEqual(expected);
    }
  });

  it('have 3 or 4 different options, at least one right and one wrong, evenly', () => {
    const counts = new Map<string, number>();
    for (let index = 0; index < 600; index++) {
      const { question } = drawEpisode(5, index, options);
      expect(question.kind).toBe(QUESTION_KINDS[index % QUESTION_KINDS.length]);
      expect(new Set(question.options).size).toBe(question.options.length);
      const key = `${question.answer.length} of ${question.options.length}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    expect([...counts.keys()].sort()).toEqual(['1 of 3', '1 of 4', '2 of 3', '2 of 4', '3 of 4']);
    // 150 expected for each of 3, and 100 for each of 4; five standard deviations of room.
    for (const [key, count] of counts)
      expect(Math.abs(count - (key.endsWith('3') ? 150 : 100))).toBeLessThan(60);
  });

  it('are the same for the same seed, whatever came before', () => {
    expect(drawEpisode(7, 12, options)).toEqual(drawEpisode(7, 12, options));
    expect(drawEpisode(7, 12, options)).not.toEqual(drawEpisode(8, 12, options));
    expect(drawEpisode(7, 12, options).scene).not.toEqual(drawEpisode(7, 17, options).scene);
  });

  it('that no scene can carry are an error, not an endless search', () => {
    expect(() => drawEpisode(1, 0, { ...options, kinds: ['collide'], speed: [0, 0] })).toThrow(
      /no scene in 5000 draws allows a "collide" question/,
    );
  });
});
