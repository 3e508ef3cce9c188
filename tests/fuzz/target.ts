/** @file What one target of the fuzzer is: inputs to begin with, how they are changed, and what must hold of every input. */
import type { Random } from '../../src/base/index.ts';

export interface FuzzTarget {
  readonly name: string;
  /** Inputs of a whole run, `npm run fuzz`. */
  readonly wanted: number;
  /** Sound inputs, and such that were found to break something once. */
  seeds(): Uint8Array[];
  /** An input made of one that is known, with parts of others. */
  mutate(random: Random, input: Uint8Array, others: readonly Uint8Array[]): Uint8Array;
  /**
   * Reads one input. Errors of the TwgrpoError family are what is promised; anything else that is thrown is a finding.
   * @returns true where the input was read as sound
   */
  run(input: Uint8Array, folder: string): boolean | Promise<boolean>;
  /** Seconds one input may compute at most. @default 10 */
  readonly limitS?: number;
  /** False where the code under test runs in other processes, whose coverage says nothing. @default true */
  readonly isGuided?: boolean;
}
