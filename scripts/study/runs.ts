/** @file What the study asks its processes for, and what is kept of a run. */
import type { WAYS } from '../../src/eval/index.ts';

export type Way = (typeof WAYS)[number];

/** Keys of a run's configuration. */
export type Values = Readonly<Record<string, unknown>>;

export interface Job {
  /** Folder of the model at the start. */
  readonly model: string;
  readonly video_root: string;
  /** Questions that are answered, JSONL. */
  readonly held_out: string;
  /** True to train before answering. */
  readonly isTrained: boolean;
  readonly values: Values;
  /** Folder for the files of the run; removed after it. */
  readonly folder: string;
  readonly seed: number;
}

export type Reply = { readonly result: RunResult | Answers } | { readonly error: string };

export interface AnswerFigures {
  /** Mean strict accuracy and mean score, in [0, 1]. */
  readonly strict: number;
  readonly soft: number;
  /** Mean number of tokens. */
  readonly length: number;
  /** A digit for each question: 1 where it was answered rightly. */
  readonly right: string;
}

export type Answers = Readonly<Record<Way, AnswerFigures>>;

export const CURVES = ['reward', 'reward_std', 'frac_reward_zero_std', 'length', 'entropy'] as const;
export type CurveName = (typeof CURVES)[number];

export interface RunResult {
  /** Seconds of training. */
  readonly seconds: number;
  readonly steps: number;
  /** A value a step; null where the step had none. */
  readonly curves: Readonly<Record<CurveName, readonly (number | null)[]>>;
  readonly after: Answers;
}

/** One file of docs/results/study. */
export interface StoredRun extends RunResult {
  /** Name of the cell. */
  readonly name: string;
  readonly levels?: Readonly<Record<string, string>>;
  readonly seed: number;
}
