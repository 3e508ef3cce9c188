/**
 * Every kind of question against another simulation: discs are moved in small steps, contacts are found by halving the step in which two
 * discs come to overlap, and what a question says is read from its words and judged from positions alone.
 */
import { describe, expect, it } from 'vitest';
import { LETTERS } from '../../data/index.ts';
import type { Scene } from '../scene/scene.ts';
import { drawEpisode } from './episode.ts';
import { QUESTION_KINDS } from './kinds.ts';

const STEP = 1 / 400;

interface Disc {
  x: number;
  y: number;
  vx: number;
  vy: number;
  readonly radius: number;
}

interface Watched {
  /** Copies of all discs after each step, for the video as it is. */
  readonly moments: readonly (readonly Disc[])[];
  readonly meetings: readonly { readonly time: number; readonly names: string }[];
}

/** Distance of two outlines after a time. */
const gapAfter = (a: Disc, b: Disc, time: number): number =>
  Math.hypot(b.x - a.x + (b.vx - a.vx) * time, b.y - a.y + (b.vy - a.vy) * time) - a.radius - b.radius;
const isClosing = (a: Disc, b: Disc): boolean =>
  (b.vx - a.vx) * (b.x - a.x) + (b.vy - a.vy) * (b.y - a.y) < 0;
const pairName = (a: string, b: string): string => [a, b].sort().join(' + ');

/** Moves all discs but the one of a name for some seconds. */
function watchAnew({ objects, durationS }: Scene, seconds: number, without?: string): Watched {
  const kept = objects.filter((object) => nameOf(object) !== without);
  const names = kept.map(nameOf);
  const discs: Disc[] = kept.map(({ x, y, vx, vy, radius }) => ({ x, y, vx, vy, radius }));
  const isVideo = without === undefined && seconds === durationS;
  const copies = (): readonly Disc[] => discs.map((disc) => ({ ...disc }));
  const moments = isVideo ? [copies()] : [];
  const meetings: { time: number; names: string }[] = [];
  const numSteps = Math.round(seconds / STEP);
  for (let step = 0; step < numSteps; step++) {
    for (let left = STEP; left > 0; ) {
      const first = firstContact(discs, left);
      const wait = first?.wait ?? left;
      for (const disc of discs) {
        disc.x += disc.vx * wait;
        disc.y += disc.vy * wait;
      }
      if (first === undefined) break;
      left -= wait;
      meetings.push({ time: (step + 1) * STEP - left, names: pairName(names[first.i]!, names[first.j]!) });
      exchange(discs[first.i]!, discs[first.j]!);
    }
    if (isVideo) moments.push(copies());
  }
  return { moments, meetings };
}

const watchedScenes = new WeakMap<Scene, Map<string, Watched>>();

/** The same, once for each scene. */
function watch(scene: Scene, seconds: number, without?: string): Watched {
  const known = watchedScenes.get(scene) ?? new Map<string, Watched>();
  watchedScenes.set(scene, known);
  const key = `${seconds} ${without}`;
  const found = known.get(key) ?? watchAnew(scene, seconds, without);
  known.set(key, found);
  return found;
}

function firstContact(discs: readonly Disc[], left: number) {
  let first: { readonly i: number; readonly j: number; readonly wait: number } | undefined;
  for (let i = 0; i < discs.length; i++) {
    for (let j = i + 1; j < discs.length; j++) {
      const [a, b] = [discs[i]!, discs[j]!];
      // Too far apart to meet in this step, whatever their directions.
      if (gapAfter(a, b, 0) > left * (Math.hypot(a.vx, a.vy) + Math.hypot(b.vx, b.vy))) continue;
      if (!isClosing(a, b) || gapAfter(a, b, left) >= 0) continue;
      let [apart, overlapping] = [0, left];
      for (let halving = 0; halving < 60; halving++) {
        const middle = (apart + overlapping) / 2;
        if (gapAfter(a, b, middle) >= 0) apart = middle;
        else overlapping = middle;
      }
      if (first === undefined || apart < first.wait) first = { i, j, wait: apart };
    }
  }
  return first;
}

/** Equal discs swap the parts of their velocities along the line of centres. */
function exchange(a: Disc, b: Disc): void {
  const angle = Math.atan2(b.y - a.y, b.x - a.x);
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  const [alongA, acrossA] = [a.vx * c + a.vy * s, -a.vx * s + a.vy * c];
  const [alongB, acrossB] = [b.vx * c + b.vy * s, -b.vx * s + b.vy * c];
  [a.vx, a.vy] = [alongB * c - acrossA * s, alongB * s + acrossA * c];
  [b.vx, b.vy] = [alongA * c - acrossB * s, alongA * s + acrossB * c];
}

