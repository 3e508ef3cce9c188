/** @file All media of a question, where the run wrote them down and where they were moved to. */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { decode, encode } from 'fast-png';
import { beforeAll, describe, expect, it } from 'vitest';
import { scratchFolder } from '../../tests/support/scratch-folder.ts';
import { writeSyntheticRun } from '../../tests/support/synthetic-run.ts';
import { encodeVideo } from '../video/index.ts';
import type { Clip, Listing } from './api.ts';
import { apiRoutes } from './routes.ts';
import { Workspace } from './workspace.ts';

const folder = scratchFolder();
const media = join(folder, 'media');
const [width, height] = [32, 24];

const gray = (value: number) => new Uint8Array(width * height * 3).fill(value);
const png = (value: number) => encode({ width, height, channels: 3, depth: 8, data: gray(value) });

beforeAll(async () => {
  mkdirSync(join(media, 'frames'), { recursive: true });
  const frames = Array.from({ length: 16 }, (_, i) => gray(16 * i));
  await encodeVideo(join(media, 'a.mp4'), frames, { width, height, fps: 8 });
  for (let i = 1; i <= 12; i++) writeFileSync(join(media, 'frames', `${i}.png`), png(20 * i));
  writeFileSync(join(media, 'still.png'), png(77));
  const item = {
    media: [
      { path: 'a.mp4', start: 0.5, end: 1.5 },
      { type: 'frames', path: 'frames', fps: 4, nframes: 4 },
      { type: 'image', path: 'still.png' },
    ],
    ...{ question: 'Which?', options: ['x', 'y'], answer: ['A'] },
  };
  const data = join(folder, 'items.jsonl');
  writeFileSync(data, `${JSON.stringify({ ...item, id: 'several' })}\n`);
  writeSyntheticRun(join(folder, 'runs', 'run'), {
    ...{ num_steps: 1, num_groups: 1, num_generations: 2 },
    video: ['a.mp4', 'frames', 'still.png'].map((name) => join(media, name)).join(' '),
    config: { jsonl_path: data, video_root: media, video: 'correct' },
    change: (record) => ({ ...record, item: 'several' }),
  });
  const evaluation = join(folder, 'runs', 'eval');
  mkdirSync(evaluation);
  const row = { id: 'several', truth: ['A'], chosen: ['A'], score: 1, dims: {}, problem: 'Which?' };
  const video = ['a.mp4', 'frames', 'still.png'].map((name) => join(media, name)).join(' ');
  writeFileSync(
    join(evaluation, 'rows.jsonl'),
    `${JSON.stringify({ ...row, video, completion: 'A', failed: false, format: 1, length: 1, truncated: false })}\n`,
  );
  const settings = { video: { fps: 2, min_frames: 4, max_frames: 16 }, facts: { data: [data], model: 'm' } };
  writeFileSync(join(evaluation, 'settings.json'), JSON.stringify(settings));
});

interface Asked {
  readonly clips: readonly Clip[];
  readonly sheets: readonly { width: number; height: number; data: ArrayLike<number> }[];
}

async function askAll(workspace: Workspace, owner: string): Promise<Asked> {
  const api = apiRoutes(workspace);
  const clips: Clip[] = [];
  const sheets: Asked['sheets'][number][] = [];
  for (const medium of [0, 1, 2]) {
    const clip = await api.request(`${owner}/clip?medium=${medium}`);
    clips.push((await clip.json()) as Clip);
    const sheet = await api.request(`${owner}/sheet.png?medium=${medium}`);
    sheets.push(decode(new Uint8Array(await sheet.arrayBuffer())));
  }
  return { clips, sheets };
}

const listingOf = (workspace: Workspace): Listing => workspace.listing();
const indicesOf = ({ frames }: Clip) => frames.map(({ index }) => index);

describe('the media of a question', () => {
  it('are a video with its part, a folder of frames at its rate, an image; of a run and of an evaluation', async () => {
    const workspace = new Workspace([join(folder, 'runs')]);
    const { runs, evaluations } = listingOf(workspace);
    for (const owner of [
      `/runs/${runs[0]!.id}/steps/1/groups/0`,
      `/evaluations/${evaluations[0]!.id}/rows/0`,
    ]) {
      const { clips, sheets } = await askAll(workspace, owner);
      const [video, frames, image] = clips;
      expect(video).toMatchObject({
        kind: 'video',
        num_media: 3,
        name: 'a.mp4',
        start: 0.5,
        end: 1.5,
        fps: 8,
      });
      // 8 a second: from 0.5 s to 1.5 s lie frames 4 to 12.
      expect(Math.min(...indicesOf(video!))).toBe(4);
      expect(Math.max(...indicesOf(video!))).toBe(12);
      expect(frames).toMatchObject({
        kind: 'frames',
        name: 'frames',
        fps: 4,
        seconds: 3,
        num_frames: 12,
        width,
      });
      expect(indicesOf(frames!)).toEqual([0, 4, 7, 11]);
      expect(frames!.frames.map(({ seconds }) => seconds)).toEqual([0, 1, 1.75, 2.75]);
      // The sheet shows exactly these frames, in natural order: a gap of 2, then pictures of 32 pixels.
      const shown = indicesOf(frames!).map(
        (_, i) => sheets[1]!.data[3 * (8 * sheets[1]!.width + 8 + 34 * i)],
      );
      expect(shown).toEqual([20, 100, 160, 240]);
      expect(image).toMatchObject({
        kind: 'image',
        name: 'still.png',
        num_frames: 1,
        seconds: 0,
        width,
        height,
      });
      expect(sheets[2]!.data[3 * (8 * sheets[2]!.width + 8)]).toBe(77);
      const none = await apiRoutes(workspace).request(`${owner}/clip?medium=3`);
      expect(none.status).toBe(404);
      expect(await none.json()).toEqual({
        error: 'the question shows 3 videos or images, there is no number 3',
      });
    }
  });

  it('are found in the folder that they were moved to', async () => {
    const now = join(folder, 'elsewhere');
    renameSync(media, now);
    const lost = new Workspace([join(folder, 'runs')]);
    const owner = `/runs/${listingOf(lost).runs[0]!.id}/steps/1/groups/0`;
    expect((await apiRoutes(lost).request(`${owner}/clip`)).status).toBe(404);
    const { clips } = await askAll(new Workspace([join(folder, 'runs')], { video_root: now }), owner);
    expect(clips.map(({ kind, name }) => `${kind} ${name}`)).toEqual([
      'video a.mp4',
      'frames frames',
      'image still.png',
    ]);
    expect(() => new Workspace([folder], { video_root: join(folder, 'nowhere') })).toThrow(
      `${join(folder, 'nowhere')}: no such folder`,
    );
  });
});
