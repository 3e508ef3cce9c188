import { availableParallelism } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { VideoError } from '../base/index.ts';
import { type FoundMedium, itemSchema, toQuestion } from '../data/index.ts';
import { fromTypedArray, keep, liveTensors, scope } from '../tensor/index.ts';
import { videoSettings } from '../video/index.ts';
import { type FrameReader, FrameStore, type HeldFrames } from './frame-store.ts';

const settings = videoSettings({ video: 'correct' }, 28);
const SHAPE = [2, 3, 28, 28];
const SIZE = SHAPE.reduce((a, b) => a * b);

function medium(path: string, clip: { readonly start?: number; readonly end?: number } = {}): FoundMedium {
  const item = itemSchema.parse({
    ...{ id: path, question: 'Which?', options: ['x', 'y'], answer: ['A'] },
    media: [{ path, ...clip }],
  });
  return toQuestion(item, { video_root: '/' }).media[0]!;
}

/** Stands for FFmpeg: frames whose bytes tell the path, and a list of what was asked for. */
function decoder() {
  const asked: string[] = [];
  const state = { running: 0, most: 0 };
  const read: FrameReader = async ({ path }) => {
    asked.push(path);
    state.running += 1;
    state.most = Math.max(state.most, state.running);
    await setTimeout(1);
    state.running -= 1;
    if (path === 'gone') throw new VideoError('gone: no such file');
    const bytes = new Uint8Array(SIZE).fill(path.charCodeAt(0));
    const warnings = path === 'damaged' ? ['concealing 3 errors', 'and one more'] : [];
    return { frames: keep(fromTypedArray(bytes, SHAPE)), secondPerGridS: 1, indices: [0, 4], warnings };
  };
  return { asked, state, read };
}

const bytesOf = ({ frames }: HeldFrames) => scope(() => [...(frames.toTypedArray() as Uint8Array)]);
const mib = (videos: number) => (videos * SIZE) / 2 ** 20;

describe('the store of decoded frames', () => {
  it('gives the same frames and facts again without decoding, also when asked twice at a time', async () => {
    const { asked, read } = decoder();
    const before = liveTensors();
    const store = new FrameStore({ budget_mib: 1, read });
    const [first, second] = await Promise.all([1, 2].map(() => store.get(medium('a'), settings)));
    const expected = bytesOf(first!);
    first!.dispose();
    expect(bytesOf(second!)).toEqual(expected);
    expect(second).toMatchObject({ secondPerGridS: 1, indices: [0, 4] });
    const third = await store.get(medium('a'), settings);
    expect(bytesOf(third)).toEqual(expected);
    expect([asked, store.numDecoded, store.numKept, store.bytes]).toEqual([['a'], 1, 1, SIZE]);
    store.dispose();
    expect(liveTensors()).toBe(before);
  });

  it('tells clips and settings of one file apart', async () => {
    const { asked, read } = decoder();
    const store = new FrameStore({ budget_mib: 1, read });
    for (const clip of [{}, { start: 1 }, { start: 2 }, {}])
      (await store.get(medium('a', clip), settings)).dispose();
    (await store.get(medium('a'), { ...settings, fps: 1 })).dispose();
    expect(asked).toHaveLength(4);
    store.dispose();
  });

  it('keeps what fits and decodes the rest anew, each in a tensor of its own', async () => {
    const { asked, read } = decoder();
    const before = liveTensors();
    const store = new FrameStore({ budget_mib: mib(2.5), read });
    for (const path of ['a', 'b', 'c', 'a', 'b', 'c']) (await store.get(medium(path), settings)).dispose();
    expect(asked).toEqual(['a', 'b', 'c', 'c']);
    expect(liveTensors()).toBe(before + 2);
    store.dispose();
    expect(liveTensors()).toBe(before);
  });

  it('decodes no more files at once than there are processors', async () => {
    const { state, read } = decoder();
    const store = new FrameStore({ budget_mib: 0, read });
    const paths = Array.from({ length: 2 * availableParallelism() + 3 }, (_, i) => `v${i}`);
    const held = await Promise.all(paths.map((path) => store.get(medium(path), settings)));
    expect(state.most).toBe(availableParallelism());
    for (const one of held) one.dispose();
  });

  it('passes on what could not be read to everyone who asked, and tries again', async () => {
    const { asked, read } = decoder();
    const store = new FrameStore({ budget_mib: 1, read });
    const results = await Promise.allSettled([1, 2].map(() => store.get(medium('gone'), settings)));
    expect(results.map((one) => one.status === 'rejected' && String(one.reason))).toEqual([
      'VideoError: gone: no such file',
      'VideoError: gone: no such file',
    ]);
    expect(asked).toEqual(['gone', 'gone']);
  });

  it('tells of concealed damage once a file', async () => {
    const { read } = decoder();
    const said: unknown[][] = [];
    const logger = { warn: (...words: unknown[]) => void said.push(words) };
    const store = new FrameStore({ budget_mib: 0, read, logger: logger as never });
    for (const path of ['damaged', 'a', 'damaged']) (await store.get(medium(path), settings)).dispose();
    expect(said).toEqual([['/damaged: concealing 3 errors (and 1 more)']]);
  });
});
