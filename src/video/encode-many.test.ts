import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { scratchFolder } from '../../tests/support/scratch-folder.ts';
import { decodeFrames } from './decode.ts';
import { encodeMany } from './encode-many.ts';
import { probeVideo } from './probe.ts';

const folder = scratchFolder();
const [width, height, numFrames] = [48, 32, 6];
const options = { width, height, numFrames, fps: 12.5 };
const all = [0, 1, 2, 3, 4, 5];

/** Frames of video `n`: a bright bar that moves over a colour of its own. */
function* frames(n: number): Generator<Uint8Array> {
  for (let at = 0; at < numFrames; at++) {
    const frame = new Uint8Array(width * height * 3);
    for (let i = 0; i < width * height; i++)
      frame.set(i % width === 4 * at + n ? [250, 250, 250] : [40 * n, 200 - 30 * n, 90 + at], i * 3);
    yield frame;
  }
}

function* inTurn(list: readonly number[]): Generator<Uint8Array> {
  for (const n of list) yield* frames(n);
}

const paths = (name: string, count: number): string[] =>
  Array.from({ length: count }, (_, at) => join(folder, name, `deep-${at % 2}`, `${at}.mp4`));

describe('many videos in one process', () => {
  it('have the pictures they would have alone, and the same bytes when made again', async () => {
    const [first, again] = [paths('a', 5), paths('b', 5)];
    await encodeMany(first, inTurn([0, 1, 2, 3, 4]), options);
    await encodeMany(again, inTurn([0, 1, 2, 3, 4]), options);
    for (const [n, path] of first.entries()) {
      expect(await probeVideo(path)).toMatchObject({ width, height, fps: 12.5, numFrames });
      expect(readFileSync(path).equals(readFileSync(again[n]!))).toBe(true);
      const [alone] = paths(`alone-${n}`, 1);
      await encodeMany([alone!], inTurn([n]), options);
      const together = await decodeFrames(path, all);
      expect(Buffer.compare(together.frames, (await decodeFrames(alone!, all)).frames)).toBe(0);
      const expected = Buffer.concat([...frames(n)]);
      const error = expected.reduce((sum, value, i) => sum + Math.abs(value - together.frames[i]!), 0);
      expect(error / expected.length).toBeLessThan(8);
    }
    expect(readdirSync(join(folder, 'a')).sort()).toEqual(['deep-0', 'deep-1']);
    expect(readdirSync(join(folder, 'a', 'deep-0')).sort()).toEqual(['0.mp4', '2.mp4', '4.mp4']);
  });

  it('appear all or not at all', async () => {
    const broken = paths('c', 2);
    await expect(encodeMany(broken, inTurn([0]), options)).rejects.toThrow(
      /expected 12 frames in all, got 6/,
    );
    await expect(encodeMany(broken, [new Uint8Array(5)], options)).rejects.toThrow(
      /expected 4608 bytes for frame 0, got 5/,
    );
    expect(readdirSync(join(folder, 'c', 'deep-0'))).toEqual([]);
    await expect(encodeMany(broken, [], { ...options, width: 47 })).rejects.toThrow(/even positive width/);
    await expect(encodeMany(broken, [], { ...options, qp: 60 })).rejects.toThrow(/qp from 0 to 51/);
  });
});
