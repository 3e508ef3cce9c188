import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { encode } from 'fast-png';
import { describe, expect, it } from 'vitest';
import { scratchFolder } from '../../tests/support/scratch-folder.ts';
import { packageRoot } from '../base/index.ts';
import { liveTensors } from '../tensor/index.ts';
import { videoSettings } from '../video/index.ts';
import { loadVideo } from './load-video.ts';

const goldens = fileURLToPath(new URL('../../tests/goldens/video/', import.meta.url));
const shared = process.env['TWGRPO_SHARED'] ?? join(packageRoot(), '..', 'shared');
const clevrer = join(shared, 'data', 'videos', 'clevrer_video_12176.mp4');

describe('loading a video', () => {
  it.skipIf(!existsSync(clevrer))('makes what the authors train on out of a CLEVRER clip', async () => {
    const before = liveTensors();
    const video = await loadVideo(clevrer, videoSettings({ video: 'authors' }, 28));
    expect(video.frames.shape).toEqual([10, 3, 308, 476]);
    expect(video).toMatchObject({
      sourceHeight: 320,
      sourceWidth: 480,
      fps: 25,
      totalFrames: 128,
      secondPerGridS: 1,
    });
    const evaluated = await loadVideo(clevrer, videoSettings({ video: 'authors_eval' }, 28));
    expect(evaluated.frames.shape).toEqual([16, 3, 308, 476]);
    expect(liveTensors()).toBe(before + 2);
    video.frames.dispose();
    evaluated.frames.dispose();
  });

  it('says that it takes a folder for 3 frames a second, unless the rate is given', async () => {
    const folder = scratchFolder();
    const picture = encode({ width: 56, height: 56, channels: 3, data: new Uint8Array(56 * 56 * 3) });
    for (const name of ['1.png', '2.png', '3.png', '4.png']) writeFileSync(join(folder, name), picture);
    const settings = videoSettings({ video: 'correct' }, 28);
    const guessed = await loadVideo(folder, settings);
    const stated = await loadVideo(folder, settings, { folderFps: 1 });
    expect([guessed.fps, guessed.warnings]).toEqual([3, [expect.stringContaining('3 a second')]]);
    expect([stated.fps, stated.warnings]).toEqual([1, []]);
    for (const { frames } of [guessed, stated]) frames.dispose();
  });

  it('shows the frame in the middle of those that it would show, in their size', async () => {
    const path = join(goldens, 'h264.mp4');
    const settings = { ...videoSettings({ video: 'correct' }, 28), total_pixels: 4 * 4 * 28 * 28 };
    const part = { startS: 0.4, endS: 2 };
    const whole = await loadVideo(path, settings, part);
    const one = await loadVideo(path, settings, { ...part, onlyMiddle: true });
    const middle = whole.indices.length >> 1;
    expect(whole.numFrames).toBeGreaterThan(2);
    expect(one.indices).toEqual([whole.indices[middle], whole.indices[middle]]);
    const shown = whole.frames.select(0, middle).tolist();
    expect([0, 1].map((place) => one.frames.select(0, place).tolist())).toEqual([shown, shown]);
    whole.frames.dispose();
    one.frames.dispose();
  });

  it('takes a part of a clip, and says which file cannot give it', async () => {
    const path = join(goldens, 'h264.mp4');
    const settings = { ...videoSettings({ video: 'correct' }, 28), fps: 5, min_pixels: 28 * 28 };
    const part = await loadVideo(path, settings, { startS: 1, endS: 2 });
    expect(part.indices).toEqual([10, 13, 17, 20]);
    expect(part.timesS.at(-1)).toBeCloseTo(2, 9);
    part.frames.dispose();
    await expect(loadVideo(path, settings, { startS: 3, endS: 4 })).rejects.toThrow(
      `${path}: expected a clip inside the 2.40 s of the video, got 3 s to 4 s`,
    );
  });
});
