import { describe, expect, it } from 'vitest';
import { hashedPixels, loadGoldenModel } from '../../../tests/support/model-goldens.ts';
import { noGrad, scaled_dot_product_attention, scope, type Tensor, tensor } from '../../tensor/index.ts';
import type { VisionConfig } from '../config.ts';
import type { Grid } from '../model.ts';
import { TOWER as TOWER_2_5 } from '../qwen2_5_vl/vision.ts';
import { encodeVision, type MediaLayout, mediaLayout, type SegmentAttention, TOWER } from './vision.ts';

/** Segment number of every patch, from the layout's own description. */
function segments(media: readonly MediaLayout[], isFull: boolean): number[] {
  const ids: number[] = [];
  let segment = 0;
  for (const { slices, sliceLength, windows } of media) {
    for (let slice = 0; slice < slices; slice++) {
      for (const { count, length } of isFull ? [{ count: 1, length: sliceLength }] : windows) {
        for (let i = 0; i < count; i++, segment++) ids.push(...Array<number>(length).fill(segment));
      }
    }
  }
  return ids;
}

/** The obvious way: everyone against everyone, a mask keeps segments apart. */
const maskedAttention: SegmentAttention = (q, k, v, media, isFull) => {
  const ids = tensor(segments(media, isFull), { dtype: 'int64' });
  const mask = ids.unsqueeze(0).eq(ids.unsqueeze(1));
  const [qh, kh, vh] = [q, k, v].map((t) => t.transpose(0, 1).unsqueeze(0));
  const out = scaled_dot_product_attention(qh!, kh!, vh!, mask);
  return out.select(0, 0).transpose(0, 1).flatten(1, 2);
};

const GRIDS: Grid[] = [
  [2, 6, 10],
  [1, 4, 4],
  [3, 2, 6],
];
const NUM_PATCHES = GRIDS.reduce((sum, [t, h, w]) => sum + t * h * w, 0);

describe('encodeVision', () => {
  for (const [name, tower] of [
    ['qwen2-5-vl', TOWER_2_5],
    ['qwen2-vl', TOWER],
  ] as const) {
    type Encode = (pixels: Tensor, grids: readonly Grid[], attention?: SegmentAttention) => Tensor;
    const compare = (seed: number, body: (encode: Encode, pixels: Tensor, config: VisionConfig) => void) => {
      const model = loadGoldenModel(name);
      const { vision_config } = model.config;
      const params = { weights: model.weights, adapters: undefined, dtype: model.compute_dtype };
      scope(() =>
        noGrad(() => {
          const pixels = hashedPixels(seed, NUM_PATCHES, 3 * 2 * 14 * 14);
          body((...given) => encodeVision(tower, params, vision_config, ...given), pixels, vision_config);
        }),
      );
    };

    it(`batched segments equal one dense mask: ${name}`, () => {
      compare(3, (encode, pixels, { out_hidden_size }) => {
        const batched = encode(pixels, GRIDS);
        expect(batched).toHaveShape([NUM_PATCHES / 4, out_hidden_size]);
        expect(batched).toBeAllclose(encode(pixels, GRIDS, maskedAttention), { rtol: 0, atol: 1e-5 });
      });
    });

    it(`several media together equal one by one: ${name}`, () => {
      compare(4, (encode, pixels) => {
        const together = encode(pixels, GRIDS);
        let at = 0;
        for (const grid of GRIDS) {
          const count = grid[0] * grid[1] * grid[2];
          const alone = encode(pixels.narrow(0, at, count), [grid]);
          expect(together.narrow(0, at / 4, count / 4)).toBeAllclose(alone, { rtol: 0, atol: 1e-5 });
          at += count;
        }
      });
    });
  }
});

describe('mediaLayout', () => {
  const { vision_config } = loadGoldenModel('qwen2-5-vl').config;

  it('tiles a slice with windows of 2 x 2 merged units, smaller at the edges', () => {
    // 3 x 5 units: two whole windows, then the right edge (2), the bottom edge (2 x 2), the corner (1).
    const { order, windows, sliceLength } = mediaLayout([1, 6, 10], vision_config);
    expect(sliceLength).toBe(60);
    expect(windows).toEqual([
      { count: 2, length: 16 },
      { count: 3, length: 8 },
      { count: 1, length: 4 },
    ]);
    expect(order).toEqual([0, 1, 5, 6, 2, 3, 7, 8, 4, 9, 10, 11, 12, 13, 14]);
  });

  it('has one window a slice in Qwen2-VL', () => {
    const qwen2 = loadGoldenModel('qwen2-vl').config.vision_config;
    expect(mediaLayout([4, 4, 6], qwen2).windows).toEqual([{ count: 1, length: 24 }]);
  });
});
