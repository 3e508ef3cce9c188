/**
 * What is true of a motion, in the words questions are made of. A predicate answers undefined where a careful viewer could
 * disagree (half outside, hardly moved, a near miss, a graze); such objects are not offered as options. All limits are so
 * wide that a viewer of eight evenly spaced frames can still tell.
 */
import type { Motion, Segment } from './physics.ts';
import type { Scene } from './scene.ts';

export type Verdict = boolean | undefined;

/** Least distance, in widths, that counts as a movement to one side. */
const CLEAR_SHIFT = 0.12;
/** Largest distance, in widths, that counts as no movement. */
const NO_SHIFT = 0.03;
/** Seconds from the ends of the video within which a collision could be missed. */
const MARGIN_S = 0.15;
/** Discs closer than this many times their touching distance look as if they touch. */
const NEAR = 1.15;
/** Cosine below which a contact is a graze: the paths hardly bend. */
const LEAST_DIRECTNESS = 0.3;
/** Moments at which the whole video is looked at. */
const NUM_LOOKS = 97;
/** Part of the video that must lie between two entries or exits for their order to be clear: more than one of eight frames. */
const CLEAR_ORDER = 0.13;
/** Part of the video that a visit must last to be noticed in eight frames. */
const CLEAR_VISIT = 0.14;
/** Largest part of the time in view that a visit may last: a place where an object mostly is needs no video. */
const LONGEST_VISIT = 0.6;
/** Speeds, in widths a second, that look like rest and like motion. */
const REST_SPEED = 1e-6;
const CLEAR_SPEED = 0.08;

/** A place in the picture, in widths. */
export interface Place {
  readonly x: number;
  readonly y: number;
}

/** A motion as seen at evenly spaced moments, worked out once for all questions about it, when first needed. */
export class Observation {
  readonly scene: Scene;
  readonly motion: Motion;
  #tracks: readonly (readonly Place[])[] | undefined;
  #views: readonly (readonly Verdict[])[] | undefined;

  constructor(scene: Scene, motion: Motion) {
    this.scene = scene;
    this.motion = motion;
  }

  /** Positions by object and moment. */
  get tracks(): readonly (readonly Place[])[] {
    this.#tracks ??= this.motion.paths.map((path) => {
      const track: Place[] = [];
      for (let look = 0, at = 0; look < NUM_LOOKS; look++) {
        const time = (this.motion.durationS * look) / (NUM_LOOKS - 1);
        while (at + 1 < path.length && path[at + 1]!.time <= time) at++;
        const { x, y, vx, vy, time: since } = path[at]!;
        track.push({ x: x + vx * (time - since), y: y + vy * (time - since) });
      }
      return track;
    });
    return this.#tracks;
  }

  /** View of each object at each moment: centre in the picture (true), wholly outside (false), or in between (undefined). */
  get views(): readonly (readonly Verdict[])[] {
    this.#views ??= this.tracks.map((track, index) =>
      track.map(({ x, y }) => viewOf(this.scene, this.scene.objects[index]!.radius, x, y)),
    );
    return this.#views;
  }
}

function viewOf({ height }: Scene, radius: number, x: number, y: number): Verdict {
  if (x >= 0 && x <= 1 && y >= 0 && y <= height) return true;
  const isOutside = x <= -radius || x >= 1 + radius || y <= -radius || y >= height + radius;
  return isOutside ? false : undefined;
}

const numSeen = (view: readonly Verdict[]): number =>
  view.reduce<number>((sum, one) => sum + Number(one === true), 0);

/** True when the object is seen well: its centre in the picture for a seventh of the video. */
export function appears({ views }: Observation, index: number): Verdict {
  const view = views[index]!;
  if (numSeen(view) > NUM_LOOKS * CLEAR_VISIT) return true;
  return view.every((one) => one === false) ? false : undefined;
}

/** True when the object is outside at first and comes in. */
export function enters(observation: Observation, index: number): Verdict {
  const atStart = observation.views[index]![0];
  const seen = appears(observation, index);
  if (atStart === undefined || seen === undefined || isInterrupted(observation, index)) return undefined;
  return !atStart && seen;
}

/** True when the object is seen at some time and outside at the end. */
export function leaves(observation: Observation, index: number): Verdict {
  const atEnd = observation.views[index]!.at(-1);
  const seen = appears(observation, index);
  if (atEnd === undefined || seen === undefined || isInterrupted(observation, index)) return undefined;
  return !atEnd && seen;
}

