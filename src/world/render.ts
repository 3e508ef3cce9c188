/**
 * From motion to pictures. Every object is drawn from the signed distance of a pixel's centre to its outline, which gives
 * smooth edges in one pass: a ball is a disc, a cube a square, a cylinder a disc with a lighter top. The floor is shaded
 * so that each place looks different, which small models need to learn where things are.
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
): Generator<Uint8Array> {
  const floor = drawFloor(options);
  for (let index = 0; index < options.numFrames; index++)
    yield renderFrame(scene, motion, index / options.fps, options, floor);
}

/** RGB bytes, height x width x 3. */
export function renderFrame(
  scene: Scene,
  motion: Motion,
  time: number,
  options: RenderOptions,
  floor: Uint8Array = drawFloor(options),
): Uint8Array {
  const frame = floor.slice();
  for (const [index, object] of scene.objects.entries()) {
    const { x, y } = stateAt(motion.paths[index]!, time);
    drawObject(frame, options, object, x * options.width, y * options.width, object.radius * options.width);
  }
  return frame;
}

function drawFloor({ width, height }: RenderOptions): Uint8Array {
  const floor = new Uint8Array(width * height * 3);
  let at = 0;
  for (let row = 0; row < height; row++) {
    const v = triangle((row + 0.5) / height);
    for (let column = 0; column < width; column++) {
      const u = triangle((column + 0.5) / width);
      const x = (column + 0.5) / width - 0.5;
      const y = (row + 0.5) / height - 0.5;
      floor[at++] = clamp(160 + 50 * x);
      floor[at++] = clamp(160 + 50 * y);
      floor[at++] = clamp(160 + 30 * u * v);
    }
  }
  return floor;
}

/** 1 in the middle, -1 at both ends. */
function triangle(position: number): number {
  return 1 - 4 * Math.abs(position - 0.5);
}

/** Draws one object whose centre is at (x, y) in pixels. */
function drawObject(
  frame: Uint8Array,
  { width, height }: RenderOptions,
  look: Look,
  x: number,
  y: number,
  radius: number,
): void {
  const [red, green, blue] = COLORS[look.color];
  const reach = radius + 1;
  const [left, right] = [Math.max(0, Math.floor(x - reach)), Math.min(width - 1, Math.ceil(x + reach))];
  const [top, bottom] = [Math.max(0, Math.floor(y - reach)), Math.min(height - 1, Math.ceil(y + reach))];
  for (let row = top; row <= bottom; row++) {
    for (let column = left; column <= right; column++) {
      const dx = column + 0.5 - x;
      const dy = row + 0.5 - y;
      const cover = coverage(outline(look.shape, dx, dy, radius));
      if (cover <= 0) continue;
      const light = shade(look, dx / radius, dy / radius, radius);
      const at = (row * width + column) * 3;
      frame[at] = blend(frame[at]!, red * light, cover);
      frame[at + 1] = blend(frame[at + 1]!, green * light, cover);
      frame[at + 2] = blend(frame[at + 2]!, blue * light, cover);
    }
  }
}

/** Distance in pixels from the outline, negative inside. */
function outline(shape: Look['shape'], dx: number, dy: number, radius: number): number {
  if (shape === 'cube') return Math.max(Math.abs(dx), Math.abs(dy)) - radius * 0.84;
  return Math.sqrt(dx * dx + dy * dy) - radius;
}

/** Share of a pixel that lies inside, for an edge nearly straight at this size. */
function coverage(distance: number): number {
  return Math.min(1, Math.max(0, 0.5 - distance));
}

/** Brightness, 1 plain: balls are lit from the upper left, cylinders have a lighter top, metal has a bright spot. */
function shade(look: Look, u: number, v: number, radius: number): number {
  let light = 1;
  if (look.shape === 'sphere') light = 1.15 - 0.35 * (u * u + v * v) - 0.15 * (u + v);
  if (look.shape === 'cylinder') {
    const top = coverage((Math.sqrt(u * u + v * v) - 0.55) * radius);
    light = 0.7 + 0.65 * top;
  }
  if (look.shape === 'cube') light = u + v < 0 ? 1.1 : 0.85;
  if (look.material === 'metal') {
    const [du, dv] = [u + 0.35, v + 0.35];
    light += 1.1 * coverage((Math.sqrt(du * du + dv * dv) - 0.22) * radius);
  }
  return light;
}

function blend(under: number, over: number, cover: number): number {
  return clamp(under + (Math.min(255, over) - under) * cover);
}

function clamp(value: number): number {
  return Math.max(0, Math.min(255, Math.round(value)));
}
