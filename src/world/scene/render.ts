/**
 * From motion to pictures. Every object is drawn from the signed distance of a pixel's centre to its outline, which gives
 * smooth edges in one pass: a ball is a disc, a cube a square, a cylinder a disc with a lighter top. Only the window around an object
 * is looked at. The floor is shaded so that each place looks different, which small models need to learn where things are.
 */
import { type Motion, stateAt } from './physics.ts';
import { COLORS, type Look, type Scene } from './scene.ts';

export interface RenderOptions {
  /** Pixels. */
  readonly width: number;
  readonly height: number;
}

/** Frame `index` of `numFrames` shows the time index / fps. */
export function* renderFrames(
  scene: Scene,
  motion: Motion,
  options: RenderOptions & { readonly fps: number; readonly numFrames: number },
  floor: Uint8ClampedArray = drawFloor(options),
): Generator<Uint8Array> {
  for (let index = 0; index < options.numFrames; index++)
    yield renderFrame(scene, motion, index / options.fps, options, floor);
}

/** RGB bytes, height x width x 3. */
export function renderFrame(
  scene: Scene,
  motion: Motion,
  time: number,
  options: RenderOptions,
  floor: Uint8ClampedArray = drawFloor(options),
): Uint8Array {
  // Clamped bytes round and limit by themselves; the result is handed out as plain bytes of the same memory.
  const frame = floor.slice();
  for (const [index, object] of scene.objects.entries()) {
    const { x, y } = stateAt(motion.paths[index]!, time);
    drawObject(frame, options, object, x * options.width, y * options.width, object.radius * options.width);
  }
  return new Uint8Array(frame.buffer);
}

/** The empty floor, to be drawn once for many frames. */
export function drawFloor({ width, height }: RenderOptions): Uint8ClampedArray {
  const floor = new Uint8ClampedArray(width * height * 3);
  let at = 0;
  for (let row = 0; row < height; row++) {
    const v = triangle((row + 0.5) / height);
    for (let column = 0; column < width; column++) {
      const u = triangle((column + 0.5) / width);
      floor[at++] = 160 + 50 * ((column + 0.5) / width - 0.5);
      floor[at++] = 160 + 50 * ((row + 0.5) / height - 0.5);
      floor[at++] = 160 + 30 * u * v;
    }
  }
  return floor;
}

/** 1 in the middle, -1 at both ends. */
function triangle(position: number): number {
  return 1 - 4 * Math.abs(position - 0.5);
}

/** Half the side of a cube in radii. */
const CUBE = 0.84;

/** Draws one object whose centre is at (x, y) in pixels. */
function drawObject(
  frame: Uint8ClampedArray,
  { width, height }: RenderOptions,
  look: Look,
  x: number,
  y: number,
  radius: number,
): void {
  const [red, green, blue] = COLORS[look.color];
  const isCube = look.shape === 'cube';
  const reach = (isCube ? CUBE * radius : radius) + 1;
  const [left, right] = [Math.max(0, Math.floor(x - reach)), Math.min(width - 1, Math.ceil(x + reach))];
  const [top, bottom] = [Math.max(0, Math.floor(y - reach)), Math.min(height - 1, Math.ceil(y + reach))];
  const reach2 = (radius + 1) * (radius + 1);
  for (let row = top; row <= bottom; row++) {
    const dy = row + 0.5 - y;
    let at = (row * width + left) * 3;
    for (let column = left; column <= right; column++, at += 3) {
      const dx = column + 0.5 - x;
      const distance2 = dx * dx + dy * dy;
      if (!isCube && distance2 > reach2) continue;
      const outline = isCube
        ? Math.max(Math.abs(dx), Math.abs(dy)) - CUBE * radius
        : Math.sqrt(distance2) - radius;
      // The share of the pixel that lies inside, for an edge nearly straight at this size.
      const cover = outline <= -0.5 ? 1 : 0.5 - outline;
      if (cover <= 0) continue;
      const light = shade(look, dx / radius, dy / radius, radius);
      frame[at] = blend(frame[at]!, red * light, cover);
      frame[at + 1] = blend(frame[at + 1]!, green * light, cover);
      frame[at + 2] = blend(frame[at + 2]!, blue * light, cover);
    }
  }
}

/** Brightness, 1 plain: balls are lit from the upper left, cylinders have a lighter top, metal has a bright spot. */
function shade(look: Look, u: number, v: number, radius: number): number {
  let light: number;
  if (look.shape === 'sphere') light = 1.15 - 0.35 * (u * u + v * v) - 0.15 * (u + v);
  else if (look.shape === 'cylinder') light = 0.7 + 0.65 * disc(u, v, 0.55, radius);
  else light = u + v < 0 ? 1.1 : 0.85;
  return look.material === 'metal' ? light + 1.1 * disc(u + 0.35, v + 0.35, 0.22, radius) : light;
}

/** Share of a pixel that lies in a disc of the given size, in radii, around the origin. */
function disc(u: number, v: number, size: number, radius: number): number {
  const outline = (Math.sqrt(u * u + v * v) - size) * radius;
  return Math.min(1, Math.max(0, 0.5 - outline));
}

function blend(under: number, over: number, cover: number): number {
  return under + (Math.min(255, over) - under) * cover;
}