/** True when the object goes out of view and comes back. */
function isInterrupted({ views }: Observation, index: number): boolean {
  const view = views[index]!;
  const first = view.indexOf(true);
  return first >= 0 && view.slice(first, view.lastIndexOf(true)).includes(false);
}

/** True when, of two objects that come in, the first does so clearly before the other. */
export function entersBefore(observation: Observation, index: number, other: number): Verdict {
  if (enters(observation, index) !== true || enters(observation, other) !== true) return undefined;
  const { views } = observation;
  return isBefore(views[index]!.indexOf(true), views[other]!.indexOf(true));
}

/** True when, of two objects that leave, the first does so clearly before the other. */
export function leavesBefore(observation: Observation, index: number, other: number): Verdict {
  if (leaves(observation, index) !== true || leaves(observation, other) !== true) return undefined;
  const { views } = observation;
  return isBefore(views[index]!.lastIndexOf(true), views[other]!.lastIndexOf(true));
}

function isBefore(look: number, other: number): Verdict {
  if (Math.abs(look - other) < NUM_LOOKS * CLEAR_ORDER) return undefined;
  return look < other;
}

/** A half or quarter of the picture: which side of each middle line, 0 either. */
export interface Region {
  /** -1 left, 1 right. */
  readonly side: -1 | 0 | 1;
  /** -1 upper, 1 lower. */
  readonly level: -1 | 0 | 1;
}

/** Depth of a place inside a region, in widths; negative outside. */
export function depthIn({ side, level }: Region, height: number, x: number, y: number): number {
  const across = side === 0 ? Number.POSITIVE_INFINITY : (x - 0.5) * side;
  const down = level === 0 ? Number.POSITIVE_INFINITY : (y - height / 2) * level;
  return Math.min(across, down);
}

/** True when the object's centre is in the region while in view; undefined for short visits, and for those that last nearly always. */
export function visits({ scene, tracks, views }: Observation, index: number, region: Region): Verdict {
  const view = views[index]!;
  const seen = tracks[index]!.filter((_, look) => view[look] === true);
  if (seen.length < NUM_LOOKS * 0.25) return undefined;
  const depths = seen.map(({ x, y }) => depthIn(region, scene.height, x, y));
  if (depths.every((depth) => depth < -NO_SHIFT)) return false;
  const inside = depths.filter((depth) => depth > NO_SHIFT).length;
  const isClear = inside >= NUM_LOOKS * CLEAR_VISIT && inside <= seen.length * LONGEST_VISIT;
  return isClear ? true : undefined;
}

/** A direction along an axis of the picture. */
export interface Direction {
  readonly axis: 'x' | 'y';
  readonly sign: -1 | 1;
}

/** True when the object is last seen clearly further in a direction than where it is first seen. */
export function endsFurther(
  { views, tracks }: Observation,
  index: number,
  { axis, sign }: Direction,
): Verdict {
  const view = views[index]!;
  if (numSeen(view) < NUM_LOOKS * 0.25) return undefined;
  const track = tracks[index]!;
  const shift = sign * (track[view.lastIndexOf(true)]![axis] - track[view.indexOf(true)]![axis]);
  if (shift >= CLEAR_SHIFT) return true;
  return shift <= NO_SHIFT ? false : undefined;
}

/** Speeds of an object in each part of its path that begins before the end of the video. */
function speeds({ motion }: Observation, index: number): number[] {
  return motion.paths[index]!.map(({ vx, vy }) => Math.sqrt(vx * vx + vy * vy));
}

function isMoving(speed: number): Verdict {
  if (speed >= CLEAR_SPEED) return true;
  return speed <= REST_SPEED ? false : undefined;
}

/** True when the object moves at some time, by the path it takes in view. */
export function moves(observation: Observation, index: number): Verdict {
  if (appears(observation, index) !== true) return undefined;
  const all = speeds(observation, index);
  if (all.every((speed) => speed <= REST_SPEED)) return false;
  const seen = observation.tracks[index]!.filter((_, look) => observation.views[index]![look] === true);
  const first = seen[0]!;
  const isFar = seen.some(
    ({ x, y }) => Math.abs(x - first.x) > CLEAR_SHIFT || Math.abs(y - first.y) > CLEAR_SHIFT,
  );
  return isFar ? true : undefined;
}

