import { describe, expect, it } from 'vitest';
import { dispose, fromTypedArray, liveTensors, scope } from '../tensor/index.ts';
import { videoPreset } from '../video/index.ts';
import type { LoadedVideo } from './load-video.ts';
import { rememberVideos } from './remember-videos.ts';

const settings = videoPreset('correct');
const SHAPE = [2, 3, 28, 28];
const SIZE = SHAPE.reduce((a, b) => a * b);

/** Stands for FFmpeg: frames whose bytes tell the path, and a list of what was asked for. */
function decoder() {
  const asked: string[] = [];
  const load = async (path: string) => {
    asked.push(path);
    const bytes = new Uint8Array(SIZE).fill(path.charCodeAt(0));
    return {
      frames: fromTypedArray(bytes, SHAPE),
      secondPerGridS: 1,
      indices: [0, 4],
    } as unknown as LoadedVideo;
  };
  return { asked, load };
}

const bytesOf = ({ frames }: LoadedVideo) => scope(() => [...(frames.toTypedArray() as Uint8Array)]);

describe('videos that are remembered', () => {
  it('gives the same frames and facts again, in tensors of their own', async () => {
    const { asked, load } = decoder();
    const before = liveTensors();
    const remembered = rememberVideos(1, load);
    const first = await remembered('a', settings);
    const expected = bytesOf(first);
    dispose(first.frames);
    const second = await remembered('a', settings);
    const third = await remembered('a', settings);
    dispose(third.frames);
    expect(bytesOf(second)).toEqual(expected);
    expect(second).toMatchObject({ secondPerGridS: 1, indices: [0, 4] });
    expect(asked).toEqual(['a']);
    dispose(second.frames);
    expect(liveTensors()).toBe(before);
  });

  it('tells clips and settings of one file apart', async () => {
    const { asked, load } = decoder();
    const remembered = rememberVideos(1, load);
    for (const options of [{}, { startS: 1 }, { startS: 2 }, {}])
      dispose((await remembered('a', settings, options)).frames);
    dispose((await remembered('a', { ...settings, fps: 1 })).frames);
    expect(asked).toHaveLength(4);
  });

  it('keeps what fits and decodes the rest anew', async () => {
    const { asked, load } = decoder();
    const remembered = rememberVideos((2.5 * SIZE) / 2 ** 20, load);
    for (const path of ['a', 'b', 'c', 'a', 'b', 'c']) dispose((await remembered(path, settings)).frames);
    expect(asked).toEqual(['a', 'b', 'c', 'c']);
  });
});
