/** @file What the processes of the fuzzer tell each other. */

/** What the worker is told, as JSON in its first argument. */
export interface WorkerOrder {
  readonly target: string;
  readonly seed: number;
  /** Inputs to try at most. */
  readonly count: number;
  /** Seconds to go on for at most. */
  readonly seconds: number;
  /** Folder for scratch files and findings. */
  readonly folder: string;
}

/** What the worker says. */
export type WorkerNews =
  | {
      readonly kind: 'progress' | 'end';
      readonly done: number;
      readonly sound: number;
      readonly coverage: number;
    }
  | { readonly kind: 'crash'; readonly message: string; readonly file: string };

/** Name of the file with the input that is being tried. */
export const CURRENT = 'current';
