/**
 * @file Files to model inputs, across the rooms: a real clip and an image made from it, through decoding, sampling,
 * resizing and the processor of a tiny model folder.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { Processor } from '../src/models/index.ts';
import { dispose, liveTensors, scope } from '../src/tensor/index.ts';
import { loadImage, loadVideo, videoPreset } from '../src/video/index.ts';

const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const SHARED = process.env['TWGRPO_SHARED'] ?? path.join(ROOT, '..', 'shared');
const CLIP = path.join(SHARED, 'data', 'videos', 'clevrer_video_12176.mp4');
const FOLDER = path.join(ROOT, 'tests', 'goldens', 'checkpoints', 'qwen2-5-vl');

describe.skipIf(!existsSync(CLIP))('a real clip through the processor', () => {
  const loader = {
    loadVideo: (file: string) => loadVideo(file, videoPreset('reference')),
    loadImage: (file: string) => loadImage(file),
  };

  it("becomes the authors' 10 frames of 476 x 308: 5 slices of 187 tokens", async () => {
    const processor = Processor.fromPretrained(FOLDER);
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
    const processor = Processor.fromPretrained(FOLDER);
    const request = { text: 'What happens?', videos: [CLIP] };
    await expect(processor.prepare(request, loader, { max_prompt_length: 900 })).rejects.toThrow(
      /tokens long, max_prompt_length is 900 \(videos take 935\)/,
    );
  });
});
