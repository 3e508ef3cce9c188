import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CHECKPOINTS,
  checkpointDir,
  GOLDEN_RULE,
  readPrompts,
} from '../../../tests/support/model-goldens.ts';
import { readModelConfig } from '../families.ts';
import type { Grid, VisionGrids } from '../model.ts';
import { mropePositions } from './positions.ts';

const qwen25 = readModelConfig(checkpointDir('qwen2-5-vl'));
const VIDEO = qwen25.video_token_id;
const IMAGE = qwen25.image_token_id;

/** A prompt: text, a video, text. */
function videoPrompt(grid: Grid, before: number, after: number): number[] {
  const count = (grid[0] * grid[1] * grid[2]) / 4;
  return [...Array(before).fill(1), ...Array(count).fill(VIDEO), ...Array(after).fill(2)];
}

describe('mropePositions', () => {
  for (const name of CHECKPOINTS) {
    it(`equals transformers: ${name}`, () => {
      const config = readModelConfig(checkpointDir(name));
      for (const golden of Object.values(readPrompts(name))) {
        const { axes, next } = mropePositions(golden.input_ids, golden, config, GOLDEN_RULE);
        const length = golden.input_ids.length;
        axes.forEach((axis, i) => {
          expect([...axis]).toEqual(golden.position_ids[i]!.slice(0, length));
          expect(golden.position_ids[i]!.slice(length)).toEqual(
            golden.completion_ids.map((_, c) => next + c),
          );
        });
        const whole = mropePositions(
          [...golden.input_ids, ...golden.completion_ids],
          golden,
          config,
          GOLDEN_RULE,
        );
        expect(whole.rope_delta).toBe(golden.rope_delta);
      }
    });
  }

  it('equals transformers 4.57 for several videos and images in any order, one after the other or with text between', () => {
    const { ids, cases } = JSON.parse(readFileSync('tests/goldens/media-order/order.json', 'utf8')) as {
      readonly ids: { readonly image_token_id: number; readonly video_token_id: number };
      readonly cases: readonly (Required<VisionGrids> & {
        readonly order: string;
        readonly input_ids: readonly number[];
        readonly qwen2_5_vl: readonly (readonly number[])[];
        readonly qwen2_vl: readonly (readonly number[])[];
      })[];
    };
    expect(cases.length).toBe(24);
    const qwen2 = readModelConfig(checkpointDir('qwen2-vl'));
    for (const { input_ids, order, qwen2_5_vl, qwen2_vl, ...grids } of cases) {
      const axesOf = (config: typeof qwen25) =>
        mropePositions(input_ids, grids, { ...config, ...ids }, 'largest').axes.map((axis) => [...axis]);
      const timed = { ...qwen25, vision_config: { ...qwen25.vision_config, tokens_per_second: 2 } };
      expect(axesOf(timed), order).toEqual(qwen2_5_vl);
      expect(axesOf(qwen2), order).toEqual(qwen2_vl);
    }
  });

  it('counts text one by one', () => {
    const { axes, next, rope_delta } = mropePositions([5, 6, 7], {}, qwen25);
    for (const axis of axes) expect([...axis]).toEqual([0, 1, 2]);
    expect(next).toBe(3);
    expect(rope_delta).toBe(0);
  });

  it('lets text go on after the space a video takes, or after its time', () => {
    const grid: Grid = [9, 2, 4];
    const ids = videoPrompt(grid, 3, 2);
    const grids = { video_grid_thw: [grid], second_per_grid_ts: [1.7] };
    const spatial = mropePositions(ids, grids, qwen25, 'spatial');
    const largest = mropePositions(ids, grids, qwen25, 'largest');
    const lastSlice = 3 + Math.trunc(8 * 2 * 1.7);
    expect(spatial.axes[0][ids.length - 2]).toBe(3 + 2);
    expect(spatial.next).toBe(3 + 2 + 2);
    expect(largest.axes[0][ids.length - 2]).toBe(lastSlice + 1);
    expect(largest.next).toBe(largest.rope_delta + ids.length);
    expect(mropePositions(ids, grids, qwen25)).toEqual(largest);
  });

  it('keeps time, rows and columns in range for any grid', () => {
    const size = fc.integer({ min: 1, max: 6 });
    fc.assert(
      fc.property(
        size,
        size,
        size,
        fc.nat(5),
        fc.nat(5),
        fc.double({ min: 0.1, max: 4, noNaN: true }),
        (t, h, w, a, b, s) => {
          const grid: Grid = [t, 2 * h, 2 * w];
          const ids = videoPrompt(grid, a, b);
          const { axes, next } = mropePositions(
            ids,
            { video_grid_thw: [grid], second_per_grid_ts: [s] },
            qwen25,
            'spatial',
          );
          expect(next).toBe(a + Math.max(h, w) + b);
          const [time, rows, columns] = axes.map((axis) => [...axis].slice(a, ids.length - b));
          expect(Math.min(...time!, ...rows!, ...columns!)).toBe(a);
          expect(new Set(rows).size).toBe(h);
          expect(new Set(columns).size).toBe(w);
          expect(time).toEqual([...time!].sort((x, y) => x - y));
        },
      ),
    );
  });

  it('refuses placeholders that do not fit the grids', () => {
    const grid: Grid = [1, 4, 4];
    expect(() => mropePositions([1, VIDEO, VIDEO], { video_grid_thw: [grid] }, qwen25)).toThrow(
      'video 0: expected 4 placeholder tokens from token 1, found 2',
    );
    expect(() => mropePositions([1, IMAGE], {}, qwen25)).toThrow(
      'a placeholder at token 1 for image 0, but no grid',
    );
    expect(() => mropePositions([1, 2], { image_grid_thw: [grid] }, qwen25)).toThrow(
      'grids came for 1 and 0',
    );
    expect(() => mropePositions([VIDEO], { video_grid_thw: [[1, 3, 4]] }, qwen25)).toThrow('not divisible');
  });
});