/**
 * Whether it moves at first and rests at the end, for a seventh of the video; undefined for what never moves, and for what is not in
 * view at the end, which one frame would give away.
 */
export function stops(observation: Observation, index: number): Verdict {
  const { motion, views } = observation;
  if (moves(observation, index) !== true || views[index]!.at(-1) !== true) return undefined;
  const atEnd = isMoving(speeds(observation, index).at(-1)!);
  if (atEnd === undefined) return undefined;
  // One that rests for a while and is hit again comes to rest and does not stay there.
  if (atEnd)
    return speeds(observation, index)
      .slice(1)
      .some((speed) => speed <= REST_SPEED)
      ? undefined
      : false;
  const since = motion.paths[index]!.at(-1)!.time;
  return motion.durationS - since > motion.durationS * CLEAR_VISIT ? true : undefined;
}

/**
 * Whether it rests in view at first and is hit, so that it moves; undefined for what is not in view at first, which one frame would give
 * away.
 */
export function isSetMoving(observation: Observation, index: number): Verdict {
  if (observation.views[index]![0] !== true) return undefined;
  const moved = moves(observation, index);
  if (moved !== true) return moved;
  const first = isMoving(speeds(observation, index)[0]!);
  return first === undefined ? undefined : !first;
}

/** A span of time in seconds. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/**
 * Whether two objects collide in view within a span; undefined for a contact out of view, a graze, one near the ends of the span, and
 * for a near miss.
 */
export function collide(observation: Observation, a: number, b: number, span?: Span): Verdict {
  const { scene, motion } = observation;
  const { from, to } = span ?? { from: 0, to: motion.durationS };
  const contacts = motion.collisions.filter(
    ({ pair, time }) =>
      pair.includes(a) && pair.includes(b) && time >= from - MARGIN_S && time <= to + MARGIN_S,
  );
  if (contacts.length === 0) return isNearMiss(observation, a, b, { from, to }) ? undefined : false;
  const isSeen = contacts.some(
    ({ time, x, y, directness }) =>
      time >= from + MARGIN_S &&
      time <= to - MARGIN_S &&
      directness >= LEAST_DIRECTNESS &&
      x >= 0 &&
      x <= 1 &&
      y >= 0 &&
      y <= scene.height,
  );
  return isSeen ? true : undefined;
}

/** True when nothing in a motion is open to doubt: all contacts are in view and none is a graze. */
export function isClear({ height }: Scene, { collisions }: Motion): boolean {
  return collisions.every(
    ({ x, y, directness }) => directness >= LEAST_DIRECTNESS && x >= 0 && x <= 1 && y >= 0 && y <= height,
  );
}

/** Least distance of two objects in a span, as a multiple of the distance at which they touch. */
function leastGap({ scene, motion }: Observation, a: number, b: number, { from, to }: Span): number {
  const reach = scene.objects[a]!.radius + scene.objects[b]!.radius;
  const [p, q] = [motion.paths[a]!, motion.paths[b]!];
  let least = Number.POSITIVE_INFINITY;
  // Both move straight between two breaks of either path; the distance is least where they approach no more.
  for (let i = 0, j = 0; i < p.length && j < q.length; ) {
    const [one, two] = [p[i]!, q[j]!];
    const [nextP, nextQ] = [p[i + 1]?.time ?? to, q[j + 1]?.time ?? to];
    const begin = Math.max(from, one.time, two.time);
    const end = Math.min(to, nextP, nextQ);
    if (begin <= end) least = Math.min(least, leastDistance(one, two, begin, end));
    if (nextP <= nextQ) i++;
    else j++;
  }
  return least / reach;
}

function leastDistance(a: Segment, b: Segment, from: number, to: number): number {
  const dx = b.x + b.vx * (from - b.time) - a.x - a.vx * (from - a.time);
  const dy = b.y + b.vy * (from - b.time) - a.y - a.vy * (from - a.time);
  const [dvx, dvy] = [b.vx - a.vx, b.vy - a.vy];
  const speed2 = dvx * dvx + dvy * dvy;
  const closest = speed2 === 0 ? 0 : Math.min(to - from, Math.max(0, -(dx * dvx + dy * dvy) / speed2));
  const [x, y] = [dx + dvx * closest, dy + dvy * closest];
  return Math.sqrt(x * x + y * y);
}

function isNearMiss(observation: Observation, a: number, b: number, span: Span): boolean {
  return leastGap(observation, a, b, span) < NEAR;
}
