import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { maxPixelsPerFrame, smartResize, videoFrameSize } from './pixel-budget.ts';
import { videoSettings } from './presets.ts';

type Case = [
  height: number,
  width: number,
  minPixels: number,
  maxPixels: number,
  size: [number, number] | null,
];
const golden = JSON.parse(
  readFileSync(new URL('../../tests/goldens/video/smart-resize.json', import.meta.url), 'utf8'),
) as Case[];

describe('frame size', () => {
  it('is that of transformers', () => {
    for (const [height, width, min_pixels, max_pixels, size] of golden) {
      const ours = (): unknown =>
        Object.values(smartResize(height, width, { pixel_unit: 28, min_pixels, max_pixels }));
      if (size === null) expect(ours).toThrow(/aspect ratio of at most 200/);
      else expect(ours()).toEqual(size);
    }
  });

  it('of very flat pictures is that of smart_resize in transformers 5.18', () => {
    for (const [height, width, pixel_unit, min_pixels, max_pixels, size] of [
      [15, 2900, 32, 65_536, 16_777_216, [32, 3584]],
      [1, 190, 32, 2048, 40_960, [32, 640]],
      [2, 399, 32, 2048, 40_960, [32, 640]],
      [13, 13, 28, 3136, 12_845_056, [56, 56]],
      [14, 300, 28, 3136, 1_003_520, [28, 280]],
      [500, 12, 32, 2048, 40_960, [320, 32]],
      [640, 480, 32, 65_536, 16_777_216, [640, 480]],
    ] as const) {
      const limits = { pixel_unit, min_pixels, max_pixels, rounds_to_none: true };
      expect(Object.values(smartResize(height, width, limits)), `${height}x${width}`).toEqual(size);
    }
  });

  it('has sides divisible by 28 within the limits', () => {
    fc.assert(
      fc.property(fc.integer({ min: 20, max: 4000 }), fc.integer({ min: 20, max: 4000 }), (height, width) => {
        const limits = { pixel_unit: 28, min_pixels: 128 * 784, max_pixels: 196 * 784 };
        const size = smartResize(height, width, limits);
        expect([size.height % 28, size.width % 28]).toEqual([0, 0]);
        // Rounding a side to 28 pixels passes a limit only for very long pictures.
        if (Math.max(height, width) >= 4 * Math.min(height, width)) return;
        expect(size.height * size.width).toBeGreaterThanOrEqual(limits.min_pixels);
        expect(size.height * size.width).toBeLessThanOrEqual(limits.max_pixels);
      }),
    );
  });

  it('shares one budget among the frames of a video', () => {
    const settings = videoSettings({ video: 'authors' }, 28);
    expect(maxPixelsPerFrame(settings, 10)).toBe(196 * 784);
    expect(videoFrameSize(settings, { height: 320, width: 480 }, 10)).toEqual({ height: 308, width: 476 });
    expect(maxPixelsPerFrame(settings, 100_000)).toBe(Math.floor(128 * 784 * 1.05));
    expect(maxPixelsPerFrame({ ...settings, max_pixels: 768 * 784 }, 600)).toBeCloseTo(
      (90_316_800 / 600) * 2,
      9,
    );
    // A largest area near the least one holds.
    expect(maxPixelsPerFrame({ ...settings, max_pixels: 128 * 784 }, 10)).toBe(128 * 784);
    // The authors' slip: with the total set to the frame's limit, every frame falls to the floor.
    expect(maxPixelsPerFrame({ ...settings, total_pixels: 196 * 784 }, 16)).toBe(105_369);
  });
});
