/**
 * What a scene is: a few objects, each told apart by colour and shape, on a floor seen from above. Lengths are in widths of the
 * picture (x from 0 to 1, y from 0 to height / width), times in seconds.
 * Names of shapes, colours and materials are those of CLEVRER, in whose formats the world is written. Every object draws its
 * motion on its own: nothing is shared by the objects of a video that a single frame could give away.
 */
import type { Random } from '../../base/index.ts';

export const SHAPES = ['sphere', 'cube', 'cylinder'] as const;
export type Shape = (typeof SHAPES)[number];

export const MATERIALS = ['rubber', 'metal'] as const;
export type Material = (typeof MATERIALS)[number];

/** CLEVRER's colours; RGB 0..255. */
export const COLORS = {
  gray: [87, 87, 87],
  red: [173, 35, 35],
  blue: [42, 75, 215],
  green: [29, 105, 20],
  brown: [129, 74, 25],
  cyan: [41, 208, 208],
  purple: [129, 38, 192],
  yellow: [255, 238, 51],
} as const satisfies Record<string, readonly [number, number, number]>;
export type Color = keyof typeof COLORS;
const COLOR_NAMES = Object.keys(COLORS) as Color[];

/** The look of an object. */
export interface Look {
  readonly color: Color;
  readonly shape: Shape;
  readonly material: Material;
}

/** An object at time 0. For collisions every object is a disc of its radius. */
export interface SceneObject extends Look {
  readonly radius: number;
  readonly x: number;
  readonly y: number;
  /** Widths of the picture a second. */
  readonly vx: number;
  readonly vy: number;
}

export interface Scene {
  readonly objects: readonly SceneObject[];
  /** Height of the picture in widths. */
  readonly height: number;
  readonly durationS: number;
  /** True when a colour alone names an object. */
  readonly uniqueColors: boolean;
}

export interface SceneOptions {
  /** Height over width of the picture. */
  readonly height: number;
  readonly durationS: number;
  /** No two objects have the same colour, so that a colour alone names an object. @default false */
  readonly uniqueColors?: boolean;
  /** @default [2, 4] */
  readonly numObjects?: readonly [least: number, most: number];
  /** @default a tenth of the picture's smaller side */
  readonly radius?: number;
  /** Widths a second. @default [0.15, 0.35] */
  readonly speed?: readonly [least: number, most: number];
  /** Chance that an object rests at the start. @default 0.2 */
  readonly restChance?: number;
  /** Chance that an object begins outside the picture and comes in. @default 0.35 */
  readonly outsideChance?: number;
  /** Chance that a moving object heads for a place near the middle, where others are. @default 0 */
  readonly aimChance?: number;
  /** Chance that a moving object heads for the centre of one at rest, which stops it when they meet. @default 0 */
  readonly headOnChance?: number;
}

/** `the red cube` */
export function nameOf(look: Pick<Look, 'color' | 'shape'>): string {
  return `the ${look.color} ${look.shape}`;
}

/** Every look there is, without its material. */
export const ALL_LOOKS: readonly Pick<Look, 'color' | 'shape'>[] = COLOR_NAMES.flatMap((color) =>
  SHAPES.map((shape) => ({ color, shape })),
);

/** Draws a scene; no two objects share a name or overlap at time 0. */
export function drawScene(random: Random, options: SceneOptions): Scene {
  const { height, durationS, uniqueColors = false } = options;
  const [least, most] = options.numObjects ?? [2, 4];
  const count = least + random.below(most - least + 1);
  const looks = drawLooks(random, count, uniqueColors);
  const objects: SceneObject[] = [];
  for (const look of looks) {
    const material = random.pick(MATERIALS);
    for (let attempt = 0; attempt < 100; attempt++) {
      const object = { ...look, material, ...drawMotion(random, options) };
      if (objects.every((other) => isApart(object, other))) {
        objects.push(object);
        break;
      }
    }
  }
  return { objects: headedOn(random, objects, options), height, durationS, uniqueColors };
}

