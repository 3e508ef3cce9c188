import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decode } from 'fast-png';
import { describe, expect, it } from 'vitest';
import { scratchFolder } from '../../tests/support/scratch-folder.ts';
import { VideoError } from '../base/index.ts';
import { contactSheet } from './contact-sheet.ts';
import { decodeFrames } from './decode.ts';
import { encodeVideo } from './encode.ts';

const folder = scratchFolder();
const [width, height] = [48, 32];

/** Smooth frames whose colour tells their number. */
function* frames(count: number): Generator<Uint8Array> {
  for (let n = 0; n < count; n++) {
    const frame = new Uint8Array(width * height * 3);
    for (let i = 0; i < frame.length; i += 3) frame.set([n * 20, 255 - n * 20, 100 + ((i / 3) % width)], i);
    yield frame;
  }
}

describe('encoding', () => {
  it('writes an MP4 whose frames come back in order and nearly as they were', async () => {
    const path = join(folder, 'deep', 'a.mp4');
    const done = await encodeVideo(path, frames(10), { width, height, fps: 12.5, crf: 10 });
    expect(done.numFrames).toBe(10);
    const video = await decodeFrames(path, [0, 4, 9]);
    expect(video).toMatchObject({ fps: 12.5, totalFrames: 10, width, height });
    for (const [at, n] of [0, 4, 9].entries()) {
      const middle = ((at * height + height / 2) * width + width / 2) * 3;
      expect(Math.abs(video.frames[middle]! - n * 20)).toBeLessThan(8);
      expect(Math.abs(video.frames[middle + 1]! - (255 - n * 20))).toBeLessThan(8);
    }
  });

  it('gives the same bytes for the same frames', async () => {
    const [a, b] = [join(folder, 'b.mp4'), join(folder, 'c.mp4')];
    await encodeVideo(a, frames(8), { width, height, fps: 8 });
    await encodeVideo(b, frames(8), { width, height, fps: 8 });
    expect(readFileSync(a).equals(readFileSync(b))).toBe(true);
  });

  it('leaves no half file behind', async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield* frames(3);
      throw new Error('renderer failed');
    }
    const path = join(folder, 'broken.mp4');
    await expect(encodeVideo(path, broken(), { width, height, fps: 8 })).rejects.toThrow(
      /the frames to write failed/,
    );
    await expect(encodeVideo(path, [], { width, height, fps: 8 })).rejects.toThrow(VideoError);
    await expect(encodeVideo(path, [new Uint8Array(5)], { width, height, fps: 8 })).rejects.toThrow(
      /expected 4608 bytes for frame 0, got 5/,
    );
    expect(readdirSync(folder).filter((name) => name.startsWith('broken'))).toEqual([]);
  });

  it('refuses what H.264 cannot hold', async () => {
    const path = join(folder, 'odd.mp4');
    await expect(encodeVideo(path, [], { width: 47, height, fps: 8 })).rejects.toThrow(/even positive width/);
    await expect(encodeVideo(path, [], { width, height, fps: 0 })).rejects.toThrow(/positive fps/);
    await expect(encodeVideo(path, [], { width, height, fps: 8, crf: 60 })).rejects.toThrow(
      /crf from 0 to 51/,
    );
  });
});

describe('contact sheet', () => {
  it('lays the frames out in time order', () => {
    const all = Buffer.concat([...frames(5)]);
    const png = decode(
      contactSheet({ frames: all, numFrames: 5, width, height }, { columns: 3, maxFrameWidth: 24 }),
    );
    expect([png.width, png.height, png.channels]).toEqual([3 * 26 + 2, 2 * 18 + 2, 3]);
    const red = (column: number, row: number): number =>
      png.data[((row * 18 + 10) * png.width + column * 26 + 14) * 3]!;
    expect([red(0, 0), red(1, 0), red(2, 0), red(0, 1), red(1, 1), red(2, 1)]).toEqual([
      0, 20, 40, 60, 80, 24,
    ]);
    expect(() => contactSheet({ frames: all, numFrames: 0, width, height })).toThrow(/at least one frame/);
  });
});
