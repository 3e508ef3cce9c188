import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VideoError } from '../base/index.ts';
import { type VideoPreset, videoSettings } from './presets.ts';
import {
  frameRange,
  linspace,
  roundHalfEven,
  type SamplingSettings,
  sampleFrames,
  smartNframes,
} from './sample.ts';

type Case = [
  settings: { fps: number; min_frames: number; max_frames: number; nframes?: number },
  videoFps: number,
  total: number,
  nframes: number | null,
  indices: number[] | null,
  exact: number[] | null,
];
const golden = JSON.parse(
  readFileSync(new URL('../../tests/goldens/video/sampling.json', import.meta.url), 'utf8'),
) as { cases: Case[]; linspace: [number, number, number, string][] };

describe('frame sampling', () => {
  it('spreads like torch.linspace, bit for bit', () => {
    for (const [start, end, steps, hash] of golden.linspace) {
      const bytes = new Uint8Array(Float32Array.from(linspace(start, end, steps)).buffer);
      expect(createHash('sha256').update(bytes).digest('hex').slice(0, 16), `${start} ${end} ${steps}`).toBe(
        hash,
      );
    }
  });

  it('takes the frames qwen_vl_utils takes, and those of its 16-frame mode', () => {
    for (const [given, fps, totalFrames, nframes, indices, exact] of golden.cases) {
      const settings: SamplingSettings = { ...given, second_per_grid: 'true_time' };
      const video = { fps, totalFrames };
      if (nframes === null) {
        expect(() => smartNframes(settings, totalFrames, fps)).toThrow(VideoError);
        if (totalFrames > 1) expect(() => sampleFrames(settings, video)).toThrow(VideoError);
        else expect(sampleFrames(settings, video).indices).toEqual([0, 0]);
        continue;
      }
      expect(smartNframes(settings, totalFrames, fps)).toBe(nframes);
      expect(sampleFrames(settings, video).indices).toEqual(indices);
      expect(sampleFrames({ ...settings, exact_frames: 16 }, video).indices).toEqual(exact);
    }
  });

  it('rounds half to even as Python does', () => {
    expect([0.5, 1.5, 2.5, -0.5, -1.5, 2.4999999, 2.6].map((x) => roundHalfEven(x) + 0)).toEqual([
      0, 2, 2, 0, -2, 2, 3,
    ]);
  });

  it('gives ascending indices inside the clip and honest time', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 40, max: 20_000 }),
        fc.double({ min: 1, max: 120, noNaN: true }),
        fc.double({ min: 0, max: 0.4, noNaN: true }),
        fc.double({ min: 0.6, max: 1, noNaN: true }),
        (totalFrames, fps, from, to) => {
          const lengthS = totalFrames / fps;
          const [startS, endS] = [from * lengthS, to * lengthS];
          const { first, last } = frameRange(totalFrames, fps, startS, endS);
          fc.pre(last - first >= 3);
          const sample = sampleFrames(videoSettings({ video: 'correct' }, 28), {
            totalFrames,
            fps,
            startS,
            endS,
          });
          expect(sample.indices.length % 2).toBe(0);
          expect([sample.indices[0], sample.indices.at(-1)]).toEqual([first, last]);
          for (let i = 1; i < sample.indices.length; i++) {
            expect(sample.indices[i]!).toBeGreaterThanOrEqual(sample.indices[i - 1]!);
          }
          // All temporal patches together span the clip.
          const spanS = (sample.secondPerGridS * sample.indices.length) / 2;
          expect(spanS).toBeCloseTo((last - first + 1) / fps, 6);
        },
      ),
    );
  });

  it('has the presets of the authors for a 5 s clip of CLEVRER', () => {
    const clip = { totalFrames: 128, fps: 25 };
    const taken = (name: VideoPreset): readonly number[] =>
      sampleFrames(videoSettings({ video: name }, 28), clip).indices;
    const ten = [0, 14, 28, 42, 56, 71, 85, 99, 113, 127];
    expect(taken('correct')).toEqual(ten);
    expect(taken('authors')).toEqual(ten);
    expect(taken('authors_eval')).toHaveLength(16);
    expect(new Set(taken('authors_eval'))).toEqual(new Set(ten));
    expect(sampleFrames(videoSettings({ video: 'authors' }, 28), clip).secondPerGridS).toBe(1);
    expect(sampleFrames(videoSettings({ video: 'correct' }, 28), clip).secondPerGridS).toBeCloseTo(1.024, 12);
    // Half an hour at 30 fps: 16 frames stand for 225 s each pair, which the authors' model is told to be 1 s.
    const long = { totalFrames: 54_000, fps: 30 };
    expect(sampleFrames(videoSettings({ video: 'correct' }, 28), long).secondPerGridS).toBeCloseTo(225, 9);
    expect(sampleFrames(videoSettings({ video: 'authors' }, 28), long).secondPerGridS).toBe(1);
  });

  it('refuses clips outside the video and rates that are no rates', () => {
    const settings = videoSettings({ video: 'correct' }, 28);
    const video = { path: 'a.mp4', totalFrames: 100, fps: 10 };
    expect(() => sampleFrames(settings, { ...video, startS: 11, endS: 12 })).toThrow(
      'a.mp4: expected a clip inside the 10.00 s of the video, got 11 s to 12 s',
    );
    expect(() => sampleFrames(settings, { ...video, startS: 5, endS: 2 })).toThrow(VideoError);
    expect(() => sampleFrames(settings, { ...video, fps: Number.NaN })).toThrow(/positive frame rate/);
    expect(() => smartNframes(settings, 1, 10)).toThrow(/between 2 and 1 sampled frames, got 0/);
  });

  it('an own maximum of frames also holds where a preset says how many', () => {
    expect(videoSettings({ video: 'authors_eval', max_frames: 8 }, 28).exact_frames).toBe(8);
    expect(videoSettings({ video: 'authors_eval' }, 28).exact_frames).toBe(16);
    expect(videoSettings({ video: 'authors', max_frames: 8 }, 28)).not.toHaveProperty('exact_frames');
  });
});
