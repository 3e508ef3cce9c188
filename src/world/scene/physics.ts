/**
 * Exact motion of discs without friction: straight lines between elastic collisions, whose times are roots of quadratic
 * equations. No time step, so momentum and energy are kept to rounding, and the same scene gives the same motion everywhere
 * (only + - * / and square roots are used). A physics library would integrate in steps and drift; for a handful of discs
 * the exact way is shorter.
 */
import { TwgrpoError } from '../../base/index.ts';

export interface Body {
  readonly radius: number;
  /** @default 1 */
  readonly mass?: number;
  readonly x: number;
  readonly y: number;
  readonly vx: number;
  readonly vy: number;
}

/** Straight motion from `time` until the next segment. */
export interface Segment {
  readonly time: number;
  readonly x: number;
  readonly y: number;
  readonly vx: number;
  readonly vy: number;
}

export interface Collision {
  readonly time: number;
  /** Indices of the two bodies, the smaller first. */
  readonly pair: readonly [number, number];
  /** Point of contact. */
  readonly x: number;
  readonly y: number;
  /** Cosine between the relative velocity and the line of centres: 1 head-on, near 0 a graze. */
  readonly directness: number;
}

export interface Motion {
  /** One list of segments for each body, in time order. */
  readonly paths: readonly (readonly Segment[])[];
  readonly collisions: readonly Collision[];
  readonly durationS: number;
}

const MAX_COLLISIONS = 10_000;

/** Moves the bodies from time 0 to `durationS`. Bodies that overlap at the start and approach collide at once. */
export function simulate(bodies: readonly Body[], durationS: number): Motion {
  const now: Segment[] = bodies.map(({ x, y, vx, vy }) => ({ time: 0, x, y, vx, vy }));
  const paths: Segment[][] = now.map((segment) => [segment]);
  const collisions: Collision[] = [];
  for (let time = 0; ; ) {
    const next = nextContact(bodies, now, time, durationS);
    if (next === undefined) return { paths, collisions, durationS };
    if (collisions.length >= MAX_COLLISIONS)
      throw new TwgrpoError('internal: more than 10000 collisions in one scene');
    const [i, j] = next.pair;
    time = next.time;
    const a = at(now[i]!, time);
    const b = at(now[j]!, time);
    const [afterA, afterB] = bounce(a, bodies[i]!.mass ?? 1, b, bodies[j]!.mass ?? 1);
    now[i] = afterA;
    now[j] = afterB;
    paths[i]!.push(afterA);
    paths[j]!.push(afterB);
    const share = bodies[i]!.radius / (bodies[i]!.radius + bodies[j]!.radius);
    collisions.push({
      time,
      pair: [i, j],
      x: a.x + (b.x - a.x) * share,
      y: a.y + (b.y - a.y) * share,
      directness: directness(a, b),
    });
  }
}

/** Position and velocity of one body at a time between 0 and the end. */
export function stateAt(path: readonly Segment[], time: number): Segment {
  let current = path[0]!;
  for (const segment of path) {
    if (segment.time > time) break;
    current = segment;
  }
  return at(current, time);
}

function at(segment: Segment, time: number): Segment {
  const elapsed = time - segment.time;
  return { ...segment, time, x: segment.x + segment.vx * elapsed, y: segment.y + segment.vy * elapsed };
}

function nextContact(
  bodies: readonly Body[],
  now: readonly Segment[],
  time: number,
  endTime: number,
): { readonly time: number; readonly pair: readonly [number, number] } | undefined {
  let [first, firstI, firstJ] = [endTime, -1, -1];
  for (let i = 0; i < bodies.length; i++) {
    const a = now[i]!;
    const [ax, ay] = [a.x + a.vx * (time - a.time), a.y + a.vy * (time - a.time)];
    for (let j = i + 1; j < bodies.length; j++) {
      const b = now[j]!;
      const dx = b.x + b.vx * (time - b.time) - ax;
      const dy = b.y + b.vy * (time - b.time) - ay;
      const wait = timeToContact(dx, dy, b.vx - a.vx, b.vy - a.vy, bodies[i]!.radius + bodies[j]!.radius);
      // Of two at once the first pair is taken; a contact at the very end counts.
      if (time + wait < first || (time + wait === endTime && firstI < 0))
        [first, firstI, firstJ] = [time + wait, i, j];
    }
  }
  return firstI < 0 ? undefined : { time: first, pair: [firstI, firstJ] };
}

/** Seconds until two centres are `reach` apart; infinite when they never are, or move away from each other. */
function timeToContact(dx: number, dy: number, dvx: number, dvy: number, reach: number): number {
  const approach = dx * dvx + dy * dvy;
  if (approach >= 0) return Number.POSITIVE_INFINITY;
  const gap = dx * dx + dy * dy - reach * reach;
  if (gap <= 0) return 0;
  const speed2 = dvx * dvx + dvy * dvy;
  const discriminant = approach * approach - speed2 * gap;
  // The form gap / (…) keeps its digits for small gaps, where (-b - sqrt(…)) / a would cancel.
  return discriminant <= 0 ? Number.POSITIVE_INFINITY : gap / (-approach + Math.sqrt(discriminant));
}

function directness(a: Segment, b: Segment): number {
  const [dx, dy, dvx, dvy] = [b.x - a.x, b.y - a.y, b.vx - a.vx, b.vy - a.vy];
  return -(dx * dvx + dy * dvy) / Math.sqrt((dx * dx + dy * dy) * (dvx * dvx + dvy * dvy));
}

/** Velocities after an elastic impact: only the part along the line of centres changes. */
function bounce(a: Segment, massA: number, b: Segment, massB: number): [Segment, Segment] {
  const [dx, dy] = [b.x - a.x, b.y - a.y];
  const closing = ((b.vx - a.vx) * dx + (b.vy - a.vy) * dy) / (dx * dx + dy * dy);
  const toA = (2 * massB * closing) / (massA + massB);
  const toB = (2 * massA * closing) / (massA + massB);
  return [
    { ...a, vx: a.vx + toA * dx, vy: a.vy + toA * dy },
    { ...b, vx: b.vx - toB * dx, vy: b.vy - toB * dy },
  ];
}
