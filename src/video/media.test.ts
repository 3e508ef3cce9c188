import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { VideoError } from '../base/index.ts';
import { decodeFrames } from './decode.ts';
import { readImage } from './image.ts';
import { videoSettings } from './presets.ts';
import { probeVideo } from './probe.ts';
import { roundHalfEven, sampleFrames } from './sample.ts';

interface VideoGolden {
  readonly num_frames: number;
  readonly times: readonly number[] | null;
  readonly height: number;
  readonly width: number;
  readonly sha256: string;
  readonly blocks: readonly string[];
}
interface ImageGolden {
  readonly height: number;
  readonly width: number;
  readonly rgb: string | null;
  readonly blocks: string;
}

const media = fileURLToPath(new URL('../../tests/goldens/media/', import.meta.url));
const file = (name: string): string => join(media, name);
const golden = <Golden>(name: string): Readonly<Record<string, Golden>> =>
  JSON.parse(readFileSync(file(name), 'utf8')) as Readonly<Record<string, Golden>>;
const videos = golden<VideoGolden>('videos.json');
const images = golden<ImageGolden>('images.json');

const all = ({ totalFrames }: { readonly totalFrames: number }) => ({
  indices: Array.from({ length: totalFrames }, (_, index) => index),
});

/** Largest difference of the mean colours of 8 x 6 blocks. */
function blockDifference(rgb: Uint8Array, height: number, width: number, expected: string): number {
  const means = Buffer.from(expected, 'base64');
  let largest = 0;
  for (let at = 0; at < means.length; at++) {
    const [row, column, channel] = [Math.floor(at / 24), Math.floor(at / 3) % 8, at % 3];
    const [y0, y1] = [row, row + 1].map((i) => roundHalfEven((i * height) / 6)) as [number, number];
    const [x0, x1] = [column, column + 1].map((i) => roundHalfEven((i * width) / 8)) as [number, number];
    let sum = 0;
    for (let y = y0; y < y1; y++) for (let x = x0; x < x1; x++) sum += rgb[(y * width + x) * 3 + channel]!;
    largest = Math.max(largest, Math.abs(sum / ((y1 - y0) * (x1 - x0)) - means[at]!));
  }
  return largest;
}

/** Kinds whose colours libswscale 9, which is PyAV's, blurs in another way: mean colours of a block, in grey levels. */
const OTHER_COLOURS: Readonly<Record<string, number>> = {
  'av1_10bit.webm': 7,
  'h264_10bit.mp4': 7,
  'hevc_10bit.mkv': 7,
  'h264_interlaced.mp4': 4,
  'mpeg2_interlaced.mpg': 4,
  'vp9_odd_size.webm': 4,
};
const DAMAGED = 'corrupted.mp4';
const RESIZED = 'size_changes.mpegts';

describe('videos of every kind', () => {
  it.each(Object.keys(videos).filter((name) => name !== DAMAGED && name !== RESIZED))(
    'have the frames and times PyAV gives: %s',
    async (name) => {
      const expected = videos[name]!;
      const video = await decodeFrames(file(name), all);
      expect([video.totalFrames, video.width, video.height]).toEqual([
        expected.num_frames,
        expected.width,
        expected.height,
      ]);
      if (expected.times !== null) {
        expect(video.timesS).toEqual(expected.times.map((timeS) => expect.closeTo(timeS, 5)));
      }
      const size = video.width * video.height * 3;
      for (const [at, blocks] of expected.blocks.entries()) {
        const index = at === expected.blocks.length - 1 ? expected.num_frames - 1 : at;
        const frame = video.frames.subarray(index * size, (index + 1) * size);
        expect(blockDifference(frame, video.height, video.width, blocks)).toBeLessThan(
          OTHER_COLOURS[name] ?? 0.51,
        );
      }
      if (OTHER_COLOURS[name] === undefined)
        expect(createHash('sha256').update(video.frames).digest('hex')).toBe(expected.sha256);
    },
  );

  it('are refused by name where a unit is broken, unless that is allowed', async () => {
    await expect(decodeFrames(file(DAMAGED), all)).rejects.toThrow(VideoError);
    await expect(decodeFrames(file(DAMAGED), all)).rejects.toThrow(
      `${file(DAMAGED)}: expected 50 frames, but only 49 can be decoded (Invalid NAL unit size`,
    );
    const allowed = await decodeFrames(file(DAMAGED), all, { damaged: 'allow' });
    expect(allowed.totalFrames).toBe(49);
    expect(allowed.warnings[0]).toMatch(/Invalid NAL unit size/);
    // PyAV stops at the broken unit; the times of the frames behind it have a gap, and none comes twice.
    const numBefore = videos[DAMAGED]!.num_frames;
    expect(allowed.timesS.slice(0, numBefore)).toEqual(
      videos[DAMAGED]!.times!.map((timeS) => expect.closeTo(timeS, 5)),
    );
    expect(new Set(allowed.timesS).size).toBe(49);
    expect(allowed.timesS.at(-1)).toBeCloseTo(4.9, 5);
  });

  it('whose picture size changes inside come in the size of their first frame', async () => {
    const size = 64 * 48 * 3;
    const every = await decodeFrames(file(RESIZED), all);
    const some = await decodeFrames(file(RESIZED), [2, 14, 20]);
    expect(every.totalFrames).toBe(videos[RESIZED]!.num_frames);
    expect(every.frames).toHaveLength(size * every.totalFrames);
    for (const [at, index] of [2, 14, 20].entries())
      expect(some.frames.subarray(at * size, (at + 1) * size)).toEqual(
        every.frames.subarray(index * size, (index + 1) * size),
      );
  });

  it.each([
    ['one-frame.mp4', /single frame, which is shown twice/],
    ['raw.h264', /holds no times; they are counted at 25 frames a second/],
    ['hevc.hevc', /holds no times/],
    ['h264_pixel_aspect.mp4', /pixels are not square \(4:3\)/],
  ])('say what was decided about them: %s', async (name, note) => {
    const { notes } = await probeVideo(file(name));
    expect(notes).toEqual([expect.stringMatching(note)]);
  });

  it('say nothing where nothing was to decide', async () => {
    for (const name of ['vfr.mp4', 'edit-list.mp4', 'mpeg2.mpegts', 'gif.gif'])
      expect((await probeVideo(file(name))).notes).toEqual([]);
  });

  it('count times from number and rate where a stream has none', async () => {
    const { timesS, fps } = await probeVideo(file('raw.h264'));
    expect(fps).toBe(25);
    expect([timesS[0], timesS[1], timesS[47]]).toEqual([0, 1 / 25, 47 / 25]);
  });
});

