import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { mediaPath, readItems } from '../data/index.ts';
import { decodeFrames, probeVideo } from '../video/index.ts';
import { drawEpisode } from './episode.ts';
import { generateWorld } from './generate.ts';
import { renderFrame } from './render.ts';

const folder = mkdtempSync(join(tmpdir(), 'twgrpo-world-'));
afterAll(() => rmSync(folder, { recursive: true }));

const kinds = ['present', 'enter', 'direction', 'collide', 'predict'] as const;
const small = { num_videos: 5, kinds, seed: 4, width: 64, height: 48, fps: 8, num_frames: 24, jobs: 2 };

describe('a generated world', () => {
  it('is read like the authors’ data, with real videos that show the scene', async () => {
    const { jsonl_path, video_root } = await generateWorld({ ...small, output_dir: join(folder, 'a') });
    const { items, warnings, format } = readItems(jsonl_path);
    expect([items.length, warnings, format]).toEqual([5, [], 'authors']);
    expect(items.map((item) => item.dims['kind'])).toEqual(kinds);
    for (const [index, item] of items.entries()) {
      const path = mediaPath(item, { video_root });
      expect(await probeVideo(path)).toMatchObject({ width: 64, height: 48, fps: 8, numFrames: 24 });
      const { story } = drawEpisode(4, index, { kinds, height: 48 / 64, durationS: 23 / 8 });
      const expected = renderFrame(story.scene, story.motion, 10 / 8, { width: 64, height: 48 });
      const { frames } = await decodeFrames(path, [10]);
      const mean =
        expected.reduce((sum, value, at) => sum + Math.abs(value - frames[at]!), 0) / expected.length;
      // H.264 at this quality, with halved chroma, loses a few grey levels.
      expect(mean).toBeLessThan(6);
    }
  });

  it('has the same bytes for the same seed, and goes on where it stopped', async () => {
    const b = join(folder, 'b');
    const first = await generateWorld({ ...small, output_dir: b });
    const hash = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');
    const name = (index: number): string => join(b, 'videos', 'train', `00000${index}.mp4`);
    const before = [0, 1, 2, 3, 4].map((index) => hash(name(index)));
    expect(before).toEqual(
      [0, 1, 2, 3, 4].map((index) => hash(join(folder, 'a', 'videos', 'train', `00000${index}.mp4`))),
    );
    expect(hash(first.jsonl_path)).toBe(hash(join(folder, 'a', 'train.jsonl')));

    unlinkSync(name(2));
    const done: number[] = [];
    await generateWorld({ ...small, output_dir: b, onProgress: (count) => done.push(count) });
    expect(hash(name(2))).toBe(before[2]);
    const kept = statSync(name(1)).mtimeMs;
    await generateWorld({ ...small, output_dir: b });
    expect(statSync(name(1)).mtimeMs).toBe(kept);
    expect(done).toEqual([5]);
  });

  it('does not mix videos of different settings', async () => {
    await expect(generateWorld({ ...small, seed: 5, output_dir: join(folder, 'a') })).rejects.toThrow(
      /holds videos made with other settings/,
    );
    await expect(generateWorld({ ...small, split: '../x', output_dir: folder })).rejects.toThrow(
      /plain name/,
    );
  });
});
