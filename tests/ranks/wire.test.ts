/** @file What ranks send each other in a step: bytes against the formulas of the stages, and when they are on their way. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { TraceSpan } from '../../src/dist/index.ts';
import { loadCheckpoint } from '../../src/io/index.ts';
import { rowsOf } from '../../src/train/test-support.ts';
import { scratchFolder } from '../support/scratch-folder.ts';
import { hasTime, trainer } from './train-ranks.ts';

const folder = scratchFolder();
const { train } = trainer(folder);

/** Two prompts for each of two ranks, one after the other; so many completions that every prompt has a gradient. */
const NUM_ROUNDS = 2;
const KEYS = { gradient_accumulation_steps: 2, max_steps: 2, num_generations: 8 };

/** Numbers of the weights: all, those that train, and those inside of layers. */
let sizes: { readonly all: number; readonly trained: number; readonly layers: number };

beforeAll(() => {
  const weights = [...loadCheckpoint(join(folder, 'model'))].map(
    ([name, { shape }]) => [name, shape.reduce((a, b) => a * b, 1)] as const,
  );
  const sum = (isOne: (name: string) => boolean) =>
    weights.reduce((total, [name, size]) => total + (isOne(name) ? size : 0), 0);
  sizes = {
    all: sum(() => true),
    trained: sum((name) => !name.startsWith('visual.')),
    layers: sum((name) => /^model\.layers\./.test(name)),
  };
});

/**
 * Bytes that each of two ranks sends in a step, in float32: of what is scattered or gathered half, of what is reduced on all twice that.
 * Rajbhandari et al. 2020 (arXiv 1910.02054), section 7.
 */
function bytesByFormula(zero_stage: number): number {
  const { all, trained, layers } = sizes;
  const numbers = [
    2 * trained,
    // The sum scattered, then the updated weights gathered.
    trained + trained,
    NUM_ROUNDS * trained + trained,
    // Gathered for the rollouts; then outside of layers once, and layers on both ways of each prompt.
    all + (all - layers) + 2 * NUM_ROUNDS * layers + NUM_ROUNDS * trained,
  ][zero_stage]!;
  return (numbers / 2) * 4;
}

describe('two ranks', { timeout: 240_000 }, () => {
  it.each(hasTime ? [0, 1, 2, 3] : [0, 3])('send what the formula of stage %i says', async (zero_stage) => {
    const run = await train(`stage ${zero_stage}`, 2, { ...KEYS, zero_stage });
    expect(rowsOf(run).map((row) => row['wire_bytes'])).toEqual([1, 2].map(() => bytesByFormula(zero_stage)));
  });

  it('reduce a layer while the layers below are on their way back', () => {
    const lines = readFileSync(join(folder, 'stage 0-2', 'logs', 'rank-0.jsonl'), 'utf8')
      .trim()
      .split('\n');
    const records = lines.map((line) => JSON.parse(line) as { step?: number; spans?: readonly TraceSpan[] });
    const { spans } = records.find((one) => one.step === 2 && one.spans !== undefined)!;
    const named = (part: string) => spans!.filter(({ what }) => what.includes(part));
    const [reductions, waysBack] = [named('all-reduce'), named('way back')];
    expect(reductions.map(({ what }) => what)).toEqual(
      ['of layer 1', 'of layer 0', 'outside of layers'].map((where) => `all-reduce of gradients ${where}`),
    );
    expect(waysBack).toHaveLength(2 * NUM_ROUNDS);
    const [upper, lower] = waysBack.slice(-2) as [TraceSpan, TraceSpan];
    expect([upper.what, lower.what]).toEqual(['way back of layer 1', 'way back of layer 0']);
    expect(reductions[0]!.began).toBeGreaterThanOrEqual(upper.began);
    expect(reductions[0]!.began).toBeLessThan(lower.ended);
    expect(reductions.reduce((total, { bytes }) => total + bytes, 0)).toBe(bytesByFormula(0));
  });
});
