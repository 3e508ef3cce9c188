/**
 * The first lesson: scenes small enough for a model of half a million weights to learn in minutes. Three objects of different
 * colours, at most three options, and the kinds of question whose answers follow from where each object is in each second. The
 * cold start is trained on such videos, and the demo asks about others of the same make.
 */
import type { WorldOptions } from '../files/generate.ts';

export const LESSON = {
  width: 112,
  height: 112,
  fps: 4,
  num_frames: 16,
  kinds: ['present', 'enter', 'leave', 'direction', 'region'],
  max_options: 3,
  scene: { uniqueColors: true, numObjects: [3, 3], outsideChance: 0.3, restChance: 0.2, speed: [0.14, 0.26] },
} as const satisfies Partial<WorldOptions>;
