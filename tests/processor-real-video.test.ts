/**
 * @file Files to model inputs, across the rooms: real clips through decoding, sampling and resizing, their pixels against PyAV and
 * torchvision (goldens by peer/compare_pixels.py), then through the processor of a tiny model folder.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { loadProcessor } from '../src/models/index.ts';
import { imageLimits, loadImage, loadVideo, type ResizeKernel } from '../src/prompt/index.ts';
import { dispose, liveTensors, scope } from '../src/tensor/index.ts';
import { videoSettings } from '../src/video/index.ts';
import { checkpointDir } from './support/model-goldens.ts';
import { realClips } from './support/shared-data.ts';

interface Pixels extends Readonly<Record<ResizeKernel, string>> {
  readonly indices: readonly number[];
  readonly shape: readonly number[];
  /** Which values are stored: every n-th of the flattened frames. */
  readonly every: number;
}

const goldens = JSON.parse(
  readFileSync(fileURLToPath(new URL('goldens/video/real-pixels.json', import.meta.url)), 'utf8'),
) as Readonly<Record<string, Pixels>>;
const folder = realClips();
const CLIP = join(folder ?? '', 'clevrer_video_12176.mp4');
const FOLDER = checkpointDir('qwen2-5-vl');

describe.skipIf(folder === undefined)('real clips after sampling and resizing', () => {
  const cases = Object.keys(goldens).flatMap((clip) =>
    (['float32', 'uint8'] as const).map((kernel) => ({ clip, kernel })),
  );

  it.each(cases)(
    "$clip: the frames PyAV decodes and torchvision's $kernel resizes",
    async ({ clip, kernel }) => {
      const golden = goldens[clip]!;
      const video = await loadVideo(join(folder!, clip), videoSettings({ video: 'correct' }, 28), { kernel });
      expect(video.indices).toEqual(golden.indices);
      expect(video.frames.shape).toEqual(golden.shape);
      const got = (video.frames.toTypedArray() as Uint8Array).filter((_, at) => at % golden.every === 0);
      video.frames.dispose();
      const expected = Buffer.from(golden[kernel], 'base64');
      expect(got.length).toBe(expected.length);
      const differences = [...got].map((value, at) => Math.abs(value - expected[at]!));
      expect(Math.max(...differences)).toBeLessThanOrEqual(1);
      expect(differences.filter((d) => d > 0).length / got.length).toBeLessThanOrEqual(0.001);
    },
  );
});

describe.skipIf(folder === undefined)('a real clip through the processor', () => {
  const loader = {
    loadVideo: (file: string) => loadVideo(file, videoSettings({ video: 'authors' }, 28)),
    loadImage: (file: string) => loadImage(file, imageLimits(28)),
  };

  it("becomes the authors' 10 frames of 476 x 308: 5 slices of 187 tokens", async () => {
    const processor = loadProcessor(FOLDER);
    const before = liveTensors();
    const prompt = await processor.prepare({ text: 'What happens?', videos: [CLIP] }, loader);
    expect(prompt.video_grid_thw).toEqual([[5, 22, 34]]);
    expect(prompt.resized).toEqual([[308, 476]]);
    expect(prompt.frame_indices[0]?.length).toBe(10);
    expect(prompt.second_per_grid_ts).toEqual([1]);
    expect(prompt.mm_token_type_ids.filter((type) => type === 2).length).toBe(5 * 187);
    expect(prompt.pixel_values_videos?.shape).toEqual([5 * 22 * 34, 1176]);
    const mean = scope(() => prompt.pixel_values_videos!.mean().item());
    expect(Math.abs(mean)).toBeLessThan(2);
    expect(prompt.pixel_values).toBeUndefined();
    dispose(prompt);
    expect(liveTensors()).toBe(before);
  });

  it('is refused when the budget is smaller, naming the knobs', async () => {
    const processor = loadProcessor(FOLDER);
    const request = { text: 'What happens?', videos: [CLIP] };
    await expect(processor.prepare(request, loader, { max_prompt_length: 900 })).rejects.toThrow(
      /tokens long, max_prompt_length is 900 \(videos take 935\)/,
    );
  });
});
