/**
 * @file Reading the goldens of `tests/goldens/qwen2_5_vl`: the prompts, the numbers transformers gave, and the pixels both
 * sides compute from an integer hash.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, onTestFinished, TestRunner } from 'vitest';
import {
  type Grid,
  loadModel,
  type ModelConfig,
  type PromptInputs,
  type VideoLanguageModel,
} from '../../src/models/index.ts';
import { fromTypedArray, noGrad, scope, type Tensor } from '../../src/tensor/index.ts';

const GOLDENS = fileURLToPath(new URL('../goldens/', import.meta.url));

/** The tiny folders saved by transformers, one for each shape of the family. */
export const CHECKPOINTS = ['qwen2-5-vl', 'qwen2-5-vl-flat', 'qwen2-5-vl-tied', 'qwen2-vl'] as const;

/** float32 values as the Python script packs them. */
export interface Packed {
  readonly shape: readonly number[];
  readonly data: string;
}

export interface PromptGolden {
  readonly input_ids: readonly number[];
  readonly image_grid_thw: readonly Grid[];
  readonly video_grid_thw: readonly Grid[];
  readonly second_per_grid_ts: readonly number[];
  readonly completion_ids: readonly number[];
  /** 3 x (prompt and completion). */
  readonly position_ids: readonly (readonly number[])[];
  readonly rope_delta: number;
  readonly video_features?: Packed;
  readonly image_features?: Packed;
  /** Of the last positions of prompt and completion. */
  readonly logits_last: Packed;
  /** Of every token but the first. */
  readonly logps: Packed;
  readonly loss?: number;
  readonly grad_norms?: Readonly<Record<string, number>>;
  readonly greedy_ids: readonly number[];
}

/** A small model of a shape of its own; its files are named by `title`. */
export interface ShapeGolden extends PromptGolden {
  readonly title: string;
  readonly seed: number;
  /** `config.json` in the published style. */
  readonly flat: unknown;
  /** The same in the style of transformers 5. */
  readonly nested: unknown;
  /** Every fifth row. */
  readonly video_features: Packed;
}

export function checkpointDir(name: string): string {
  return join(GOLDENS, 'checkpoints', name);
}

export function goldenDir(): string {
  return join(GOLDENS, 'qwen2_5_vl');
}

export function readGolden<T>(name: string): T {
  return JSON.parse(readFileSync(join(goldenDir(), name), 'utf8')) as T;
}

/** Goldens of one checkpoint, by the title of the prompt. */
export function readPrompts(checkpoint: string): Record<string, PromptGolden> {
  return readGolden(`${checkpoint}.json`);
}

export function unpack(packed: Packed): Tensor {
  const bytes = Buffer.from(packed.data, 'base64');
  return fromTypedArray(new Float32Array(Uint8Array.from(bytes).buffer), packed.shape);
}

/** The processor's output for a golden prompt. */
export function promptInputs(golden: PromptGolden, config: ModelConfig): PromptInputs {
  const { in_channels, temporal_patch_size, patch_size } = config.vision_config;
  const width = in_channels * temporal_patch_size * patch_size ** 2;
  const patches = (grids: readonly Grid[]) => grids.reduce((sum, [t, h, w]) => sum + t * h * w, 0);
  const pixels = (seed: number, grids: readonly Grid[]) =>
    grids.length === 0 ? undefined : hashedPixels(seed, patches(grids), width);
  return {
    input_ids: golden.input_ids,
    image_grid_thw: golden.image_grid_thw,
    video_grid_thw: golden.video_grid_thw,
    second_per_grid_ts: golden.second_per_grid_ts,
    pixel_values: pixels(1, golden.image_grid_thw),
    pixel_values_videos: pixels(2, golden.video_grid_thw),
  };
}

/** Values in [-2, 2) from an integer hash; `pixels` of the Python script. */
export function hashedPixels(seed: number, patches: number, width: number): Tensor {
  const values = new Float32Array(patches * width);
  for (let i = 0; i < values.length; i++) values[i] = (hash(seed, i) >>> 8) / 2 ** 22 - 2;
  return fromTypedArray(values, [patches, width]);
}

/** Values in [-0.5, 0.5) from the same hash, multiples of 2^-24. */
export function hashedNoise(seed: number, count: number): Float64Array {
  return Float64Array.from({ length: count }, (_, i) => (hash(seed, i) >>> 8) / 2 ** 24 - 0.5);
}

/** Bytes from the same hash: `picture` of goldens/qwen3_vl/make_processor.py. */
export function hashedBytes(seed: number, count: number): Uint8Array {
  return Uint8Array.from({ length: count }, (_, i) => hash(seed, i) >>> 24);
}

function hash(seed: number, index: number): number {
  let x = (Math.imul(index, 0x9e3779b9) + Math.imul(seed, 0x85ebca6b)) >>> 0;
  x ^= x >>> 16;
  x = Math.imul(x, 0x7feb352d);
  x ^= x >>> 15;
  x = Math.imul(x, 0x846ca68b);
  x ^= x >>> 16;
  return x >>> 0;
}

/** The rule of transformers 5.18, which made the goldens. */
export const GOLDEN_RULE = 'spatial';

/**
 * A golden checkpoint's model, float32 all through unless its weights are to stay as stored. It lives as long as the test that loads
 * it, or as the suite where that is done outside a test.
 */
export function loadGoldenModel(name: string, { stored = false } = {}): VideoLanguageModel {
  const model = loadModel(checkpointDir(name), {
    ...(stored ? {} : { dtype: 'float32' }),
    text_after_vision: GOLDEN_RULE,
  });
  freeAfterwards(() => model.dispose());
  return model;
}

/** Logits at the last four tokens of a golden prompt, the last three of them read as a completion. */
export function lastLogits(model: VideoLanguageModel, golden: PromptGolden): number[][] {
  return scope(() =>
    noGrad(() => {
      const cut = golden.input_ids.length - 3;
      const inputs = promptInputs({ ...golden, input_ids: golden.input_ids.slice(0, cut) }, model.config);
      const { hidden_GCD } = model.completionHidden(model.encodePrompt(inputs), [
        [...golden.input_ids.slice(cut), 0],
      ]);
      return model.logits(hidden_GCD.select(0, 0)).tolist() as number[][];
    }),
  );
}

/** Run at the end of this test, or of this suite. */
export function freeAfterwards(free: () => void): void {
  if (TestRunner.getCurrentTest() === undefined) afterAll(free);
  else onTestFinished(free);
}
