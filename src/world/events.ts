/**
 * What is true of a motion, in the words questions are made of. A predicate answers undefined where a careful viewer could
 * disagree (half outside, hardly moved, a near miss); such objects are not offered as options.
 */
import type { Motion } from './physics.ts';
import type { Scene } from './scene.ts';

export type Verdict = boolean | undefined;

/** Least way, in widths, that counts as a movement to one side. */
const CLEAR_SHIFT = 0.12;
/** Largest way that counts as none. */
const NO_SHIFT = 0.03;
/** Seconds from the ends of the video within which a collision could be missed. */
const MARGIN_S = 0.15;
/** Discs closer than this many times their touching distance look as if they touch. */
const NEAR = 1.15;
/** Moments at which the whole video is looked at. */
const NUM_LOOKS = 97;

/** A scene as seen at evenly spaced moments, worked out once for all questions about it. */
export interface Observation {
  readonly scene: Scene;
  readonly motion: Motion;
  /** Positions by object and moment. */
  readonly tracks: readonly (readonly { readonly x: number; readonly y: number }[])[];
  /** By object and moment: centre in the picture (true), wholly outside (false), or in between. */
  readonly views: readonly (readonly Verdict[])[];
}

/** Looks at the whole motion. */
export function observe(scene: Scene, motion: Motion): Observation {
  const tracks = motion.paths.map((path) => {
    let at = 0;
    return Array.from({ length: NUM_LOOKS }, (_, look) => {
      const time = (motion.durationS * look) / (NUM_LOOKS - 1);
      while (at + 1 < path.length && path[at + 1]!.time <= time) at++;
      const { x, y, vx, vy, time: since } = path[at]!;
      return { x: x + vx * (time - since), y: y + vy * (time - since) };
    });
  });
  const views = tracks.map((track, index) =>
    track.map(({ x, y }) => viewOf(scene, scene.objects[index]!.radius, x, y)),
  );
  return { scene, motion, tracks, views };
}

function viewOf({ height }: Scene, radius: number, x: number, y: number): Verdict {
  if (x >= 0 && x <= 1 && y >= 0 && y <= height) return true;
  const isOutside = x <= -radius || x >= 1 + radius || y <= -radius || y >= height + radius;
  return isOutside ? false : undefined;
}

/** Whether the object is ever seen well: its centre in the picture for a tenth of the video. */
export function appears({ views }: Observation, index: number): Verdict {
  const view = views[index]!;
  if (view.filter((one) => one === true).length > NUM_LOOKS * 0.1) return true;
  return view.every((one) => one === false) ? false : undefined;
}

/** Whether it is outside at first and comes in. */
export function enters(observation: Observation, index: number): Verdict {
  const atStart = observation.views[index]![0];
  const seen = appears(observation, index);
  if (atStart === undefined || seen === undefined) return undefined;
  return !atStart && seen;
}

/** Whether it is seen at some time and outside at the end. */
export function leaves(observation: Observation, index: number): Verdict {
  const atEnd = observation.views[index]!.at(-1);
  const seen = appears(observation, index);
  if (atEnd === undefined || seen === undefined) return undefined;
  return !atEnd && seen;
}

/** Whether it is last seen clearly to the left of where it is first seen. */
export function endsFurtherLeft({ views, tracks }: Observation, index: number): Verdict {
  const view = views[index]!;
  if (view.filter((one) => one === true).length < NUM_LOOKS * 0.25) return undefined;
  const track = tracks[index]!;
  const shift = track[view.lastIndexOf(true)]!.x - track[view.indexOf(true)]!.x;
  if (shift <= -CLEAR_SHIFT) return true;
  return shift >= -NO_SHIFT ? false : undefined;
}

/** Whether two objects collide in view; undefined for a contact out of view or at the very end, and for a near miss. */
export function collide(observation: Observation, a: number, b: number): Verdict {
  const { scene, motion } = observation;
  const contacts = motion.collisions.filter(({ pair }) => pair.includes(a) && pair.includes(b));
  if (contacts.length === 0) return isNearMiss(observation, a, b) ? undefined : false;
  const isSeen = contacts.some(
    ({ time, x, y }) =>
      time >= MARGIN_S &&
      time <= motion.durationS - MARGIN_S &&
      x >= 0 &&
      x <= 1 &&
      y >= 0 &&
      y <= scene.height,
  );
  return isSeen ? true : undefined;
}

function isNearMiss({ scene, tracks }: Observation, a: number, b: number): boolean {
  const reach = (scene.objects[a]!.radius + scene.objects[b]!.radius) * NEAR;
  return tracks[a]!.some((p, look) => {
    const q = tracks[b]![look]!;
    const [dx, dy] = [p.x - q.x, p.y - q.y];
    return dx * dx + dy * dy < reach * reach;
  });
}