describe('a variable frame rate', () => {
  const settings = { ...videoSettings({ video: 'correct' }, 28), max_frames: 16 };
  const sampled = async (clip: { startS?: number; endS?: number }) => {
    const { numFrames: totalFrames, fps, timesS, durationS } = await probeVideo(file('vfr.mp4'));
    const sample = sampleFrames(settings, { totalFrames, fps, timesS, durationS, ...clip });
    return { ...sample, timesS: sample.indices.map((index) => timesS[index]!) };
  };

  it('shows at every moment the frame that is on the screen', async () => {
    // 30 frames in the first second, then one a second up to 8 s.
    const { timesS, secondPerGridS, sampleFps } = await sampled({});
    expect(timesS).toHaveLength(16);
    timesS.forEach((timeS, i) => {
      const moment = (i * 8) / 15;
      const shown = moment < 1 ? Math.floor(moment * 30 + 1e-6) / 30 : Math.floor(moment + 1e-6);
      expect(timeS).toBeCloseTo(shown, 6);
    });
    expect(secondPerGridS * 8).toBeCloseTo(8 + 1 / 30, 6);
    expect(sampleFps).toBeCloseTo(16 / (8 + 1 / 30), 9);
  });

  it('goes by number under the presets that repeat the authors', async () => {
    const { numFrames: totalFrames, fps, timesS, durationS } = await probeVideo(file('vfr.mp4'));
    const authors = { ...settings, second_per_grid: 'constant' as const };
    expect(sampleFrames(authors, { totalFrames, fps, timesS, durationS }).indices).toEqual(
      sampleFrames(authors, { totalFrames, fps }).indices,
    );
  });

  it('keeps to the clip', async () => {
    const part = await sampled({ startS: 2, endS: 6 });
    expect(part.timesS).toEqual([2, 3, 4, 6].map((timeS) => expect.closeTo(timeS, 6)));
    expect(part.secondPerGridS).toBeCloseTo(2, 9);
    const end = await sampled({ startS: 6.5, endS: 8 });
    expect(end.timesS).toEqual([6, 8].map((timeS) => expect.closeTo(timeS, 6)));
    const still = await sampled({ startS: 6.2, endS: 6.8 });
    expect(still.timesS).toEqual([6, 6].map((timeS) => expect.closeTo(timeS, 6)));
    await expect(sampled({ startS: 9, endS: 10 })).rejects.toThrow(/inside the 8.03 s of the video, got 9 s/);
  });
});

describe('images of every kind', () => {
  it.each(Object.keys(images))('are what Pillow shows, upright: %s', async (name) => {
    const expected = images[name]!;
    const image = await readImage(file(name));
    expect([image.width, image.height]).toEqual([expected.width, expected.height]);
    expect(blockDifference(image.pixels, image.height, image.width, expected.blocks)).toBeLessThan(2);
    if (expected.rgb === null) return;
    const rgb = Buffer.from(expected.rgb, 'base64');
    // FFmpeg's JPEG decoder is not libjpeg, and 16 bits become 8 by rounding, not by cutting off.
    const tolerance = name.endsWith('.jpg') ? 2 : name.includes('16') || name.includes('cmyk') ? 1 : 0;
    const largest = image.pixels.reduce((most, value, at) => Math.max(most, Math.abs(value - rgb[at]!)), 0);
    expect(largest).toBeLessThanOrEqual(tolerance);
  });
});
