import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Medium, mediumSchema } from '../data/index.ts';
import { sampleFrames, smartResize, statedSize, type VideoSettings, videoFrameSize } from '../video/index.ts';
import { imageSettings, mediumSettings } from './medium-settings.ts';

interface Facts {
  readonly height: number;
  readonly width: number;
  readonly keys: Readonly<Record<string, number>>;
  readonly size: readonly number[];
}
/** Made by make_settings.py: what qwen-vl-utils itself chooses. */
const golden = JSON.parse(readFileSync('tests/goldens/media-settings/settings.json', 'utf8')) as {
  readonly videos: readonly (Facts & {
    readonly total: number;
    readonly rate: number;
    readonly indices: readonly number[];
    readonly sample_fps: number;
  })[];
  readonly images: readonly Facts[];
};

const AREA = 28 * 28;
/** What qwen-vl-utils takes where a video says nothing. */
const DEFAULTS: VideoSettings = {
  ...{ fps: 2, min_frames: 4, max_frames: 768, second_per_grid: 'true_time' },
  ...{ pixel_unit: 28, min_pixels: 128 * AREA, max_pixels: 768 * AREA, total_pixels: 128_000 * AREA * 0.9 },
};

function mediumOf(type: Medium['type'], keys: Facts['keys']): Medium {
  const { video_start: start, video_end: end, ...rest } = keys;
  return mediumSchema.parse({ type, path: 'x', start, end, ...rest });
}

describe('settings of a medium', () => {
  it('choose the frames, times and sizes of qwen-vl-utils', () => {
    expect(golden.videos.length).toBe(120);
    for (const { total, rate, height, width, keys, indices, sample_fps, size } of golden.videos) {
      const medium = mediumOf('video', keys);
      const settings = mediumSettings(DEFAULTS, medium);
      const sample = sampleFrames(settings, {
        ...{ totalFrames: total, fps: rate, startS: medium.start, endS: medium.end },
      });
      const shown = videoFrameSize(settings, { height, width }, sample.numSampled);
      const told = JSON.stringify({ total, rate, height, width, keys });
      expect([...sample.indices], told).toEqual(indices);
      expect(sample.sampleFps, told).toBeCloseTo(sample_fps, 10);
      expect([shown.height, shown.width], told).toEqual(size);
    }
  });

  it('choose the sizes of images', () => {
    expect(golden.images.length).toBe(40);
    for (const { height, width, keys, size } of golden.images) {
      const settings = imageSettings({ pixel_unit: 28 }, mediumOf('image', keys));
      const shown =
        settings.resized === undefined
          ? smartResize(height, width, settings)
          : statedSize(settings.resized, 28);
      expect([shown.height, shown.width], JSON.stringify({ height, width, keys })).toEqual(size);
    }
  });

  it('leave the run alone where a medium says nothing', () => {
    const run = { ...DEFAULTS, exact_frames: 16, resized: undefined, nframes: undefined };
    expect(mediumSettings(run, { type: 'video' })).toEqual(run);
    // The rate of a folder chooses no frames.
    expect(mediumSettings(run, { type: 'frames', fps: 3 })).toEqual(run);
  });
});