function drawLooks(random: Random, count: number, uniqueColors: boolean): Pick<Look, 'color' | 'shape'>[] {
  if (!uniqueColors) return random.sample(ALL_LOOKS, count);
  return random.sample(COLOR_NAMES, count).map((color) => ({ color, shape: random.pick(SHAPES) }));
}

/** Turns some moving objects towards the centre of one at rest, each towards another. */
function headedOn(random: Random, objects: readonly SceneObject[], options: SceneOptions): SceneObject[] {
  const chance = options.headOnChance ?? 0;
  if (chance === 0) return [...objects];
  const free = random.shuffled(objects.filter(({ vx, vy }) => vx === 0 && vy === 0));
  return objects.map((object) => {
    const speed = Math.sqrt(object.vx * object.vx + object.vy * object.vy);
    if (speed === 0 || free.length === 0 || random.float() >= chance) return object;
    const target = free.pop()!;
    const [dx, dy] = [target.x - object.x, target.y - object.y];
    const distance = Math.sqrt(dx * dx + dy * dy);
    return { ...object, vx: (speed * dx) / distance, vy: (speed * dy) / distance };
  });
}

interface Place {
  readonly x: number;
  readonly y: number;
}

type MotionStart = Pick<SceneObject, 'radius' | 'x' | 'y' | 'vx' | 'vy'>;

function drawMotion(random: Random, options: SceneOptions): MotionStart {
  const radius = options.radius ?? 0.1 * Math.min(1, options.height);
  const [slowest, fastest] = options.speed ?? [0.15, 0.35];
  const speed = random.between(slowest, fastest);
  const inside = {
    x: random.between(radius, 1 - radius),
    y: random.between(radius, options.height - radius),
  };
  const aim =
    options.aimChance !== undefined && random.float() < options.aimChance
      ? { x: random.between(0.3, 0.7), y: random.between(0.3, 0.7) * options.height }
      : undefined;
  if (random.float() < (options.outsideChance ?? 0.35))
    return comingIn(random, options, radius, speed, aim ?? inside);
  if (random.float() < (options.restChance ?? 0.2)) return { radius, ...inside, vx: 0, vy: 0 };
  const direction = aim === undefined ? drawDirection(random) : directionTo(inside, aim);
  return { radius, ...inside, vx: speed * direction.x, vy: speed * direction.y };
}

/** Starts outside and heads for a point inside, timed to cross the border in the first half of the video. */
function comingIn(
  random: Random,
  options: SceneOptions,
  radius: number,
  speed: number,
  target: Place,
): MotionStart {
  const direction = drawDirection(random);
  // Way back from the target, against the direction of travel, until the disc is out of the picture.
  const wayX = direction.x > 0 ? target.x + radius : 1 - target.x + radius;
  const wayY = direction.y > 0 ? target.y + radius : options.height - target.y + radius;
  const way = Math.min(
    direction.x === 0 ? Number.POSITIVE_INFINITY : wayX / Math.abs(direction.x),
    direction.y === 0 ? Number.POSITIVE_INFINITY : wayY / Math.abs(direction.y),
  );
  const back = way + speed * random.between(0.05, 0.4) * options.durationS;
  return {
    radius,
    x: target.x - direction.x * back,
    y: target.y - direction.y * back,
    vx: direction.x * speed,
    vy: direction.y * speed,
  };
}

function isApart(a: MotionStart, b: MotionStart): boolean {
  const [dx, dy] = [a.x - b.x, a.y - b.y];
  return Math.sqrt(dx * dx + dy * dy) > (a.radius + b.radius) * 1.15;
}

/** A unit vector from one place to another; upwards when they are the same. */
function directionTo(from: Place, to: Place): Place {
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const length = Math.sqrt(dx * dx + dy * dy);
  return length === 0 ? { x: 0, y: -1 } : { x: dx / length, y: dy / length };
}

/** A unit vector, evenly in all directions. Sines and cosines are not the same on every machine; square roots are. */
function drawDirection(random: Random): Place {
  for (;;) {
    const [x, y] = [random.between(-1, 1), random.between(-1, 1)];
    const length = Math.sqrt(x * x + y * y);
    if (length > 0.1 && length <= 1) return { x: x / length, y: y / length };
  }
}
