/** @file The words that the sides of the GRPO benchmark speak, one JSON line each, and what is kept of them. */
import type { Machine } from './harness.ts';

export const PHASES = ['encode', 'generate', 'forward', 'loss', 'backward', 'optimizer'] as const;
export type Phase = (typeof PHASES)[number];
type Seconds = Readonly<Partial<Record<Phase, number>>>;

export interface LoadCommand {
  readonly do: 'load';
  /** Model folder. */
  readonly model: string;
  /** File of pixels; the same with `.json` holds the prompt. */
  readonly inputs: string;
  readonly threads: number;
}

export interface StepCommand {
  readonly do: 'step';
  readonly num_generations: number;
  /** Tokens; there is no early end. */
  readonly completion_length: number;
  readonly gradient_checkpointing?: boolean;
  /** Token ids to score in place of sampled ones. */
  readonly completions?: readonly (readonly number[])[];
  /** False: gradients only. */
  readonly update?: boolean;
}

export interface SideFacts {
  readonly torch: string;
  /** Version of transformers; absent on our side. */
  readonly transformers?: string;
  readonly parameters: number;
  readonly prompt_length: number;
}

/** One measured step. */
export interface StepRun {
  readonly step_s: number;
  readonly phases_s: Seconds;
  /** Processor time of all threads. */
  readonly cpu_s: number;
  readonly loss: number;
  readonly grad_norm: number;
  readonly logps_sum: number;
  /** Peak of resident memory since the process began. */
  readonly peak_bytes: number;
  readonly completions?: readonly (readonly number[])[];
}

/** Repetitions of one side: medians, where nothing else is said. */
export interface Measured {
  readonly step_s: number;
  readonly fastest_s: number;
  readonly slowest_s: number;
  readonly phases_s: Seconds;
  /** Processor time of all threads; on a busy machine steadier than the wall clock. */
  readonly cpu_s: number;
  /** Least share of a step that its phases account for. */
  readonly phase_coverage: number;
  /** Most of all repetitions. */
  readonly peak_bytes: number;
}

export interface Settings {
  readonly num_generations: number;
  readonly completion_length: number;
  readonly threads: number;
  readonly repeat: number;
}

export interface About {
  readonly bench: 'grpo';
  readonly date: string;
  readonly machine: Machine;
  readonly seed: number;
}

export type Agreement = Readonly<Record<string, Pick<StepRun, 'loss' | 'grad_norm' | 'logps_sum'>>>;

/** All sides under the same settings; records are by the name of the side. */
export interface Comparison {
  readonly settings: Settings & { readonly prompt_length: number; readonly vision_tokens: number };
  readonly facts: Readonly<Record<string, SideFacts>>;
  readonly agreement: Agreement | undefined;
  readonly measured: Readonly<Record<string, Measured>>;
}

export type PointSide =
  | { readonly skipped: string }
  | { readonly step_s: number; readonly peak_bytes: number };

export interface CurvePoint {
  readonly num_generations: number;
  readonly prompt_length: number;
  readonly sides: Readonly<Record<string, PointSide>>;
}

export interface Curve extends About {
  /** Sides that were measured, as given on the command line. */
  readonly sides: string;
  readonly completion_length: number;
  readonly points: readonly CurvePoint[];
}

export interface GrpoResult {
  readonly compare?: About &
    Comparison & { readonly prepare_s: { readonly decode: number; readonly processor: number } };
  readonly curve?: Curve;
}

export const total = (parts: readonly number[]): number => parts.reduce((sum, part) => sum + part, 0);
export const gib = (bytes: number): string => (bytes / 2 ** 30).toFixed(2);
