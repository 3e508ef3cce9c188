import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { liveTensors, scope } from '../tensor/index.ts';
import type { RgbFrames } from '../video/index.ts';
import { resizeFrames } from './resize.ts';

interface Case {
  from: [number, number, number, number];
  to: [number, number];
  float32: string;
  uint8: string;
}
const golden = JSON.parse(
  readFileSync(new URL('../../tests/goldens/video/resize.json', import.meta.url), 'utf8'),
) as Case[];

/** The picture of make_video.py, in the layout of decoded frames. */
function picture(numFrames: number, height: number, width: number): RgbFrames {
  const frames = new Uint8Array(numFrames * height * width * 3);
  let at = 0;
  for (let n = 0; n < numFrames; n++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        for (let c = 0; c < 3; c++) {
          const rough = (x * 7919 + y * 104_729 + n * 31 + c * 13) % 97;
          frames[at++] = x * (3 + c) + y * 5 + n * 17 + Math.floor((x * y) / 7) + rough * 2;
        }
      }
    }
  }
  return { frames, numFrames, height, width };
}

describe('resizing', () => {
  it.each(golden)('is that of torchvision: $from to $to', ({ from, to, ...expected }) => {
    const [n, , h, w] = from;
    const before = liveTensors();
    for (const kernel of ['float32', 'uint8'] as const) {
      const resized = resizeFrames(picture(n, h, w), { height: to[0], width: to[1] }, kernel);
      expect(resized.shape).toEqual([n, 3, ...to]);
      expect(resized.dtype).toBe('uint8');
      const got = resized.toTypedArray() as Uint8Array;
      const want = Buffer.from(expected[kernel], 'base64');
      // Vector widths differ between processors: one level, in at most one value of a thousand.
      let numDifferent = 0;
      for (const [at, value] of got.entries()) {
        const difference = Math.abs(value - want[at]!);
        expect(difference).toBeLessThanOrEqual(1);
        numDifferent += difference;
      }
      expect(numDifferent / got.length).toBeLessThanOrEqual(0.001);
      resized.dispose();
    }
    expect(liveTensors()).toBe(before);
  });

  it('leaves frames of the right size as they are', () => {
    const video = picture(2, 28, 56);
    scope(() => {
      const same = resizeFrames(video, video);
      expect(same.shape).toEqual([2, 3, 28, 56]);
      expect(same.select(0, 1).select(0, 2).select(0, 3).tolist()).toEqual(
        Array.from({ length: 56 }, (_, x) => video.frames[((28 + 3) * 56 + x) * 3 + 2]),
      );
    });
  });
});
