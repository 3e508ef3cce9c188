import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encode } from 'fast-png';
import { describe, expect, it } from 'vitest';
import { scratchFolder } from '../../tests/support/scratch-folder.ts';
import { runFfmpeg } from './ffmpeg.ts';
import { readFrameFolder, readImage } from './image.ts';

const folder = scratchFolder();

function png(
  name: string,
  width: number,
  height: number,
  channels: 3 | 4,
  value: (at: number) => number,
): string {
  const data = Uint8Array.from({ length: width * height * channels }, (_, at) => value(at));
  const path = join(folder, name);
  writeFileSync(path, encode({ width, height, channels, depth: 8, data }));
  return path;
}

describe('images', () => {
  it('come back exactly from PNG, whatever their name', async () => {
    const image = await readImage(png('odd %d name.png', 5, 3, 3, (at) => (at * 37) % 256));
    expect([image.width, image.height]).toEqual([5, 3]);
    expect([...image.pixels]).toEqual(Array.from({ length: 45 }, (_, at) => (at * 37) % 256));
  });

  it('show transparent pixels on white, rounded as PIL does', async () => {
    const pixels = [10, 20, 30, 255, 10, 20, 30, 0, 10, 20, 30, 128, 200, 100, 50, 77];
    const { pixels: rgb } = await readImage(png('alpha.png', 4, 1, 4, (at) => pixels[at]!));
    expect([...rgb]).toEqual([10, 20, 30, 255, 255, 255, 132, 137, 142, 238, 208, 193]);
  });

  it('are read from JPEG nearly as they were', async () => {
    const source = png('grey.png', 32, 16, 3, () => 90);
    const jpeg = join(folder, 'grey.jpg');
    await runFfmpeg(['-y', '-i', source, '-q:v', '2', jpeg], { subject: jpeg, timeoutS: 30 });
    const image = await readImage(jpeg);
    expect(image).toMatchObject({ width: 32, height: 16 });
    for (const value of image.pixels) expect(Math.abs(value - 90)).toBeLessThanOrEqual(2);
  });

  it('that are no images are named', async () => {
    const text = join(folder, 'text.png');
    writeFileSync(text, 'hello '.repeat(50));
    await expect(readImage(text)).rejects.toThrow(`${text}: FFmpeg cannot read it as an image`);
    await expect(readImage(join(folder, 'none.png'))).rejects.toThrow(/no such video or image file/);
  });

  it('of a folder are frames in natural order', async () => {
    const frames = join(folder, 'frames');
    mkdirSync(frames);
    for (const n of [1, 2, 10]) png(`frames/frame${n}.png`, 4, 2, 3, () => n);
    writeFileSync(join(frames, 'notes.txt'), 'x');
    const video = await readFrameFolder(frames, 3, [0, 2]);
    expect([...new Set(video.frames)]).toEqual([1, 10]);
    expect(video).toMatchObject({ numFrames: 2, totalFrames: 3, fps: 3, durationS: 1, width: 4, height: 2 });
    await expect(readFrameFolder(frames, 3, [3])).rejects.toThrow(/within 0 to 2, got 3/);
    png('frames/frame11.png', 6, 2, 3, () => 0);
    await expect(readFrameFolder(frames, 3, [2, 3])).rejects.toThrow(/expected 4x2 pixels .* got 6x2/);
    mkdirSync(join(folder, 'bare'));
    await expect(readFrameFolder(join(folder, 'bare'), 3, [0])).rejects.toThrow(/holds no images/);
  });
});
