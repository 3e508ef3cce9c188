/**
 * A scene with all that can be asked about it: what happens in the video, what happens after it, and what would happen
 * without one of the objects. Each is simulated once, when it is first asked for.
 */
import { appears, isClear, Observation, type Span } from './events.ts';
import { type Motion, simulate } from './physics.ts';
import type { Scene } from './scene.ts';

/** Place of a removed object, in widths: out of reach of everything. */
const FAR = 1000;

export class Story {
  readonly scene: Scene;
  readonly motion: Motion;
  #seen: Observation | undefined;
  #future: Observation | undefined;
  #isKnown: boolean | undefined;
  readonly #without = new Map<number, Observation>();

  constructor(scene: Scene) {
    this.scene = scene;
    this.motion = simulate(scene.objects, scene.durationS);
  }

  get indices(): number[] {
    return this.scene.objects.map((_, index) => index);
  }

  /** The video. */
  get seen(): Observation {
    this.#seen ??= new Observation(this.scene, this.motion);
    return this.#seen;
  }

  /** The span after the video that predictions are about: half its length. */
  get futureSpan(): Span {
    const { durationS } = this.scene;
    return { from: durationS, to: durationS * 1.5 };
  }

  /** The video and what follows, in one observation. */
  get future(): Observation {
    this.#future ??= new Observation(this.scene, simulate(this.scene.objects, this.futureSpan.to));
    return this.#future;
  }

  /** The same scene with one object taken away at the start. */
  without(index: number): Observation {
    let found = this.#without.get(index);
    if (found === undefined) {
      const objects = this.scene.objects.map((object, at) =>
        at === index ? { ...object, x: FAR, y: FAR, vx: 0, vy: 0 } : object,
      );
      const scene = { ...this.scene, objects };
      found = new Observation(scene, simulate(objects, scene.durationS));
      this.#without.set(index, found);
    }
    return found;
  }

  /** True when a viewer has seen all that matters: nothing happens out of view or by a graze, and every object appears. */
  get isKnown(): boolean {
    this.#isKnown ??=
      isClear(this.scene, this.motion) && this.indices.every((index) => appears(this.seen, index) === true);
    return this.#isKnown;
  }

  /** True when nothing in the scene without one object is open to doubt. */
  isClearWithout(index: number): boolean {
    return isClear(this.scene, this.without(index).motion);
  }
}
