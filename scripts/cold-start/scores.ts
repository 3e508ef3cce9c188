/** @file What is stored of a cold-start model beside its weights, `scores.json`: how it was made and what it knows. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Visual inputs of a model: the whole video, its middle frame in place of every frame, or an empty floor. */
export const EYES = ['video', 'frame', 'none'] as const;
export type Eye = (typeof EYES)[number];

/** Strict accuracy with its 95 % Wilson interval, shares in [0, 1]. */
export interface Share {
  readonly strict: number;
  readonly low: number;
  readonly high: number;
}

export interface KindScores {
  /** Questions. */
  readonly n: number;
  /** Share that the best constant answer gets right. */
  readonly best_constant: number;
  readonly greedy: Share;
  readonly sampled: Share;
}

export interface Scores {
  readonly eye: Eye;
  readonly seed: number;
  readonly num_weights: number;
  /** The command. */
  readonly made_by: string;
  readonly training: string;
  readonly machine: string;
  /** Scores of each kind of question, and of `all`. */
  readonly kinds: Readonly<Record<string, KindScores>>;
}

/** @throws Error when a folder has none */
export function readScores(folder: string): Scores {
  const file = join(folder, 'scores.json');
  if (!existsSync(file)) throw new Error(`no ${file}; it is written at the end of a training by this script`);
  return JSON.parse(readFileSync(file, 'utf8')) as Scores;
}