const nameOf = ({ color, shape }: { color: string; shape: string }): string => `the ${color} ${shape}`;
const namesIn = (text: string): string[] =>
  text.toLowerCase().match(/the \w+ (?:sphere|cube|cylinder)/g) ?? [];

/** The meaning of an option by the words of the question without its negation. */
function judge(scene: Scene, watched: Watched, question: string, option: string): boolean {
  const all = scene.objects.map(nameOf);
  const isInside = ({ x, y }: Disc): boolean => x >= 0 && x <= 1 && y >= 0 && y <= scene.height;
  const track = (name: string): readonly Disc[] => watched.moments.map((discs) => discs[all.indexOf(name)]!);
  const inView = (name: string): readonly Disc[] => track(name).filter(isInside);
  const speed = ({ vx, vy }: Disc): number => Math.hypot(vx, vy);
  const meets = ({ meetings }: Watched, pair: readonly string[], from = 0): boolean =>
    meetings.some(({ time, names }) => time > from && names === pairName(pair[0]!, pair[1]!));

  const named = namesIn(option);
  const other = namesIn(question);
  if (/happen next/.test(question)) return meets(watch(scene, scene.durationS * 1.5), named, scene.durationS);
  if (/is removed/.test(question)) return meets(watch(scene, scene.durationS, other[0]), named);
  if (/responsible/.test(question)) return !meets(watch(scene, scene.durationS, named[0]), other);
  if (/collisions .*happen in the video/.test(question)) return meets(watched, named);
  if (/collide with/.test(question)) return meets(watched, [...named, ...other]);
  const name = named[0]!;
  if (!all.includes(name)) return false;
  const path = track(name);
  const seen = inView(name);
  if (/seen in the video/.test(question)) return seen.length > 0;
  const order = /(enter|leave) the scene (before|after) the \w+ [cs]/.exec(question);
  if (order !== null) {
    const turn = (one: string): number => {
      const whole = track(one);
      return order[1] === 'enter' ? whole.findIndex(isInside) : whole.findLastIndex(isInside);
    };
    return order[2] === 'before' ? turn(name) < turn(other[0]!) : turn(name) > turn(other[0]!);
  }
  if (/enter the scene/.test(question)) return !isInside(path[0]!) && seen.length > 0;
  if (/leave the scene/.test(question)) return seen.length > 0 && !isInside(path.at(-1)!);
  const place = /in the (upper|lower)? ?(left|right)? ?(half|quarter) of/.exec(question);
  if (place !== null) {
    const [, level, side] = place;
    return seen.some(
      ({ x, y }) =>
        (level === undefined || y < scene.height / 2 === (level === 'upper')) &&
        (side === undefined || x < 0.5 === (side === 'left')),
    );
  }
  const direction = /last seen (.*) than where/.exec(question)?.[1];
  if (direction !== undefined) {
    const [first, last] = [seen[0]!, seen.at(-1)!];
    const ways = {
      'further left': first.x - last.x,
      'further right': last.x - first.x,
      'higher up': first.y - last.y,
      'lower down': last.y - first.y,
    };
    return ways[direction as keyof typeof ways] > 0.075;
  }
  const everMoves = path.some((disc) => speed(disc) > 1e-3);
  if (/come to rest/.test(question)) return everMoves && speed(path.at(-1)!) < 1e-3 && isInside(path.at(-1)!);
  if (/set in motion/.test(question)) return speed(path[0]!) < 1e-3 && everMoves;
  if (/move/.test(question)) return everMoves;
  throw new Error(`unknown question: ${question}`);
}

describe('answers', () => {
  it('of 5,000 questions of all kinds are those of an independent slow simulation', () => {
    const counts = new Map<string, number>();
    let numChecked = 0;
    for (let index = 0; numChecked < 5000; index++) {
      const height = index % 2 === 0 ? 1 : 2 / 3;
      const { story, questions } = drawEpisode(31, index, {
        height,
        durationS: 31 / 8,
        questionsPerVideo: 5,
      });
      const watched = watch(story.scene, story.scene.durationS);
      for (const { kind, question, options, answer } of questions) {
        const isNegated = /\b(?:not|never)\b/.test(question);
        const plain = question.replace(/\b(?:do |not )+/g, '').replace('never', 'at some time');
        const expected = options.flatMap((option, at) =>
          judge(story.scene, watched, plain, option) !== isNegated ? [LETTERS[at]!] : [],
        );
        expect(answer, `video ${index}: ${question} ${options.join(' | ')}`).toEqual(expected);
        counts.set(kind, (counts.get(kind) ?? 0) + 1);
        numChecked++;
      }
    }
    for (const kind of QUESTION_KINDS) expect(counts.get(kind), kind).toBeGreaterThan(60);
  }, 600_000);
});
