import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../../base/index.ts';
import { type Body, simulate, stateAt } from './physics.ts';

const energy = (bodies: readonly { vx: number; vy: number; mass?: number }[]): number =>
  bodies.reduce((sum, { vx, vy, mass = 1 }) => sum + mass * (vx * vx + vy * vy), 0);

/** Bodies that do not overlap, some of them close together so that they meet often. */
function drawBodies(random: Random): Body[] {
  const bodies: Body[] = [];
  while (bodies.length < 5) {
    const body = {
      radius: random.between(0.03, 0.12),
      mass: random.between(0.5, 3),
      x: random.float(),
      y: random.float(),
      vx: random.between(-0.5, 0.5),
      vy: random.between(-0.5, 0.5),
    };
    const isFree = bodies.every(
      (other) => Math.hypot(body.x - other.x, body.y - other.y) > body.radius + other.radius,
    );
    if (isFree) bodies.push(body);
  }
  return bodies;
}

describe('physics', () => {
  it('agrees with the closed form of a head-on collision', () => {
    const bodies = [
      { radius: 0.1, mass: 1, x: 0, y: 0.5, vx: 1, vy: 0 },
      { radius: 0.1, mass: 3, x: 1, y: 0.5, vx: -0.2, vy: 0 },
    ];
    const motion = simulate(bodies, 2);
    // Gap .8 closes at 1.2 a second.
    expect(motion.collisions).toHaveLength(1);
    expect(motion.collisions[0]!.time).toBeCloseTo(0.8 / 1.2, 12);
    expect(motion.collisions[0]!.x).toBeCloseTo(0.8 / 1.2 + 0.1, 12);
    const [a, b] = motion.paths.map((path) => path.at(-1)!);
    // (m1 - m2) v1 + 2 m2 v2 over m1 + m2, and the mirror of it.
    expect(a!.vx).toBeCloseTo(((1 - 3) * 1 + 2 * 3 * -0.2) / 4, 12);
    expect(b!.vx).toBeCloseTo(((3 - 1) * -0.2 + 2 * 1 * 1) / 4, 12);
  });

  it('sends equal discs apart at a right angle after a glancing hit on one at rest', () => {
    fc.assert(
      fc.property(fc.double({ min: -0.19, max: 0.19, noNaN: true }), (offset) => {
        fc.pre(Math.abs(offset) > 1e-3);
        const motion = simulate(
          [
            { radius: 0.1, x: 0, y: offset, vx: 1, vy: 0 },
            { radius: 0.1, x: 1, y: 0, vx: 0, vy: 0 },
          ],
          3,
        );
        const [a, b] = motion.paths.map((path) => path.at(-1)!);
        expect(a!.vx * b!.vx + a!.vy * b!.vy).toBeCloseTo(0, 12);
      }),
    );
  });

  it('keeps momentum and energy in 10,000 random scenes', () => {
    const random = Random.stream(1, 'physics test');
    let numCollisions = 0;
    for (let scene = 0; scene < 10_000; scene++) {
      const bodies = drawBodies(random);
      const motion = simulate(bodies, 3);
      numCollisions += motion.collisions.length;
      const after = motion.paths.map((path, index) => ({ ...path.at(-1)!, mass: bodies[index]!.mass! }));
      const momentum = (
        list: readonly { vx: number; vy: number; mass?: number }[],
        key: 'vx' | 'vy',
      ): number => list.reduce((sum, body) => sum + body.mass! * body[key], 0);
      expect(Math.abs(energy(after) - energy(bodies))).toBeLessThan(1e-9);
      expect(Math.abs(momentum(after, 'vx') - momentum(bodies, 'vx'))).toBeLessThan(1e-9);
      expect(Math.abs(momentum(after, 'vy') - momentum(bodies, 'vy'))).toBeLessThan(1e-9);
    }
    expect(numCollisions).toBeGreaterThan(5000);
  });

  it('never lets discs overlap, and runs the same backwards', () => {
    const random = Random.stream(2, 'physics test');
    for (let scene = 0; scene < 300; scene++) {
      const bodies = drawBodies(random);
      const motion = simulate(bodies, 2);
      for (let time = 0; time <= 2; time += 0.05) {
        const at = motion.paths.map((path) => stateAt(path, time));
        for (let i = 0; i < at.length; i++) {
          for (let j = i + 1; j < at.length; j++) {
            const distance = Math.hypot(at[i]!.x - at[j]!.x, at[i]!.y - at[j]!.y);
            expect(distance).toBeGreaterThan(bodies[i]!.radius + bodies[j]!.radius - 1e-9);
          }
        }
      }
      const end = motion.paths.map((path, index) => {
        const { x, y, vx, vy } = stateAt(path, 2);
        return { ...bodies[index]!, x, y, vx: -vx, vy: -vy };
      });
      const back = simulate(end, 2).paths.map((path) => stateAt(path, 2));
      // Errors grow with each bounce, as in any billiard.
      const tolerance = motion.collisions.length <= 3 ? 1e-7 : 1e-2;
      for (const [index, body] of bodies.entries()) {
        expect(Math.abs(back[index]!.x - body.x)).toBeLessThan(tolerance);
        expect(Math.abs(back[index]!.y - body.y)).toBeLessThan(tolerance);
      }
    }
  });
});
